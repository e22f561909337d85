/** The compiled plan: what planning made of a pipeline, kept under the digest of all that it read, so that YAML is parsed once. */
import type { Host } from '../host/host.ts';
import { readSealed, writeSealed } from '../incremental/sealed.ts';
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
  const key = keyOf(host, invocation, input.value);
  const kept = await readKept(host, checkoutPlace(invocation)?.compiledPlan ?? null, key);
  if (kept !== null) return ok({ plan: kept, targets, key, keep: () => Promise.resolve() });
  const { planPipeline } = await import('../pipeline/plan.ts');
  const planned = planPipeline(input.value.source, input.value.settings);
  if (!planned.ok) return planned;
  return ok({
    plan: planned.value,
    targets,
    key,
    async keep() {
      // Asked again: the private place may have been made, or put right, since.
      const place = checkoutPlace(invocation);
      if (place === null) return;
      const { root, compiledPlan } = place;
      await writeSealed(host.files, { root, path: compiledPlan, key, body: JSON.stringify(planned.value) });
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

/** Nobody but this user can have written it, and no damage gets past its seal: it is a plan of the same program. */
async function readKept(host: Host, file: string | null, key: string): Promise<Plan | null> {
  const body = file === null ? null : await readSealed(host.files, file, key);
  return body === null ? null : (JSON.parse(body) as Plan);
}
