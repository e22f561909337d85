/** A tiny child that outlives bake by a moment: when bake is gone, even by `kill -9`, it kills every process group still running. */
import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Reads `+ <group>` and `- <group>`; the end of its input means that bake is gone. In a session of its own and deaf to
 * signals meant for bake, so that a Ctrl-C does not end it first. (dash's kill takes `-KILL -- -1` for a wrong number.)
 */
const SCRIPT = `trap '' HUP INT QUIT TERM
groups=' '
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) before=\${groups%% $group *}; [ "$before" = "$groups" ] || groups="$before \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null`;

let watchdog: ChildProcess | null = null;

function start(): ChildProcess {
  const child = spawn('/bin/sh', ['-c', SCRIPT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: {},
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

/** Ends that the watchdog has not heard of yet. */
let ended = '';

function tell(words: string): void {
  const all = ended + words;
  ended = '';
  if (all !== '') watchdog?.stdin?.write(all);
}
