/** One builder per fingerprint: who finds another's lock file waits, sees who it is, and takes over from the dead, the stopped and the silent. */

import { isSameFile, type LockLook } from '../host/lock-files.ts';
import { type Fingerprint, hexOf } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Builder, BuildLock, LockRequest } from './cache.ts';
import { HELD_BY_NOTHING, type HeldFile, holdFile } from './heartbeat.ts';
import { type LockRecord, parseLock } from './lock-record.ts';
import type { Store } from './store.ts';

/** How long what is found in the place of a lock is waited for when it does not change, by our own clock, however those of other hosts differ. */
export interface LockLimits {
  /** How often a builder renews its file. */
  readonly beatMs: number;
  /** The file of a builder. */
  readonly silentMs: number;
  /** That of a builder which is seen to be stopped. */
  readonly stoppedMs: number;
  /** What no builder of this version writes: its files are whole before they get their names. */
  readonly oddMs: number;
}

const LIMITS: LockLimits = { beatMs: 5_000, silentMs: 30_000, stoppedMs: 4_000, oddMs: 1_000 };
/** How often one who waits looks: a look takes some microseconds, and nobody tells of an end. */
const FIRST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 80;
const LOOK_GROWTH = 1.05;
/** So many names are tried when what is found cannot be moved away, such as a dead user's file in a sticky directory. */
const NAMES = 4;

/** What nobody renewed for so long, by the clock of its file system, was left behind, whoever made it. */
const LEFT_MS = 60 * 60_000;
/** So many are looked at by one run. */
const LOOKED_AT = 200;

/** Ours have no other names: where somebody put a link to a directory of ours in the place of that of locks, nothing there is one. */
const LOCK_NAME = /^[0-9a-f]{64}(\.\d)?$/;

/** Removes what dead builders left of stages that nobody builds any more. */
export async function clearLeftLocks(store: Store): Promise<void> {
  const { files, lockFiles, clock, isAlive } = store.host;
  if (store.lookOnly) return;
  const names = files.list(store.locks).names.filter((name) => LOCK_NAME.test(name));
  for (const name of names.slice(0, LOOKED_AT)) {
    const path = `${store.locks}/${name}`;
    const look = lockFiles.look(path, null);
    const record = look && recordIn(look);
    const isDead = record !== null && isAlive(record.owner) === false;
    const isOld = look !== null && clock.nowMs() - look.changedAtMs > LEFT_MS;
    if (look !== null && (isDead || isOld)) await moveAway(store, path, look);
  }
}

/** See `Cache.lock`. */
export async function lockFingerprint(
  store: Store,
  fingerprint: Fingerprint,
  request: LockRequest,
  limits: Partial<LockLimits> = {},
): Promise<Result<BuildLock | null, Failure>> {
  const { host } = store;
  const { directory } = request;
  let record: LockRecord = {
    builder: { pid: host.pid, host: host.hostName, directory, activity: null },
    owner: host.identity,
  };
  const held = await take(store, hexOf(fingerprint), record, request, { ...LIMITS, ...limits });
  if (!held.ok) return held;
  const file = held.value;
  if (file === null) return ok(null);
  return ok({
    report(activity) {
      record = { ...record, builder: { ...record.builder, activity } };
      file.tell(record);
    },
    async release() {
      if (!(await file.stop())) store.warn({ code: 'lock-lost', directory });
    },
  });
}

/** Runs `work` while no other process runs work of the same name. Trouble with locks keeps nobody from it. */
export async function alone<T>(store: Store, name: string, work: () => Promise<T>): Promise<T> {
  const { host } = store;
  const builder: Builder = { pid: host.pid, host: host.hostName, directory: name, activity: null };
  const request = { directory: name, onWait: () => undefined, signal: new AbortController().signal };
  const file = hexOf(host.hashing.digestBytes(name));
  const held = await take(store, file, { builder, owner: host.identity }, request, LIMITS);
  try {
    return await work();
  } finally {
    if (held.ok) await held.value?.stop();
  }
}

/** Waits until nobody else's file is there and puts ours; null when the signal fired. */
async function take(
  store: Store,
  name: string,
  record: LockRecord,
  request: LockRequest,
  limits: LockLimits,
): Promise<Result<HeldFile | null, Failure>> {
  const { signal } = request;
  const pause = pauses(store, signal);
  let number = 0;
  while (!signal.aborted && number < NAMES) {
    const path = `${store.locks}/${name}${number === 0 ? '' : `.${number}`}`;
    const free = await untilFree(store, path, request, limits, pause);
    if (!free.ok) return free;
    if (free.value === 'unmovable') number += 1;
    if (free.value !== 'free') continue;
    const held = await holdFile(store, path, record, limits.beatMs);
    if (held !== 'taken') return ok(held);
    await pause();
  }
  return ok(signal.aborted ? null : HELD_BY_NOTHING);
}

/** Each a little longer than the one before. */
function pauses({ host }: Store, signal: AbortSignal): () => Promise<void> {
  let pauseMs = FIRST_LOOK_MS;
  return async () => {
    await host.clock.sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * LOOK_GROWTH, LONGEST_LOOK_MS);
  };
}

/** Waits until nothing is at a path, or moves away what has been there for too long. */
async function untilFree(
  store: Store,
  path: string,
  request: LockRequest,
  limits: LockLimits,
  pause: () => Promise<void>,
): Promise<Result<'free' | 'unmovable' | 'stopped', Failure>> {
  const tell = tellOnce(request.onWait);
  let seen: Seen | null = null;
  while (!request.signal.aborted) {
    const look = store.host.lockFiles.look(path, seen?.look ?? null);
    if (look === null) return ok('free');
    if (seen?.look !== look) seen = seenNow(store, look, seen?.look ?? null);
    const verdict = judge(store, seen, limits);
    if (verdict.type === 'itself') return fail({ code: 'stage-waits-for-itself', pid: verdict.pid });
    if (verdict.type === 'over') {
      const stuck = passOver(store, verdict, request);
      if (stuck !== null) return fail(stuck);
      return ok((await moveAway(store, path, look)) ? 'free' : 'unmovable');
    }
    if (seen.record !== null) tell(seen.record.builder);
    await pause();
  }
  return ok('stopped');
}

interface Seen {
  readonly look: LockLook;
  readonly record: LockRecord | null;
  /** Whether its builder waits for us: a stage that runs bake. */
  readonly isAncestor: boolean;
  /** Since when it has looked like that. */
  readonly sinceMs: number;
}

function seenNow({ host }: Store, look: LockLook, before: LockLook | null): Seen {
  const record = recordIn(look);
  // Anybody may write a record that names our parents, and would end every build by it: the file must be of the user whom
  // they run as, or, where the file system shows another, be renewed.
  const isTheirs = (owner: LockRecord['owner']) =>
    host.runsAs(owner, look.uid) || (before !== null && isSameFile(before, look));
  const isAncestor = record !== null && host.isAncestor(record.owner) && isTheirs(record.owner);
  return { look, record, isAncestor, sinceMs: host.clock.monotonicMs() };
}

function recordIn({ text }: LockLook): LockRecord | null {
  return text === null ? null : parseLock(text);
}

type Verdict =
  | { readonly type: 'wait' }
  /** It waits for us, so that we must not wait for it. */
  | { readonly type: 'itself'; readonly pid: number }
  /** Nobody is to wait for it any longer; `alive` is the builder if it may be there still. */
  | { readonly type: 'over'; readonly alive: Stuck | null };

interface Stuck {
  readonly builder: Builder;
  readonly why: 'stopped' | 'silent';
  readonly quietMs: number;
}

function judge({ host }: Store, { record, isAncestor, sinceMs }: Seen, limits: LockLimits): Verdict {
  const quietMs = host.clock.monotonicMs() - sinceMs;
  if (record === null) return quietMs > limits.oddMs ? { type: 'over', alive: null } : { type: 'wait' };
  const { owner, builder } = record;
  if (host.isAlive(owner) === false) return { type: 'over', alive: null };
  if (isAncestor) return { type: 'itself', pid: owner.pid };
  if (quietMs > limits.silentMs) return { type: 'over', alive: { builder, why: 'silent', quietMs } };
  if (quietMs > limits.stoppedMs && host.isStopped(owner))
    return { type: 'over', alive: { builder, why: 'stopped', quietMs } };
  return { type: 'wait' };
}

/** Says whom we pass over. Two builders at once cost time only, unless both would work in the same directory: that is the failure. */
function passOver(
  store: Store,
  { alive }: { readonly alive: Stuck | null },
  { directory, inPlace }: LockRequest,
): Failure | null {
  if (alive === null) return null;
  const { builder, ...rest } = alive;
  const told = { pid: builder.pid, host: builder.host, directory: builder.directory, ...rest };
  if (inPlace === true && builder.directory === directory) return { code: 'other-builder-stuck', ...told };
  store.warn({ code: 'builder-passed-over', ...told });
  return null;
}

function tellOnce(tell: (other: Builder) => void): (other: Builder) => void {
  let told = '';
  return (builder) => {
    const text = JSON.stringify(builder);
    if (text !== told) tell(builder);
    told = text;
  };
}

/** Of several that find the same dead file one moves it away; the others find it gone or replaced. False: it cannot be moved. */
async function moveAway(store: Store, path: string, seen: LockLook): Promise<boolean> {
  const { files, lockFiles } = store.host;
  const aside = store.lockAside();
  const moved = await files.rename(path, aside);
  if (!moved.ok) return moved.failure.errno === 'ENOENT' && lockFiles.look(path, null) === null;
  const what = lockFiles.look(aside, null);
  // It came to life, or another took over, between the look and the move: give it back.
  if (what !== null && what.text !== null && (what.text !== seen.text || what.inode !== seen.inode))
    await files.link(aside, path);
  await files.remove(aside);
  return true;
}
