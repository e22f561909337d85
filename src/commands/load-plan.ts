/** Reads the pipeline that a command line names, and plans it: what every command that works on a pipeline begins with. */
import { dirname, resolve } from 'node:path';
import type { Host } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import type { Plan } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { PipelineSource, PlanSettings } from '../pipeline/settings.ts';
import type { Invocation } from './command.ts';

/** The pipeline file of a command line and what is left of its arguments. */
export interface PipelineArguments {
  /** As the user named it. */
  readonly file: string;
  readonly targets: readonly string[];
}

/** A first argument that ends in `.yaml` or `.yml` is the pipeline; else it is `pipeline.yaml`. */
export function pipelineArguments(positionals: readonly string[]): PipelineArguments {
  const [first, ...rest] = positionals;
  if (first !== undefined && /\.ya?ml$/i.test(first)) return { file: first, targets: rest };
  return { file: 'pipeline.yaml', targets: positionals };
}

/** Everything that planning reads, read. */
export interface PlanInput {
  readonly source: PipelineSource;
  readonly settings: PlanSettings;
}

/** Reads the pipeline file and the `--var-file`s that a command line names. */
export async function readPlanInput(
  host: Host,
  invocation: Invocation,
): Promise<Result<PlanInput, readonly Failure[]>> {
  const failures: Failure[] = [];
  const { file } = pipelineArguments(invocation.positionals);
  const path = resolve(invocation.cwd, file);
  const bytes = host.files.stampTarget(path)?.type === 'file' ? await host.files.readBytes(path) : null;
  if (bytes === null) failures.push({ code: 'pipeline-not-found', path: file });
  else if (!bytes.ok) failures.push(bytes.failure);
  const vars = parseVariables(listOf(invocation.flags['var']), failures);
  const varFiles: { path: string; text: string }[] = [];
  for (const name of listOf(invocation.flags['var-file'])) {
    const text = await host.files.readText(resolve(invocation.cwd, name));
    if (text.ok) varFiles.push({ path: name, text: text.value });
    else failures.push(text.failure);
  }
  if (failures.length > 0 || bytes === null || !bytes.ok) return fail(failures);
  return ok({
    source: { file, root: dirname(path), bytes: bytes.value },
    settings: { vars, varFiles, env: invocation.env },
  });
}

/** The plan that a command line asks for, with the targets it names; all mistakes at once otherwise. */
export async function loadPlan(
  host: Host,
  invocation: Invocation,
): Promise<Result<{ readonly plan: Plan; readonly targets: readonly string[] }, readonly Failure[]>> {
  const input = await readPlanInput(host, invocation);
  if (!input.ok) return input;
  const { planPipeline } = await import('../pipeline/plan.ts');
  const planned = planPipeline(input.value.source, input.value.settings);
  if (!planned.ok) return planned;
  return ok({ plan: planned.value, targets: pipelineArguments(invocation.positionals).targets });
}

/** The values of a repeatable flag. */
function listOf(value: Invocation['flags'][string]): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value : [];
}

function parseVariables(settings: readonly string[], failures: Failure[]): { [name: string]: string } {
  const vars: { [name: string]: string } = Object.create(null) as { [name: string]: string };
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    if (equals > 0) vars[setting.slice(0, equals)] = setting.slice(equals + 1);
    else failures.push({ code: 'bad-flag-value', flag: '--var', value: setting, expected: '`name=value`' });
  }
  return vars;
}
