/** Who this process is, in a way that a later process on this or another host cannot mistake for itself. */
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from './errno.ts';
import type { ProcessIdentity } from './host.ts';
import { processState } from './process-group.ts';

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return identityOf(process.pid);
}

/** A process that runs. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, startedAt: processState(pid)?.startedAt ?? '', realm: realm() };
}

/** Whether the process lives; null when it is of another realm, or hidden from us. */
export function isAlive(identity: ProcessIdentity): boolean | null {
  if (identity.realm !== realm()) return null;
  const state = processState(identity.pid);
  if (state !== null) return state.startedAt === identity.startedAt && state.state !== 'Z';
  if (!exists(identity.pid)) return false;
  // There is one of that number, but the system does not show it to us (`hidepid`): only its number is known.
  return identity.startedAt === '' ? true : null;
}

/** See `Host.isStopped`. */
export function isStopped(identity: ProcessIdentity): boolean {
  if (identity.realm !== realm()) return false;
  const state = processState(identity.pid);
  return state !== null && state.startedAt === identity.startedAt && /^[Tt]$/.test(state.state);
}

/** No chain of parents is longer; a forged `/proc` must not hold us. */
const LONGEST_LINE_OF_PARENTS = 1_000;

/** See `Host.isAncestor`. */
export function isAncestor(identity: ProcessIdentity): boolean {
  if (identity.realm !== realm()) return false;
  let pid = process.ppid;
  for (let count = 0; pid > 1 && count < LONGEST_LINE_OF_PARENTS; count++) {
    const state = processState(pid);
    if (state === null) return false;
    if (pid === identity.pid) return state.startedAt === identity.startedAt;
    pid = state.parent;
  }
  return false;
}

/** See `Host.runsAs`. */
export function runsAs({ pid }: ProcessIdentity, uid: number): boolean {
  try {
    return lstatSync(`/proc/${pid}`).uid === uid;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return false;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Another after every start of the machine; empty when the system does not tell. */
export function bootId(): string {
  return orEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
}

let known: string | null = null;

/** Containers of one machine share its boot but not its process numbers: hence the namespace. */
function realm(): string {
  known ??= [hostname(), bootId(), orEmpty(() => readlinkSync('/proc/self/ns/pid'))].join(' ');
  return known;
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return '';
  }
}
