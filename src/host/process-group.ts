/** Process groups: ending all of one, waiting until it is gone, and knowing whether a recorded one is still the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { realClock } from './clock.ts';
import { errnoOf } from './errno.ts';

/** Sends a signal to a whole group; whether there was one. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  const { stackTraceLimit } = Error;
  // After nearly every command there is none, and the stack of that error would take ten times as long as the question.
  Error.stackTraceLimit = 0;
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    // EPERM: there is one, but it changed its user. Nothing that we can do reaches it.
    if (errnoOf(error) === null) throw error;
    return errnoOf(error) === 'EPERM';
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** How long a group that was killed may take to vanish: it cannot refuse, but may hang in the kernel. */
const KILLED_PATIENCE_MS = 5_000;
/** What is left when the leader has ended gets this long to end by itself: `> >(tee log)` flushes a little later. */
const LEFTOVER_PATIENCE_MS = 200;

/** Kills what is left of a group whose leader has ended, and waits until it is gone. */
export async function endLeftovers(group: number): Promise<void> {
  if (!signalGroup(group, 0)) return;
  if (await isGone(group, LEFTOVER_PATIENCE_MS)) return;
  signalGroup(group, 'SIGKILL');
  await isGone(group, KILLED_PATIENCE_MS);
}

/** The system tells nobody but the parent about an end, and we are not the parent of grandchildren: look, ever more rarely. */
async function isGone(group: number, patienceMs: number): Promise<boolean> {
  const deadline = realClock.monotonicMs() + patienceMs;
  for (let pauseMs = 1; realClock.monotonicMs() < deadline; pauseMs = Math.min(pauseMs * 2, 50)) {
    await realClock.sleep(pauseMs);
    if (!signalGroup(group, 0) || onlyZombies(group)) return true;
  }
  return false;
}

/** Where process 1 does not collect its children (small containers), dead ones stay listed. */
function onlyZombies(group: number): boolean {
  return membersOf(group)?.every((member) => member.state === 'Z') ?? false;
}

/** What `/proc` says of one. */
export interface ProcessState {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The number of its terminal; 0 when it has none. */
  readonly terminal: number;
  /** Ticks since boot: with the pid it names a process uniquely until the next boot. */
  readonly startedAt: string;
}

/** What Linux says about a process; null when it is gone, or elsewhere than on Linux. */
export function processState(pid: number): ProcessState | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
  // The name in brackets may hold anything, brackets too: count from the last one (proc(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? '?',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    terminal: Number(fields[4]),
    startedAt: fields[19] ?? '',
  };
}

function membersOf(group: number): readonly ProcessState[] | null {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
  const states = names.filter((name) => /^\d+$/.test(name)).map((name) => processState(Number(name)));
  return states.filter((state) => state !== null && state.group === group) as ProcessState[];
}

/**
 * Kills a group that an earlier bake recorded, if it is still that one: numbers are used again. `isIt` knows its leader by
 * when that started; or the leader is gone while members of its own session are left.
 */
export async function killRecorded(group: number, isIt: (startedAt: string) => boolean): Promise<void> {
  const leader = processState(group);
  if (leader !== null && !isIt(leader.startedAt)) return;
  const members = membersOf(group) ?? [];
  if (members.length === 0 || members.some((member) => member.session !== group)) return;
  signalGroup(group, 'SIGKILL');
  await isGone(group, KILLED_PATIENCE_MS);
}
