/** A tiny child that outlives bake by a moment: when bake is gone, even by `kill -9`, it kills every process group still running. */
import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Reads `+ <group>` and `- <group>`, `! <session>` for one that is to live on, and `@ <directory>` for where commands have
 * their HOME (`@` alone: nowhere); the end of its input means that bake is gone. What left its group is found by its
 * environment, as in process-strays.ts. In a session of its own and deaf to signals meant for bake, so that a Ctrl-C does
 * not end it first. (dash's kill takes `-KILL -- -1` for a wrong number.)
 */
const SCRIPT = `trap '' HUP INT QUIT TERM
groups=' ' kept=' ' places= eol='
'
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) before=\${groups%% $group *}; [ "$before" = "$groups" ] || groups="$before \${groups#* $group }" ;;
    !) kept="$kept$group " ;;
    @) places=\${group:+$places$group$eol} ;;
  esac
done
exec 2>/dev/null
for group in $groups; do kill -s KILL -- "-$group"; done
IFS=$eol
[ -z "$places" ] || for round in 1 2 3; do
  for place in $places; do
    for file in $(grep -lsaF -e "HOME=$place/" -e "TMPDIR=$place/" /proc/[0-9]*/environ); do
      pid=\${file#/proc/} pid=\${pid%/environ}
      IFS= read -r state < "/proc/$pid/stat" || continue
      state=\${state##*) ? } state=\${state#* } state=\${state#* }
      case $kept in *" \${state%% *} "*) ;; *) kill -s KILL "$pid" ;; esac
    done
  done
done`;

let watchdog: ChildProcess | null = null;

function start(): ChildProcess {
  const child = spawn('/bin/sh', ['-c', SCRIPT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
  });
  child.unref();
  // Writing to a watchdog that somebody killed must not end bake; the next group starts a new one.
  child.stdin?.on('error', () => undefined);
  child.once('error', () => forget(child));
  child.once('exit', () => forget(child));
  const { stdin } = child;
  if (stdin && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  return child;
}

function forget(child: ChildProcess): void {
  if (watchdog === child) watchdog = null;
}

/** Has the group killed should this process die; `unwatch` takes that back. Returns after the words are in the pipe. */
export function watch(group: number, all: Iterable<number>): void {
  if (watchdog === null) {
    watchdog = start();
    for (const place of places) watchdog.stdin?.write(`@ ${place}\n`);
    for (const one of kept) watchdog.stdin?.write(`! ${one}\n`);
    for (const other of all) watchdog.stdin?.write(`+ ${other}\n`);
  }
  tell(`+ ${group}\n`);
}

/** Takes back what `watch` said. */
export function unwatch(group: number): void {
  // Together with the next one when that starts in this turn: each word wakes the watchdog up.
  if (ended === '') setImmediate(() => tell(''));
  ended += `- ${group}\n`;
}

const places = new Set<string>();
const kept = new Set<number>();

/** Has all ended that is found to have its HOME below a directory; null takes back what was said before. */
export function watchBelow(directory: string | null): void {
  // What is told is a line.
  if (directory?.includes('\n') === true) return;
  if (directory === null) places.clear();
  else places.add(directory);
  tell(directory === null ? '@\n' : `@ ${directory}\n`);
}

/** Spares a session, whatever its environment says. */
export function spare(session: number): void {
  kept.add(session);
  tell(`! ${session}\n`);
}

/** Ends that the watchdog has not heard of yet. */
let ended = '';

function tell(words: string): void {
  const all = ended + words;
  ended = '';
  if (all !== '') watchdog?.stdin?.write(all);
}
