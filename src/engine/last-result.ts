/** What an action came to last time, and what has changed since: why it runs. */
import type { ActionResult, Manifest } from '../model/action.ts';
import type { Fingerprint } from '../model/digest.ts';
import type { PlannedAction } from '../model/plan.ts';
import { reasonsOfChange } from './reasons.ts';
import type { Session } from './session.ts';

/**
 * The result stored under a fingerprint, if it is one of this action: names and paths of outputs are those of the plan,
 * whatever the cache says. One that differs is a miss.
 */
export async function resultFor(
  session: Session,
  action: PlannedAction,
  fingerprint: Fingerprint,
): Promise<ActionResult | null> {
  const result = await session.cache.actions.get(fingerprint);
  return result !== null && hasOutputsOf(action, result) ? result : null;
}

function hasOutputsOf({ outputs }: PlannedAction, { artifacts }: ActionResult): boolean {
  return (
    artifacts.length === outputs.length &&
    outputs.every(({ name, path }) => artifacts.find((artifact) => artifact.name === name)?.path === path)
  );
}

/** The result to compare an action with: that of this checkout's last run, else the newest in the cache, whoever made it. */
export async function lastResult(session: Session, action: PlannedAction): Promise<ActionResult | null> {
  const last = session.state.actions[action.name];
  const own = last === undefined ? null : await session.cache.actions.get(last.fingerprint);
  return own ?? session.cache.actions.latest(session.plan.name, action.name);
}

/** One sentence for each difference from the last result; none when there is no such result. */
export async function changesSince(
  session: Session,
  action: PlannedAction,
  manifest: Manifest,
): Promise<readonly string[]> {
  return changesFrom(await lastResult(session, action), action, manifest);
}

function changesFrom(
  last: ActionResult | null,
  action: PlannedAction,
  manifest: Manifest,
): readonly string[] {
  return last === null ? [] : reasonsOfChange(action, last.manifest, manifest);
}

/** Why an action runs, at least one sentence. `note` is a reason that shows in no manifest. */
export async function reasonsToRun(
  session: Session,
  action: PlannedAction,
  manifest: Manifest,
  because: { readonly note: string | null; readonly isForced: boolean },
): Promise<readonly string[]> {
  if (!action.cacheable) return ['`cache: false`: it runs every time'];
  const notes = [...(because.note === null ? [] : [because.note]), ...(because.isForced ? ['forced'] : [])];
  const last = await lastResult(session, action);
  const reasons = [...notes, ...changesFrom(last, action, manifest)];
  if (reasons.length > 0) return reasons;
  if (session.cache.mode === 'off') return ['the cache is not used'];
  return [last === null ? 'never built before' : 'its result is not in the cache'];
}
