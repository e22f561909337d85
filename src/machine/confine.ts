/** Runs a program that reads what strangers made under limits and, where this host allows it, where it sees nothing but what it works on. */
import type { Host } from '../host/host.ts';

/** What a program may use up. */
export interface Limits {
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
  /** Of every file that it writes. */
  readonly fileBytes: number;
}

/** What a program works on; everything else of the host is out of its sight. */
export interface Sight {
  /** Absolute paths of files that it reads. */
  readonly files: readonly string[];
  /** Absolute path of the directory in which it writes; null when it writes nothing. */
  readonly directory: string | null;
}

/** A program and its arguments. */
export type Command = readonly [string, ...string[]];

/** KiB, seconds, blocks of 512 bytes; no core dump, which would hold what was read. */
const LIMITED = 'ulimit -c 0 && ulimit -v "$1" && ulimit -t "$2" && ulimit -f "$3" && shift 3 && exec "$@"';

/**
 * A root of its own: system directories, three devices, the given files and directories at their own paths. It is put over
 * /sys, which holds nothing that anybody converts and is there on every host; whoever else looks sees none of it. A file
 * that is there already, since its directory is, must not be made again.
 */
const SECLUDED = `set -e
PATH="$PATH:/usr/sbin:/sbin"
root=/sys
mount -t tmpfs -o mode=755,size=4m tmpfs "$root"
for name in usr bin sbin lib lib32 lib64 libx32 nix gnu; do
  if [ -L "/$name" ]; then ln -s "$(readlink "/$name")" "$root/$name"
  elif [ -d "/$name" ]; then
    mkdir "$root/$name"
    mount --rbind "/$name" "$root/$name"
    mount -o remount,bind,ro "$root/$name" 2>/dev/null || :
  fi
done
mkdir "$root/etc" "$root/dev" "$root/tmp" "$root/proc"
# What umount looks at to find what is mounted; it goes last.
mount --rbind /proc "$root/proc"
show() {
  [ -e "$root$1" ] && return
  mkdir -p "$(dirname "$root$1")"
  if [ -d "$1" ]; then mkdir "$root$1"; else : > "$root$1"; fi
  mount --bind "$1" "$root$1"
}
for name in /etc/ld.so.cache /dev/null /dev/zero /dev/urandom; do
  if [ -e "$name" ]; then show "$name"; fi
done
while [ "$1" != -- ]; do show "$1"; shift; done
shift
cd "$root"
mkdir .old
pivot_root . .old
cd /
umount -l /.old
umount -l /proc
exec "$@"
`;

const UNSHARE: Command = [
  'unshare',
  '--user',
  '--map-root-user',
  '--mount',
  '--net',
  '--propagation',
  'private',
  '--',
];

const PROBE_TIMEOUT_MS = 5_000;

/** Whether a program can be secluded, by host, search path and program: found out once. */
const known = new WeakMap<Host, Map<string, Promise<boolean>>>();

/** The command as it is to be run. Where there are no namespaces for us (some containers) the limits alone hold. */
export async function confined(
  context: { readonly host: Host; readonly env: { readonly [name: string]: string } },
  command: Command,
  limits: Limits,
  sight: Sight,
): Promise<Command> {
  const inner = (await canSeclude(context, command[0])) ? secluded(command, sight) : command;
  const numbers = [limits.memoryBytes / 1024, limits.cpuSeconds, limits.fileBytes / 512];
  return ['sh', '-c', LIMITED, 'bake', ...numbers.map((number) => String(Math.ceil(number))), ...inner];
}

function secluded(command: Command, { files, directory }: Sight): Command {
  // Directories first: a file in one of them is there with it.
  const shown = [...(directory === null ? [] : [directory]), ...files];
  return [...UNSHARE, 'sh', '-c', SECLUDED, 'bake', ...shown, '--', ...command];
}

function canSeclude(
  { host, env }: { readonly host: Host; readonly env: { readonly [name: string]: string } },
  program: string,
): Promise<boolean> {
  const answers = known.get(host) ?? new Map<string, Promise<boolean>>();
  known.set(host, answers);
  const key = `${program}\n${env['PATH']}`;
  const asked = answers.get(key) ?? probe(host, env, program);
  answers.set(key, asked);
  return asked;
}

async function probe(
  host: Host,
  env: { readonly [name: string]: string },
  program: string,
): Promise<boolean> {
  const [file, ...args] = secluded([program, '--version'], { files: [], directory: null });
  const options = { cwd: '/', env, capture: true, timeoutMs: PROBE_TIMEOUT_MS };
  const said = await host.processes.run(file, args, options);
  return said.ok && said.value.exitCode === 0 && said.value.stdout.startsWith(`${program} version`);
}
