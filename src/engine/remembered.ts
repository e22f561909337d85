/** What a checkout knows of its actions from before: those of which nothing has changed need not be prepared, pinned or looked up. */
import type { Stamp } from '../host/host.ts';
import type { Artifact } from '../model/artifact.ts';
import type { PlannedAction } from '../model/plan.ts';
import { MOST_LOOKS } from './looks.ts';
import { isAsPlaced } from './placement.ts';
import type { Prepared } from './prepare.ts';
import type { Session } from './session.ts';
import type { Settled } from './settled.ts';
import { isGood, notBegun } from './settled.ts';
import type { ActionState, CheckoutState } from './state.ts';

/** A path that was looked at: size, mtime, ctime and inode, or nothing where nothing was. */
export type Look =
  | readonly [path: string, size: number, mtime: number, ctime: number, inode: number]
  | readonly [path: string];

/** Of one action: all that it was prepared from, and what it made. */
export interface Remembered {
  readonly looks: readonly Look[];
  readonly artifacts: readonly Artifact[];
}

/** What all actions rest on. */
export interface Ground {
  /** Everything besides files: versions of bake and Node, variables, `PATH`. */
  readonly key: string;
  /** Tools, `bake.lock`, the pipeline's files, and the file that notes removals from the cache. */
  readonly looks: readonly Look[];
}

/** Written less than this before a run began, a file may have been written again within the clock's grain. */
const RACY_MS = 2_000;

/**
 * The actions of which nothing has changed since they ended well, nor of anything before them: settled as fresh by stamps
 * alone. Their looks are the session's from then on.
 */
export function unchangedActions(
  session: Session,
  actions: readonly PlannedAction[],
  key: string,
  isForced: (action: PlannedAction) => boolean,
): ReadonlyMap<string, Settled> {
  const { state, host, looks } = session;
  const unchanged = new Map<string, Settled>();
  const seen = new Map<string, Stamp | null>();
  const isSame = (look: Look): boolean => {
    const [path] = look;
    let stamp = seen.get(path);
    if (stamp === undefined) {
      stamp = host.files.stamp(path);
      seen.set(path, stamp);
    }
    return isLook(look, stamp);
  };
  const { ground } = state;
  if (ground === null || ground.key !== key || !ground.looks.every(isSame)) return unchanged;
  const nowMs = host.clock.nowMs();
  for (const [path] of ground.looks) looks.add(path, seen.get(path) ?? null);
  // Theirs alone: they do not belong to the ground.
  const own = looks.noting();
  for (const action of actions) {
    const last = state.actions[action.name];
    if (last?.remembered == null || isForced(action)) continue;
    const { remembered } = last;
    const isUnchanged =
      action.needs.every((need) => unchanged.has(need)) &&
      remembered.looks.every(isSame) &&
      (!action.placed || remembered.artifacts.every((artifact) => isAsPlaced(session, artifact, last)));
    if (!isUnchanged) continue;
    unchanged.set(action.name, asBefore(action, last, remembered, nowMs));
    for (const [path] of remembered.looks) own.add(path, seen.get(path) ?? null);
  }
  return unchanged;
}

function asBefore(
  action: PlannedAction,
  { fingerprint, durationMs, placed }: ActionState,
  { artifacts }: Remembered,
  nowMs: number,
): Settled {
  return {
    ...notBegun(action, 'cancelled', '', nowMs),
    outcome: 'fresh',
    reasons: [],
    pinned: { fingerprint },
    result: { artifacts, durationMs: durationMs ?? 0 },
    placed: action.placed ? placed : {},
  };
}

/**
 * What is worth keeping of a run for the next one. Only what has not changed since it was looked at, and was not written
 * just before, is remembered; in doubt the next run looks more closely.
 */
export function rememberRun(
  session: Session,
  run: {
    readonly key: string;
    readonly startedAtMs: number;
    readonly prepared: readonly Prepared[];
    readonly settled: readonly Settled[];
    readonly actions: CheckoutState['actions'];
    /** Whether actions of before that this run did not choose still rest on the same ground. */
    readonly isSameGround: boolean;
  },
): Pick<CheckoutState, 'actions' | 'ground'> {
  const looked = session.looks.all();
  const lookAt = (path: string): Look | null => {
    const then = looked.get(path) ?? null;
    if (then !== null && then.mtimeMs > run.startedAtMs - RACY_MS) return null;
    const look = lookOf(path, then);
    return isLook(look, session.host.files.stamp(path)) ? look : null;
  };
  const actions: Record<string, ActionState> = { ...run.actions };
  const settled = new Map(run.settled.map((one) => [one.action.name, one]));
  if (!run.isSameGround) {
    for (const [name, state] of Object.entries(actions)) {
      if (!settled.has(name)) actions[name] = { ...state, remembered: null };
    }
  }
  for (const prepared of run.prepared) {
    const { name } = prepared.action;
    const state = actions[name];
    const ended = settled.get(name);
    if (state === undefined || ended === undefined) continue;
    actions[name] = { ...state, remembered: worthKeeping(prepared, ended, lookAt) };
  }
  const ground = all([...session.looks.noted()].map(lookAt));
  return { actions, ground: ground && { key: run.key, looks: ground } };
}

function worthKeeping(
  { action, looked }: Prepared,
  ended: Settled,
  lookAt: (path: string) => Look | null,
): Remembered | null {
  if (!isGood(ended) || !action.cacheable || looked.size > MOST_LOOKS) return null;
  const looks = all([...looked].map(lookAt));
  return looks && { looks, artifacts: ended.result?.artifacts ?? [] };
}

function all<T>(values: readonly (T | null)[]): readonly T[] | null {
  return values.includes(null) ? null : (values as readonly T[]);
}

function lookOf(path: string, stamp: Stamp | null): Look {
  return stamp === null ? [path] : [path, stamp.sizeBytes, stamp.mtimeMs, stamp.ctimeMs, stamp.inode];
}

function isLook([, size, mtime, ctime, inode]: Look, stamp: Stamp | null): boolean {
  if (stamp === null) return size === undefined;
  return (
    stamp.sizeBytes === size && stamp.mtimeMs === mtime && stamp.ctimeMs === ctime && stamp.inode === inode
  );
}
