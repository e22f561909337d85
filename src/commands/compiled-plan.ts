/** The compiled plan: what planning made of a pipeline, kept under the digest of all that it read, so that YAML is parsed once. */
import type { Host } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import type { Plan } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { ok } from '../model/result.ts';
import { checkoutPlace, pipelineVariables, programIdentity } from './checkout-place.ts';
import type { Invocation } from './command.ts';
import type { PlanInput } from './load-plan.ts';
import { pipelineArguments, readPlanInput } from './load-plan.ts';

export interface LoadedPlan {
  readonly plan: Plan;
  readonly targets: readonly string[];
  /** Names everything that the plan was made of. */
  readonly key: string;
  /** Keeps the plan for the next command; does nothing when it is kept already. */
  keep(): Promise<void>;
}

/** The plan of a command line: the one that was kept if everything it was made of is the same, else planned now. */
export async function loadCompiledPlan(
  host: Host,
  invocation: Invocation,
): Promise<Result<LoadedPlan, readonly Failure[]>> {
  const input = await readPlanInput(host, invocation);
  if (!input.ok) return input;
  const { targets } = pipelineArguments(invocation.positionals);
  const file = checkoutPlace(invocation)?.compiledPlan ?? null;
  const key = keyOf(host, invocation, input.value);
  const kept = file === null ? null : await readKept(host, file, key);
  if (kept !== null) return ok({ plan: kept, targets, key, keep: () => Promise.resolve() });
  const { planPipeline } = await import('../pipeline/plan.ts');
  const planned = planPipeline(input.value.source, input.value.settings);
  if (!planned.ok) return planned;
  return ok({
    plan: planned.value,
    targets,
    key,
    async keep() {
      // Trouble costs the next command the time to plan again.
      if (file === null) return;
      await host.files.replaceFile(file, `${key}\n${JSON.stringify(planned.value)}`, { flush: false });
    },
  });
}

/** Everything that a plan depends on, as one line. */
function keyOf(host: Host, { env }: Invocation, { source, settings }: PlanInput): string {
  return host.hashing.digestBytes(
    JSON.stringify([
      programIdentity(),
      source.file,
      source.root,
      host.hashing.digestBytes(source.bytes),
      Object.entries(settings.vars),
      settings.varFiles,
      pipelineVariables(env),
    ]),
  );
}

async function readKept(host: Host, file: string, key: string): Promise<Plan | null> {
  if (host.files.stamp(file) === null) return null;
  const text = await host.files.readText(file);
  if (!text.ok || !text.value.startsWith(`${key}\n`)) return null;
  try {
    return JSON.parse(text.value.slice(key.length + 1)) as Plan;
  } catch {
    return null;
  }
}
