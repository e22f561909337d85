/** What a checkout knows of its actions from before: those of which nothing has changed need not be prepared, pinned or looked up. */
import type { Stamp } from '../host/host.ts';
import type { ActionState, CheckoutState, Look } from '../incremental/state.ts';
import { hexOf } from '../model/digest.ts';
import { canonicalJson, type JsonValue } from '../model/json.ts';
import type { PlannedAction } from '../model/plan.ts';
import { isRacy, isStat, numbersOf } from '../model/stat-record.ts';
import { MOST_LOOKS } from './looks.ts';
import { isAsPlaced } from './placement.ts';
import type { Prepared } from './prepare.ts';
import type { Session } from './session.ts';
import type { Settled } from './settled.ts';
import { isGood, isKept, notBegun } from './settled.ts';

/** Of a digest that is held against one other only. */
const MADE_DIGITS = 24;

/** What need not be looked at more closely. */
export interface Known {
  /** Whether all actions rest on what they rested on last time. */
  readonly isSameGround: boolean;
  /** Nothing has changed of these, nor of anything before them: settled as fresh by stamps alone. */
  readonly unchanged: ReadonlyMap<string, Settled>;
  /** Names of those of which nothing has changed but, perhaps, what they need: see `asBeforeAfter`. */
  readonly untouched: ReadonlySet<string>;
}

/** Holds actions against what they ended well with last time, by stamps. The looks of those found as they were are the session's from then on. */
export function knownActions(
  session: Session,
  actions: readonly PlannedAction[],
  key: string,
  isForced: (action: PlannedAction) => boolean,
): Known {
  const { state, host, looks } = session;
  const unchanged = new Map<string, Settled>();
  const untouched = new Set<string>();
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
  // What was placed may be as it was; it is made anew all the same.
  const isTold = session.verify || session.cache.mode === 'off';
  if (isTold || ground === null || ground.key !== key || !ground.looks.every(isSame))
    return { isSameGround: false, unchanged, untouched };
  const nowMs = host.clock.nowMs();
  for (const [path] of ground.looks) looks.add(path, seen.get(path) ?? null);
  // Theirs alone: they do not belong to the ground.
  const own = looks.noting();
  for (const action of actions) {
    const last = state.actions[action.name];
    if (!last?.looks || isForced(action)) continue;
    if (!last.looks.every(isSame) || !isPlacedAsBefore(session, action, last)) continue;
    for (const [path] of last.looks) own.add(path, seen.get(path) ?? null);
    // Run alone, what it needs may have made something else since.
    const isAfterTheSame = action.needs.every(
      (need, index) => unchanged.has(need) && state.actions[need]?.made === last.upstream[index],
    );
    if (isAfterTheSame) unchanged.set(action.name, asBefore(action, last, nowMs));
    else untouched.add(action.name);
  }
  return { isSameGround: true, unchanged, untouched };
}

/**
 * An untouched action, settled as fresh if what it needs made in this run what it had made before; else null. `needs`
 * have all ended well, in the order of the plan.
 */
export function asBeforeAfter(
  session: Session,
  action: PlannedAction,
  needs: readonly Settled[],
): Settled | null {
  const { state, host } = session;
  const last = state.actions[action.name];
  if (!last?.looks) return null;
  if (!needs.every((need, index) => madeBy(session, need) === last.upstream[index])) return null;
  // A stage before may have taken an hour, in which files were edited.
  const isStill = last.looks.every((look) => isLook(look, host.files.stamp(look[0])));
  if (!isStill || !isPlacedAsBefore(session, action, last)) return null;
  return asBefore(action, last, host.clock.nowMs());
}

/** Whether an action was settled as it ended last time, without looking it up. */
export function isAsBefore({ state }: Session): (settled: Settled) => boolean {
  return ({ action, result }) =>
    result !== null && result.artifacts === state.actions[action.name]?.artifacts;
}

/** Stands for all that a settled action made; the empty text when it did not end well. */
export function madeBy(session: Session, settled: Settled): string {
  const { action, result } = settled;
  if (result === null) return '';
  const last = session.state.actions[action.name];
  if (last !== undefined && result.artifacts === last.artifacts) return last.made;
  return hexOf(
    session.host.hashing.digestBytes(canonicalJson(result.artifacts as unknown as JsonValue)),
  ).slice(0, MADE_DIGITS);
}

function isPlacedAsBefore(session: Session, action: PlannedAction, last: ActionState): boolean {
  return !action.placed || last.artifacts.every((artifact) => isAsPlaced(session, artifact, last));
}

function asBefore(
  action: PlannedAction,
  { fingerprint, durationMs, placed, artifacts }: ActionState,
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
    if (then !== null && isRacy(then, run.startedAtMs)) return null;
    const look = lookOf(path, then);
    return isLook(look, session.host.files.stamp(path)) ? look : null;
  };
  const actions: Record<string, ActionState> = { ...run.actions };
  const settled = new Map(run.settled.map((one) => [one.action.name, one]));
  if (!run.isSameGround) {
    for (const [name, state] of Object.entries(actions)) {
      if (!settled.has(name)) actions[name] = { ...state, looks: null };
    }
  }
  for (const prepared of run.prepared) {
    const { name } = prepared.action;
    const state = actions[name];
    const ended = settled.get(name);
    if (state === undefined || ended === undefined) continue;
    actions[name] = { ...state, looks: worthKeeping(prepared, ended, lookAt) };
  }
  const ground = all([...session.looks.noted()].map(lookAt));
  return { actions, ground: ground && { key: run.key, looks: ground } };
}

function worthKeeping(
  { looked }: Prepared,
  ended: Settled,
  lookAt: (path: string) => Look | null,
): readonly Look[] | null {
  if (!isGood(ended) || !isKept(ended) || looked.size > MOST_LOOKS) return null;
  return all([...looked].map(lookAt));
}

function all<T>(values: readonly (T | null)[]): readonly T[] | null {
  return values.includes(null) ? null : (values as readonly T[]);
}

function lookOf(path: string, stamp: Stamp | null): Look {
  return stamp === null ? [path] : [path, ...numbersOf(stamp)];
}

function isLook(look: Look, stamp: Stamp | null): boolean {
  return stamp === null ? look.length === 1 : isStat(look, 1, stamp);
}
