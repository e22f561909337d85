/** Plans a pipeline given as text, without any file. */
import type { Failure } from '../../src/model/failure.ts';
import type { Plan, PlannedAction } from '../../src/model/plan.ts';
import type { Result } from '../../src/model/result.ts';
import { planPipeline } from '../../src/pipeline/plan.ts';
import type { PlanSettings } from '../../src/pipeline/settings.ts';

export function planText(
  text: string | Uint8Array,
  settings: Partial<PlanSettings> = {},
): Result<Plan, readonly Failure[]> {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  return planPipeline(
    { file: 'pipeline.yaml', root: '/project', bytes },
    { vars: {}, varFiles: [], env: {}, ...settings },
  );
}

/** The plan of a pipeline that is right. */
export function goodPlan(text: string, settings: Partial<PlanSettings> = {}): Plan {
  const planned = planText(text, settings);
  if (!planned.ok) throw new Error(describeFailures(planned.failure).join('\n'));
  return planned.value;
}

/** The action with a name. */
export function actionOf(plan: Plan, name: string): PlannedAction {
  const found = plan.actions.find((action) => action.name === name);
  if (!found) throw new Error(`no ${name} among ${plan.actions.map((action) => action.name).join()}`);
  return found;
}

/** `code line:column → suggestion` for each failure. */
export function describeFailures(failures: readonly Failure[]): readonly string[] {
  return failures.map((failure) => {
    const location = 'location' in failure && failure.location ? failure.location : null;
    const place = location === null ? '' : ` ${location.line}:${location.column}`;
    const suggestion = 'suggestion' in failure && failure.suggestion ? ` → ${failure.suggestion}` : '';
    return `${failure.code}${place}${suggestion}`;
  });
}
