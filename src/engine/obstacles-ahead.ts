/** All that is known, before any stage runs, to stand where outputs are to be: so that nobody waits an hour to hear of it. */
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import { inTheWay, obstaclesBefore } from './in-the-way.ts';
import { examineArtifacts, isAsPlaced } from './placement.ts';
import { type PlannedStatus, predictActions } from './predict.ts';
import type { Prepared } from './prepare.ts';
import type { Session } from './session.ts';
import type { Settled } from './settled.ts';

/** Predicts only where something lies at the place of an output that is not as the last run left it. */
export async function obstaclesAhead(
  session: Session,
  prepared: readonly Prepared[],
  isForced: (action: PlannedAction) => boolean,
  unchanged: ReadonlyMap<string, Pick<Settled, 'result'>>,
): Promise<readonly Failure[]> {
  if (!prepared.some(({ action }) => isInDoubt(session, action))) return [];
  const known = [...unchanged].flatMap(([name, { result }]) =>
    result === null ? [] : [[name, result] as const],
  );
  const statuses = await predictActions(session, prepared, isForced, new Map(known));
  // What is wrong with the prediction is told by the run.
  return statuses.ok ? obstaclesTo(session, statuses.value) : [];
}

/** What stands in the way of stages of which it is known whether they run or what they would put into the checkout. */
export async function obstaclesTo(
  session: Session,
  statuses: readonly PlannedStatus[],
): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  for (const { action, status, result } of statuses) {
    if (!isInDoubt(session, action) || status === 'unknown') continue;
    const failure =
      result === null ? await obstaclesBefore(session, action) : await toResult(session, action, result);
    if (failure !== null) failures.push(failure);
  }
  return failures;
}

async function toResult(
  session: Session,
  action: PlannedAction,
  { artifacts }: NonNullable<PlannedStatus['result']>,
): Promise<Failure | null> {
  const last = session.state.actions[action.name];
  const { displaced } = await examineArtifacts(session, action, artifacts, last);
  const found = displaced.flatMap(({ artifact, examination }) =>
    (examination?.obstacles ?? []).map((obstacle) => ({ ...obstacle, output: artifact.name })),
  );
  return found.length === 0 ? null : inTheWay(session, action, found);
}

function isInDoubt(session: Session, action: PlannedAction): boolean {
  if (!action.placed) return false;
  const last = session.state.actions[action.name];
  return action.outputs.some(({ name, path }) => {
    if (session.host.files.stamp(session.looks.absolute(path)) === null) return false;
    const artifact = last?.artifacts.find((one) => one.name === name && one.path === path);
    return artifact === undefined || !isAsPlaced(session, artifact, last);
  });
}
