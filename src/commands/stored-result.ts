/** The result in the cache that a command means when it names a stage. */

import { lastResult } from '../engine/last-result.ts';
import type { ActionResult } from '../model/action.ts';
import type { PlannedAction } from '../model/plan.ts';
import { predicted } from './predicted.ts';
import type { Project } from './wiring.ts';

/** The result for the files as they are now; where there is none, the last one. Null when there is neither. */
export async function storedResult(project: Project, action: PlannedAction): Promise<ActionResult | null> {
  const statuses = await predicted(project);
  const current = statuses.ok ? statuses.value.find((one) => one.action.name === action.name) : undefined;
  return current?.result ?? lastResult(project.session, action);
}
