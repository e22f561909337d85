/** Builds the actions of a plan: p-graph over them, each settled when all before it ended well. */
import { PGraph, PGraphError } from 'p-graph';
import type { ActionState, CheckoutState } from '../incremental/state.ts';
import type { FinishedAction } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { dropExposed } from './exposure.ts';
import { placedAt } from './placement.ts';
import type { Prepared } from './prepare.ts';
import { asBeforeAfter, isAsBefore, type Known, madeBy } from './remembered.ts';
import { ResourcePool } from './resources.ts';
import type { Session } from './session.ts';
import { Settler } from './settle.ts';
import type { Settled } from './settled.ts';
import { isGood, notBegun } from './settled.ts';
import { asStillPlaced } from './still-placed.ts';

export interface BuildOptions {
  readonly jobs: number;
  /** Go on with what does not depend on a failed action. */
  readonly keepGoing: boolean;
  readonly isForced: (action: PlannedAction) => boolean;
  /** Actions that are settled already, and those that may prove to be: neither is prepared, all others are. */
  readonly known: Pick<Known, 'unchanged' | 'untouched'>;
  /** Prepares one of those after all. */
  readonly prepareLate: (action: PlannedAction) => Promise<Result<Prepared, Failure>>;
}

export interface Built {
  /** In the order of the plan. */
  readonly settled: readonly Settled[];
  readonly finished: readonly FinishedAction[];
  /** What the checkout is to remember. */
  readonly actions: CheckoutState['actions'];
}

/** More than `jobs` may be underway, for some only look something up, or wait for another process. */
const UNDERWAY_PER_JOB = 2;

/**
 * Brings every prepared action to its outcome. Resolves when nothing runs any more, also after a failure or Ctrl-C; says
 * all that happens through the session's events but for the start and end of the run.
 */
export async function buildActions(
  session: Session,
  chosen: readonly PlannedAction[],
  prepared: readonly Prepared[],
  options: BuildOptions,
): Promise<Built> {
  const { state, host } = session;
  host.useStageUmask();
  const { unchanged, untouched } = options.known;
  const actions = chosen.filter(({ name }) => !unchanged.has(name));
  const lengths = new Map(actions.map(({ name }) => [name, state.actions[name]?.durationMs ?? 1]));
  const urgency = pathLengths(actions, lengths);
  const report = (settled: Settled) =>
    session.emit({ type: 'action-finished', action: finishedAction(settled) });
  const settler = new Settler(session, prepared, {
    actions: new Map(actions.map((action) => [action.name, action])),
    pool: new ResourcePool(options.jobs, host.memoryBytes),
    isForced: options.isForced,
    urgencyOf: (name) => urgency.get(name) ?? 0,
    onAgain: report,
    prepareLate: options.prepareLate,
  });
  for (const settled of unchanged.values()) {
    settler.record(settled);
    report(settled);
  }
  const used = [...unchanged.keys(), ...untouched];
  await session.cache.useAll(used.flatMap((name) => state.actions[name]?.fingerprint ?? []));
  let isStopping = false;

  const settle = async (action: PlannedAction): Promise<Settled> => {
    const nowMs = host.clock.nowMs();
    if (session.signal.aborted) return notBegun(action, 'cancelled', 'the run was stopped', nowMs);
    const obstacle = action.needs
      .map((need) => settler.outcomeOf(need))
      .find((need) => need && !isGood(need));
    if (obstacle) {
      const outcome = obstacle.outcome === 'cancelled' ? 'cancelled' : 'blocked';
      return notBegun(action, outcome, `${obstacle.action.name} ${wordFor(obstacle)}`, nowMs);
    }
    if (isStopping) return notBegun(action, 'cancelled', 'another stage failed', nowMs);
    const needs = action.needs.map((need) => settler.outcomeOf(need) as Settled);
    const known = untouched.has(action.name) ? asBeforeAfter(session, action, needs) : null;
    return known ?? (await settler.settle(action.name));
  };

  const graph = new PGraph(
    new Map(
      actions.map((action) => [
        action.name,
        {
          priority: lengths.get(action.name) ?? 1,
          run: async () => {
            const settled = await settle(action);
            settler.record(settled);
            if (settled.outcome === 'failed' && !options.keepGoing) isStopping = true;
            report(settled);
            await session.shelf.settled(action.name);
          },
        },
      ]),
    ),
    actions.flatMap((action) =>
      action.needs
        .filter((need) => !unchanged.has(need))
        .map((need): [string, string] => [need, action.name]),
    ),
  );
  try {
    await graph.run({ concurrency: options.jobs * UNDERWAY_PER_JOB, continue: true });
  } catch (error) {
    // Nodes do not throw but for bugs: the bug itself is what can be told of, not the graph around it.
    const [bug] = error instanceof PGraphError ? error.taskErrors : [];
    throw bug instanceof Error ? bug : error;
  } finally {
    await session.shelf.close();
  }

  const ended = chosen.map(({ name }) => settler.outcomeOf(name) as Settled);
  const settled = await asStillPlaced(session, ended);
  const exposed = settled.filter(({ exposed: digests = [] }) => digests.length > 0);
  await dropExposed(
    session,
    exposed.flatMap((one) => one.exposed ?? []),
  );
  const before = { ...state.actions };
  for (const { action, unkept = false, exposed: digests = [] } of settled)
    if (unkept || digests.length > 0) delete before[action.name];
  const isKnown = isAsBefore(session);
  const newly = settled.filter((one) => !isKnown(one));
  return {
    settled,
    finished: settled.map(finishedAction),
    actions: {
      ...before,
      ...Object.fromEntries(newly.flatMap((one) => newState(session, settler, one))),
    },
  };
}

/** The reported form of a settled action. */
function finishedAction(settled: Settled): FinishedAction {
  const { action, result } = settled;
  return {
    name: action.name,
    stage: action.stage,
    stageKind: action.stageKind,
    step: action.step,
    kind: action.kind,
    outcome: settled.outcome,
    fingerprint: settled.pinned?.fingerprint ?? null,
    reasons: settled.reasons,
    startedAtMs: settled.startedAtMs,
    durationMs: settled.durationMs,
    storedDurationMs: settled.outcome === 'built' ? null : (result?.durationMs ?? null),
    outputs: (result?.artifacts ?? []).map((artifact) => ({
      // What is told of a disk that was put into the checkout is told of the file that lies there.
      artifact: { ...artifact, content: settled.placed[artifact.name]?.flat ?? artifact.content },
      placedAt: placedAt(action, artifact),
    })),
    logFile: settled.logFile,
    failure: settled.failure,
  };
}

function newState(session: Session, settler: Settler, settled: Settled): readonly [string, ActionState][] {
  const { action, pinned, result, placed, exposed = [], unkept = false } = settled;
  // What is not cached has no result to be fresh by; but what it put into the checkout is bake's all the same.
  if (!isGood(settled) || pinned === null || result === null || unkept || exposed.length > 0) return [];
  const upstream = action.needs.map((need) => madeBy(session, settler.outcomeOf(need) as Settled));
  const { fingerprint } = pinned;
  const { artifacts, durationMs } = result;
  const made = madeBy(session, settled);
  return [[action.name, { fingerprint, durationMs, artifacts, made, upstream, placed, looks: null }]];
}

function wordFor({ outcome }: Settled): string {
  return outcome === 'blocked' ? 'was blocked' : outcome === 'cancelled' ? 'was stopped' : 'failed';
}

/** For each action the length of the longest way from it to an end, itself included. */
function pathLengths(
  actions: readonly PlannedAction[],
  lengths: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const longest = new Map<string, number>();
  for (const action of [...actions].reverse()) {
    const own = (longest.get(action.name) ?? 0) + (lengths.get(action.name) ?? 1);
    longest.set(action.name, own);
    for (const need of action.needs) longest.set(need, Math.max(longest.get(need) ?? 0, own));
  }
  return longest;
}
