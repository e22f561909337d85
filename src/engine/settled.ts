/** How an action ended in a run, with all that dependents, state and reports need to know of it. */

import type { ActionResult } from '../model/action.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { Outcome } from '../model/outcome.ts';
import type { PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import type { Pinned } from './fingerprint.ts';
import type { Placement } from './placement.ts';
import type { Prepared } from './prepare.ts';
import type { ResourcePool } from './resources.ts';

export interface Settled {
  readonly action: PlannedAction;
  readonly outcome: Outcome;
  readonly reasons: readonly string[];
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly pinned: Pick<Pinned, 'fingerprint'> | null;
  /** What it made or had made; null unless the outcome is good. */
  readonly result: Pick<ActionResult, 'artifacts' | 'durationMs'> | null;
  readonly placed: Placement['placed'];
  /** See `Placement`; absent where nothing was put into the checkout. */
  readonly racy?: Placement['racy'];
  /** Whether it really ran in this run, so that it has a log of its own. */
  readonly logFile: string | null;
  readonly failure: Failure | null;
  /** Blobs with secrets that it left: there is no stored result then, and the next run makes it again. */
  readonly exposed?: readonly Digest[];
  /** Whether what it made is for this run alone: the next run makes it again. */
  readonly unkept?: boolean;
}

/** What a Settler is given besides the session and what was prepared. */
export interface SettlerOptions {
  /** All that are to be settled. */
  readonly actions: ReadonlyMap<string, PlannedAction>;
  readonly pool: ResourcePool;
  readonly isForced: (action: PlannedAction) => boolean;
  /** How long the way from an action to the end is: the longest goes first. */
  readonly urgencyOf: (action: string) => number;
  /** Told of every action that was settled once more, because its result was lost. */
  readonly onAgain: (settled: Settled) => void;
  /** Prepares an action that was not, because it might have been as before. */
  readonly prepareLate: (action: PlannedAction) => Promise<Result<Prepared, Failure>>;
}

/** Whether a later run may rest on what it made. */
export function isKept({
  action,
  exposed = [],
  unkept = false,
}: Pick<Settled, 'action' | 'exposed' | 'unkept'>): boolean {
  return action.cacheable && exposed.length === 0 && !unkept;
}

/** Whether dependents may go on. */
export function isGood({ outcome }: { readonly outcome: Outcome }): boolean {
  return outcome === 'fresh' || outcome === 'restored' || outcome === 'built';
}

/** An action that was never begun. */
export function notBegun(
  action: PlannedAction,
  outcome: 'blocked' | 'cancelled',
  reason: string,
  nowMs: number,
): Settled {
  return {
    action,
    outcome,
    reasons: [reason],
    startedAtMs: nowMs,
    durationMs: 0,
    pinned: null,
    result: null,
    placed: {},
    logFile: null,
    failure: null,
  };
}
