/** What a run of a project would do, for the commands that tell it. */
import { type PlannedStatus, predictActions } from '../engine/predict.ts';
import type { Failure } from '../model/failure.ts';
import { fail, type Result } from '../model/result.ts';
import type { Project } from './wiring.ts';

/** See `predictActions`; what is wrong with stages is told as by a run. */
export async function predicted({
  chosen,
  prepare,
  session,
  isForced,
}: Project): Promise<Result<readonly PlannedStatus[], readonly Failure[]>> {
  const prepared = await prepare(chosen.actions);
  if (!prepared.ok) return prepared;
  const statuses = await predictActions(session, prepared.value, isForced);
  return statuses.ok ? statuses : fail([statuses.failure]);
}
