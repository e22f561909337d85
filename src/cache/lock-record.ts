/** What a lock file says of the builder that holds it. It comes out of a directory that others may write: read with bounds. */
import type { ProcessIdentity } from '../host/host.ts';
import type { Builder } from './cache.ts';

export interface LockRecord {
  readonly builder: Builder;
  readonly owner: ProcessIdentity;
}

/** Longer ones are cut where they are told: what a stage does may be a line of its output. */
const LONGEST_ACTIVITY = 1_000;
const LONGEST_NAME = 4_096;
/** No system counts higher. */
const HIGHEST_PID = 2 ** 31;

/** The whole text of a lock file. */
export function lockText({ builder, owner }: LockRecord): string {
  const activity = builder.activity?.slice(0, LONGEST_ACTIVITY) ?? null;
  return JSON.stringify({ builder: { ...builder, activity }, owner } satisfies LockRecord);
}

/** Null for everything that no builder writes. */
export function parseLock(text: string): LockRecord | null {
  const { builder, owner } = objectIn(parsed(text));
  const { pid, host, directory, activity } = objectIn(builder);
  const { pid: ownerPid, startedAt, realm } = objectIn(owner);
  if (!isPid(pid) || !isName(host) || !isName(directory)) return null;
  if (activity !== null && !isName(activity)) return null;
  if (!isPid(ownerPid) || !isName(startedAt) || !isName(realm)) return null;
  return { builder: { pid, host, directory, activity }, owner: { pid: ownerPid, startedAt, realm } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function objectIn(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function isPid(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= HIGHEST_PID;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_NAME;
}
