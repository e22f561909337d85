/** The actions of a stage seen as the one thing that they are to a reader: one action, or its steps in their order. */
import type { Outcome, PlanStatus } from '../model/outcome.ts';

/** What happened most, or worst, first: a stage has the first of these that one of its steps has. */
const OUTCOMES: readonly Outcome[] = ['failed', 'cancelled', 'blocked', 'built', 'restored', 'fresh'];
const STATUSES: readonly PlanStatus[] = ['run', 'unknown', 'hit', 'fresh'];

/** The actions of one stage; never empty. */
export type StageActions<A> = readonly [A, ...A[]];

/** Actions by their stage, in the order of the plan. */
export function byStage<A extends { readonly stage: string }>(
  actions: readonly A[],
): readonly StageActions<A>[] {
  const stages = new Map<string, [A, ...A[]]>();
  for (const action of actions) {
    const stage = stages.get(action.stage);
    if (stage === undefined) stages.set(action.stage, [action]);
    else stage.push(action);
  }
  return [...stages.values()];
}

/** The last of a stage's actions: its outputs are those of the stage. */
export function lastOf<A>(actions: StageActions<A>): A {
  return actions.at(-1) as A;
}

/** How a stage ended: it was built if one of its steps was, and failed if one did. */
export function stageOutcome(actions: StageActions<{ readonly outcome: Outcome }>): Outcome {
  return OUTCOMES.find((outcome) => actions.some((action) => action.outcome === outcome)) as Outcome;
}

/** What a run would do with a stage: run it if one of its steps would run. */
export function stageStatus(actions: StageActions<{ readonly status: PlanStatus }>): PlanStatus {
  return STATUSES.find((status) => actions.some((action) => action.status === status)) as PlanStatus;
}

/** The action that explains what a stage ended as: the first that ran, else the first of that outcome. */
export function tellingOutcome<A extends { readonly outcome: Outcome }>(actions: StageActions<A>): A {
  const outcome = stageOutcome(actions);
  const ran = actions.find((action) => action.outcome === 'built' || action.outcome === 'failed');
  return ran ?? (actions.find((action) => action.outcome === outcome) as A);
}

/** The action that explains what a run would do with a stage. */
export function tellingStatus<A extends { readonly status: PlanStatus }>(actions: StageActions<A>): A {
  const status = stageStatus(actions);
  return actions.find((action) => action.status === status) as A;
}
