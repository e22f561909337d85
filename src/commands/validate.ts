/** `bake validate`: says that a pipeline is right, or everything that is wrong with it. */
import { obstaclesBefore } from '../engine/in-the-way.ts';
import { realHost } from '../host/real.ts';
import type { Failure } from '../model/failure.ts';
import type { Plan } from '../model/plan.ts';
import { failureJson } from '../report/failure-json.ts';
import { jsonText } from '../report/printable.ts';
import { renderWarning } from '../report/render-failure.ts';
import type { CommandModule, Invocation } from './command.ts';
import { loadPlan, pipelineArguments } from './load-plan.ts';
import { printFailures } from './print-failures.ts';
import { renderSettingsOf } from './reporters.ts';

export const run: CommandModule['run'] = async (invocation) => {
  const { file, targets } = pipelineArguments(invocation.positionals);
  const [argument] = targets;
  if (argument !== undefined)
    return printFailures(invocation, [{ code: 'unexpected-argument', argument, command: 'validate' }]);
  const loaded = await loadPlan(realHost(), invocation);
  if (invocation.flags['json'] === true) {
    const failures = loaded.ok ? [] : loaded.failure.map(failureJson);
    const warnings = loaded.ok
      ? [...loaded.value.plan.warnings, ...(await obstaclesIn(invocation, loaded.value.plan))].map(
          failureJson,
        )
      : [];
    const report = { schemaVersion: 1, file, valid: loaded.ok, failures, warnings };
    invocation.write(`${jsonText(report, 2)}\n`);
    return loaded.ok ? 0 : 2;
  }
  if (!loaded.ok) return printFailures(invocation, loaded.failure);
  const { actions, warnings } = loaded.value.plan;
  for (const warning of [...warnings, ...(await obstaclesIn(invocation, loaded.value.plan))])
    invocation.writeError(renderWarning(warning, renderSettingsOf(invocation.env)));
  const stages = new Set(actions.map((action) => action.stage)).size;
  invocation.write(`${file}: ${stages} ${stages === 1 ? 'stage' : 'stages'}, nothing wrong\n`);
  return 0;
};

/** What stands in the way of outputs if their stages run; the cache is asked only where there is something at all. */
async function obstaclesIn(invocation: Invocation, { root, actions }: Plan): Promise<readonly Failure[]> {
  const { files } = realHost();
  const placed = actions.filter(({ placed: isPlaced }) => isPlaced);
  if (!placed.some(({ outputs }) => outputs.some(({ path }) => files.stamp(`${root}/${path}`) !== null)))
    return [];
  const { openProject } = await import('./wiring.ts');
  const project = await openProject(invocation, { touch: false });
  if (!project.ok) return [];
  const { session } = project.value;
  const found = await Promise.all(session.plan.actions.map((action) => obstaclesBefore(session, action)));
  return found.filter((failure) => failure !== null);
}
