/** Partitions that nothing reads from outside, listed by the system that is on the disk: for `bake diff --boot`. */
import type { PartitionDiff } from '../formats/disk-diff.ts';
import type { FileFacts, FileTree } from '../formats/file-tree.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { textOf } from '../report/failures.ts';
import type { Invocation } from './command.ts';
import { compareListed, LISTED_TYPES, type Listed } from './listed-files.ts';
import { diskToLookInto, withLookMachine } from './look.ts';
import { openProject } from './wiring.ts';

/** Files by the number of the partition that holds them; those of a file system without one are in 0. */
export type GuestListing = ReadonlyMap<number, FileTree<Listed>>;

/** What one side of the comparison is called on the command line. */
interface Sides {
  readonly file: string | undefined;
  readonly before: string;
  readonly after: string;
}

/** Compares the partitions that nobody could compare so far; those that stay so say why the guest could not tell. */
export async function readInGuests(
  invocation: Invocation,
  { file, before, after }: Sides,
  partitions: readonly PartitionDiff[],
): Promise<readonly PartitionDiff[]> {
  const unread = partitions.filter(({ problem }) => problem !== null);
  if (unread.length === 0) return partitions;
  const was = await listInGuest(
    invocation,
    file,
    before,
    unread.some(({ inBefore }) => inBefore),
  );
  const is = await listInGuest(
    invocation,
    file,
    after,
    unread.some(({ inAfter }) => inAfter),
  );
  const read: PartitionDiff[] = [];
  for (const one of partitions) read.push(one.problem === null ? one : await compareOne(one, was, is));
  return read;
}

async function compareOne(
  partition: PartitionDiff,
  before: Result<GuestListing, string>,
  after: Result<GuestListing, string>,
): Promise<PartitionDiff> {
  const { number, inBefore, inAfter } = partition;
  const empty: FileTree<Listed> = new Map();
  const unread = (why: string) => ({ ...partition, problem: `${partition.problem}; ${why}` });
  if (!before.ok) return unread(before.failure);
  if (!after.ok) return unread(after.failure);
  const was = inBefore ? before.value.get(number) : empty;
  const is = inAfter ? after.value.get(number) : empty;
  if (was === undefined || is === undefined) return unread('the system on the disk has not mounted it');
  return { ...(await compareListed(partition, was, is)), isLive: true };
}

/** The failure is a part of a sentence. Nothing is started that has nothing to tell. */
async function listInGuest(
  invocation: Invocation,
  file: string | undefined,
  target: string,
  wanted: boolean,
): Promise<Result<GuestListing, string>> {
  if (!wanted) return ok(new Map());
  const positionals = file === undefined ? [target] : [file, target];
  const project = await openProject({ ...invocation, positionals }, { touch: false, splitOutput: true });
  const look = project.ok ? await diskToLookInto(project.value) : project;
  if (!project.ok || !look.ok) return fail(`${target} could not be started`);
  invocation.writeError(`starting the machine of ${target}, which lists its files\n`);
  const listed = await withLookMachine(
    invocation,
    project.value,
    look.value,
    () => undefined,
    async ({ guest }) => {
      const said = await guest.runAsRoot(LISTING, 'while it listed its files', { quiet: true });
      return said.ok ? ok(said.value) : said;
    },
  );
  if (!listed.ok) return fail(`the machine of ${target}: ${textOf(listed.failure).summary}`);
  const { exitCode, stdout, tail } = listed.value;
  if (exitCode === 0) return ok(parseGuestListing(stdout));
  return fail(`the guest of ${target} could not list it: ${tail.at(-1) ?? 'it did not say why'}`);
}

/**
 * One record for each mounted file system on a disk, then its files, then the digests of the regular ones; each ends in a
 * NUL, since names may hold all else. Needs GNU find and coreutils. Not everything that is mounted somewhere counts: what is
 * mounted twice is listed once, in whole.
 */
const LISTING = String.raw`set -e
seen=
while read -r _ _ _ root mount _ rest; do
  rest=" $rest"
  set -- ${'${rest#* - }'}
  case $2 in /dev/*) ;; *) continue ;; esac
  case "$seen " in *" $2:$root "*) continue ;; esac
  prefix=
  case "$seen" in *" $2:"*) prefix=$(printf '%b' "$mount") ;; esac
  seen="$seen $2:$root"
  device=$(basename "$(readlink -f "$2")")
  number=0
  for place in "/sys/class/block/$device" "/sys/class/block/$device/slaves"/*; do
    if [ -r "$place/partition" ]; then number=$(cat "$place/partition"); break; fi
  done
  cd "$(printf '%b' "$mount")"
  printf 'mount %s %s\0' "$number" "$prefix"
  find . -xdev -mindepth 1 -printf '%y %m %U %G %s %P\0%l\0'
  printf 'digests\0'
  find . -xdev -type f -printf '%P\0' | xargs -0 -r sha256sum -z --
done < /proc/self/mountinfo
`;

const TYPES: Readonly<Record<string, FileFacts['type']>> = { ...LISTED_TYPES, f: 'file' };

const MOUNT = /^mount (\d+) (.*)$/s;
const FILE = /^(\S) (\d+) (\d+) (\d+) (\d+) (.*)$/s;
const DIGEST = /^([0-9a-f]{64}) [ *](.*)$/s;

/** What the script prints. Paths begin at the file system's own root; those of its other subvolumes where they are mounted. */
export function parseGuestListing(text: string): GuestListing {
  const found = new Map<number, Map<string, Listed>>();
  let tree = new Map<string, Listed>();
  let prefix = '';
  const records = text.split('\0');
  for (let at = 0; at < records.length; at++) {
    const [, number, mount] = MOUNT.exec(records[at] ?? '') ?? [];
    if (number === undefined) continue;
    tree = found.get(Number(number)) ?? new Map();
    found.set(Number(number), tree);
    prefix = mount ?? '';
    at += 1;
    for (; at < records.length && records[at] !== 'digests'; at += 2)
      addFile(tree, prefix, records[at] ?? '', records[at + 1] ?? '');
    for (at += 1; DIGEST.test(records[at] ?? ''); at++) {
      const [, digest = '', path] = DIGEST.exec(records[at] ?? '') ?? [];
      const file = tree.get(`${prefix}/${path}`);
      if (file !== undefined) tree.set(`${prefix}/${path}`, { ...file, digest });
    }
    at -= 1;
  }
  return found;
}

function addFile(tree: Map<string, Listed>, prefix: string, record: string, target: string): void {
  const [, mark = '', mode = '', uid, gid, size, path] = FILE.exec(record) ?? [];
  const type = TYPES[mark];
  if (type === undefined) return;
  tree.set(`${prefix}/${path}`, {
    type,
    mode: Number.parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
    sizeBytes: type === 'file' ? Number(size) : 0,
    target: type === 'link' ? target : null,
    digest: '',
  });
}
