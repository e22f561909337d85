/** How a run begins, as reporters hear of it. */
import type { Event } from '../model/event.ts';
import type { PlannedAction } from '../model/plan.ts';
import type { Project } from './wiring.ts';

/** The event of a run of some actions of a project. */
export function runStarted(
  { plan, cacheDir }: Project,
  actions: readonly PlannedAction[],
  { jobs, startedAtMs }: { readonly jobs: number; readonly startedAtMs: number },
): Event {
  return {
    type: 'run-started',
    pipeline: plan.name,
    file: plan.file,
    cacheDir,
    jobs,
    startedAtMs,
    actions: actions.map(({ name, stage, kind }) => ({ name, stage, kind })),
  };
}
