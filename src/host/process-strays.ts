/** Processes that left the group of the command that started them (`setsid`, daemons): found by what they carry of its directory, and ended. */
import { existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { realClock } from './clock.ts';
import { errnoOf } from './errno.ts';
import type { Stray } from './host.ts';
import { type ProcessState, processState } from './process-group.ts';

/** What to look for. */
export interface StraySearch {
  /** A directory that nobody else has for HOME or TMPDIR. */
  readonly directory: string;
  /** The command that has just ended, a leader of its session; null: whoever there is. */
  readonly after: { readonly pid: number; readonly startedMs: number } | null;
  /** Whether a process leads a session that is to be left alone: other commands that run, and machines that were let go of. */
  readonly isSpared: (session: number) => boolean;
}

/** Numbers are given out in sequence: when so many were since, or for so long, a look at all that there are is as quick, and safe from a sequence that began anew. */
const FEW = 200;
const BRIEF_MS = 2_000;
/** A daemon that is asked to end gets this long. */
const POLITE_MS = 500;
const KILLED_PATIENCE_MS = 5_000;
/** What one that is ended starts on the way is looked for again, so many times. */
const ROUNDS = 5;

/** Ends all that belongs to a directory and waits until it is gone. What cannot be ended is told as well. */
export async function endStrays(search: StraySearch): Promise<readonly Stray[]> {
  const all = new Map<number, Stray>();
  for (let round = 0; round < ROUNDS; round++) {
    const found = findStrays(search).filter(({ pid }) => all.get(pid)?.ended !== false);
    if (found.length === 0) break;
    const names = new Map(found.map(({ pid }) => [pid, commandOf(pid)]));
    const patienceMs = round === 0 ? POLITE_MS : 0;
    for (const { pid } of patienceMs > 0 ? found : []) for (const signal of POLITELY) send(pid, signal);
    const deaf = await stillThere(found, patienceMs);
    for (const { pid } of deaf) send(pid, 'SIGKILL');
    const left = await stillThere(deaf, KILLED_PATIENCE_MS);
    for (const one of found)
      all.set(one.pid, { pid: one.pid, command: names.get(one.pid) ?? '', ended: !left.includes(one) });
  }
  return [...all.values()];
}

/** A stopped process would not see the first. */
const POLITELY = ['SIGTERM', 'SIGCONT'] as const;

/** Processes that live and belong to a directory, though to no group of ours. */
function findStrays(search: StraySearch): readonly ProcessState[] {
  if (process.platform !== 'linux') return [];
  const found: ProcessState[] = [];
  for (const pid of candidates(search.after)) {
    if (pid === process.pid) continue;
    const state = processState(pid);
    if (state === null || state.state === 'Z' || state.state === 'X') continue;
    if (search.isSpared(state.session) || !belongs(state, search)) continue;
    if (!hasSparedParent(state, search)) found.push(state);
  }
  return found;
}

function candidates(after: StraySearch['after']): Iterable<number> {
  const last = after === null || realClock.monotonicMs() - after.startedMs > BRIEF_MS ? null : lastPid();
  if (after === null || last === null || last < after.pid || last - after.pid > FEW)
    return listed('/proc').map(Number).filter(Number.isSafeInteger);
  const few: number[] = [];
  // Costs a thousandth of what starting a process does; nearly always nothing is there.
  for (let pid = after.pid + 1; pid <= last; pid++) if (existsSync(`/proc/${pid}`)) few.push(pid);
  return few;
}

let lastPidFile: number | null = null;
const lastPidText = Buffer.alloc(32);

/** The number that was given out last; null where the system does not tell. */
function lastPid(): number | null {
  try {
    lastPidFile ??= openSync('/proc/sys/kernel/ns_last_pid', 'r');
    const length = readSync(lastPidFile, lastPidText, 0, lastPidText.length, 0);
    const pid = Number(lastPidText.toString('latin1', 0, length));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/**
 * Its session is the command's, or its environment has the directory; or, if that was emptied, it works in the directory, has
 * a file there open for writing or mapped. The latter might be somebody who just looks, at a terminal or from before the
 * command: that one is left alone.
 */
function belongs(state: ProcessState, { directory, after }: StraySearch): boolean {
  const { pid } = state;
  const below = `${directory}/`;
  if (state.session === after?.pid) return true;
  // As the bytes that `/proc` has.
  const bytes = Buffer.from(below).toString('latin1');
  const environment = `\0${readOr(`/proc/${pid}/environ`, '')}`;
  if (['HOME', 'TMPDIR'].some((name) => environment.includes(`\0${name}=${bytes}`))) return true;
  if (state.terminal !== 0 || (after !== null && !startedAfter(state, after.startedMs))) return false;
  return (
    `${linkAt(`/proc/${pid}/cwd`)}/`.startsWith(below) ||
    readOr(`/proc/${pid}/maps`, '')
      .split('\n')
      .some((line) => SHARED_WRITABLE.test(line) && line.includes(bytes)) ||
    writesBelow(pid, below)
  );
}

const SHARED_WRITABLE = /^\S+ rw.s /;
const TICK_MS = 10;

/** Numbers of files that are open for writing lie in the last octal digit of `flags`. */
function writesBelow(pid: number, below: string): boolean {
  return listed(`/proc/${pid}/fd`).some(
    (fd) =>
      linkAt(`/proc/${pid}/fd/${fd}`).startsWith(below) &&
      /^flags:\s*\d*[12]$/m.test(readOr(`/proc/${pid}/fdinfo/${fd}`, '')),
  );
}

function startedAfter({ startedAt }: ProcessState, sinceMs: number): boolean {
  const uptimeMs = Number(readOr('/proc/uptime', '').split(' ')[0]) * 1000;
  const agoMs = realClock.monotonicMs() - sinceMs;
  return Number(startedAt) * TICK_MS >= uptimeMs - agoMs - 2 * TICK_MS;
}

const LONGEST_LINE_OF_PARENTS = 64;

/** Whether it was started by a command that still runs: it may yet be waited for. */
function hasSparedParent({ parent }: ProcessState, { isSpared }: StraySearch): boolean {
  let pid = parent;
  for (let count = 0; pid > 1 && count < LONGEST_LINE_OF_PARENTS; count++) {
    const state = processState(pid);
    if (state === null) return false;
    if (isSpared(state.session) && pid !== process.pid) return true;
    pid = state.parent;
  }
  return false;
}

async function stillThere(
  some: readonly ProcessState[],
  patienceMs: number,
): Promise<readonly ProcessState[]> {
  const deadline = realClock.monotonicMs() + patienceMs;
  let left = some.filter(isThere);
  for (
    let pauseMs = 1;
    left.length > 0 && realClock.monotonicMs() < deadline;
    pauseMs = Math.min(pauseMs * 2, 50)
  ) {
    await realClock.sleep(pauseMs);
    left = left.filter(isThere);
  }
  return left;
}

function isThere({ pid, startedAt }: ProcessState): boolean {
  const now = processState(pid);
  return now !== null && now.startedAt === startedAt && now.state !== 'Z' && now.state !== 'X';
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // Gone meanwhile, or of another user.
    if (errnoOf(error) === null) throw error;
  }
}

const LONGEST_COMMAND = 200;

function commandOf(pid: number): string {
  return readOr(`/proc/${pid}/cmdline`, '').replaceAll('\0', ' ').trim().slice(0, LONGEST_COMMAND);
}

/** Empty for what cannot be looked at: a process of another user, or one that has just ended. */
function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return otherwise;
  }
}

function listed(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return [];
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return '';
  }
}
