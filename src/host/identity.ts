/** Who this process is, in a way that a later process on this or another host cannot mistake for itself. */
import { readFileSync, readlinkSync } from 'node:fs';
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

/** Whether the process lives; null when it is of another realm. */
export function isAlive(identity: ProcessIdentity): boolean | null {
  if (identity.realm !== realm()) return null;
  const state = processState(identity.pid);
  if (state !== null) return state.startedAt === identity.startedAt && state.state !== 'Z';
  return identity.startedAt === '' && exists(identity.pid);
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
