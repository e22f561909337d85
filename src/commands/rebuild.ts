/** `bake rebuild <stage>…`: runs stages beside their results in the cache, and says where the two first differ. Neither the checkout nor the cache is changed. */
import { buildActions } from '../engine/build.ts';
import { type PlannedStatus, predictActions } from '../engine/predict.ts';
import type { Prepared } from '../engine/prepare.ts';
import type { Session } from '../engine/session.ts';
import type { Settled } from '../engine/settled.ts';
import type { ActionResult } from '../model/action.ts';
import type { Event, Reporter } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { exitStatusOf } from '../report/failures.ts';
import { jsonText } from '../report/printable.ts';
import type { CommandModule, Invocation } from './command.ts';
import { compareOutputs } from './compare-outputs.ts';
import { jobsOf } from './jobs.ts';
import { pipelineArguments } from './load-plan.ts';
import { printFailures } from './print-failures.ts';
import { isSame, type Rebuilt, rebuiltJson, rebuiltText } from './rebuild-words.ts';
import { makeReporter } from './reporters.ts';
import { runStarted } from './run-started.ts';
import { styleOf } from './stream-choice.ts';
import { openProject, type Project } from './wiring.ts';

const INTERRUPTED = 130;

export const run: CommandModule['run'] = async (invocation) => {
  const { targets } = pipelineArguments(invocation.positionals);
  if (targets.length === 0)
    return printFailures(invocation, [
      { code: 'missing-argument', argument: '<stage>[@step]', command: 'rebuild' },
    ]);
  let emit = (_: Event): void => {};
  // What is made is for a look only: the cache is not to have it.
  const reading = { ...invocation, flags: { ...invocation.flags, 'cache-mode': 'read' } };
  const project = await openProject(reading, { touch: true, emit: (event) => emit(event) });
  if (!project.ok) return printFailures(invocation, project.failure);
  const { session, chosen } = project.value;
  try {
    const jobs = jobsOf(invocation, session.host);
    if (!jobs.ok) return printFailures(invocation, [jobs.failure]);
    const prepared = await project.value.prepare(chosen.actions);
    if (!prepared.ok) return printFailures(invocation, prepared.failure);
    const stored = await storedResults(project.value, prepared.value);
    if (!stored.ok) return printFailures(invocation, stored.failure);
    const reporter =
      invocation.flags['json'] === true ? SILENT : await makeReporter(invocation, session.host);
    emit = (event) => reporter.on(event);
    const rebuilt: Rebuilt[] = [];
    for (const action of chosen.targets) {
      const result = stored.value.get(action.name) as ActionResult;
      const run = { prepared: prepared.value, jobs: jobs.value };
      rebuilt.push(await rebuildOne(project.value, action, result, run));
      if (invocation.signal.aborted) break;
    }
    await reporter.close();
    return invocation.signal.aborted ? INTERRUPTED : tell(invocation, rebuilt);
  } finally {
    await session.cache.close();
  }
};

const SILENT: Reporter = { on: () => undefined, close: async () => undefined };

/** What the cache has of each target for the files as they are now; all at once that cannot be compared with anything. */
async function storedResults(
  { session, chosen }: Project,
  prepared: readonly Prepared[],
): Promise<Result<ReadonlyMap<string, ActionResult>, readonly Failure[]>> {
  const statuses = await predictActions(session, prepared, () => false);
  if (!statuses.ok) return fail([statuses.failure]);
  const found = new Map<string, ActionResult>();
  const failures: Failure[] = [];
  for (const action of chosen.targets) {
    const status = statuses.value.find((one) => one.action.name === action.name);
    const result = refusal(action) ?? status?.result ?? noResult(status, action);
    if ('code' in result) failures.push(result);
    else found.set(action.name, result);
  }
  return failures.length > 0 ? fail(failures) : ok(found);
}

function refusal({ name, cacheable, workspace }: PlannedAction): Failure | null {
  if (!cacheable)
    return {
      code: 'stage-refused',
      problem: `${name} is never cached, so there is nothing to compare with`,
      hint: 'it has `cache: false`',
    };
  if (workspace !== 'in-place') return null;
  const problem = `${name} works in the checkout itself, so it cannot be run beside what it made there`;
  return { code: 'stage-refused', problem, hint: 'rebuild stages that have a workspace of their own' };
}

function noResult(status: PlannedStatus | undefined, { name }: PlannedAction): Failure {
  return { code: 'no-result', stage: status?.action.name ?? name, wanted: 'result' };
}

/** Runs one action, on what the cache has of all before it, and compares what it made. */
async function rebuildOne(
  project: Project,
  action: PlannedAction,
  stored: ActionResult,
  { prepared, jobs }: { readonly prepared: readonly Prepared[]; readonly jobs: number },
): Promise<Rebuilt> {
  const { session, chosen } = project;
  const needed = neededFor(action, chosen.actions);
  const nothing = { artifacts: [], durationMs: 0 };
  const startedAtMs = session.host.clock.nowMs();
  session.emit(runStarted(project, needed, { jobs, startedAtMs }));
  const built = await buildActions(
    besideOf(session, action),
    needed.map(unplaced),
    prepared.map((one) => ({ ...one, action: unplaced(one.action) })),
    {
      jobs,
      keepGoing: false,
      isForced: ({ name }) => name === action.name,
      known: { unchanged: new Map(), untouched: new Set() },
      prepareLate: async () => {
        throw new Error('all actions were prepared');
      },
    },
  );
  const durationMs = session.host.clock.nowMs() - startedAtMs;
  session.emit({
    type: 'run-finished',
    durationMs,
    interrupted: session.signal.aborted,
    actions: built.finished,
  });
  const settled = built.settled.find((one) => one.action.name === action.name) as Settled;
  const base = { name: action.name, durationMs: settled.durationMs, outputs: [] };
  if (settled.outcome !== 'built') return { ...base, failure: failureOf(settled, built.settled) };
  const { artifacts } = settled.result ?? nothing;
  const compared = await compareOutputs(project, action, stored.artifacts, artifacts, session.signal);
  if (compared.ok) return { ...base, failure: null, outputs: compared.value };
  session.emit({ type: 'warning', warning: compared.failure });
  return { ...base, failure: compared.failure };
}

/** A session that leaves what is kept of the checkout as it is. */
function besideOf(session: Session, action: PlannedAction): Session {
  return {
    ...session,
    unstored: action.name,
    checkoutDirectory: `${session.checkoutDirectory}/rebuild`,
    // What resumes a memory depends on it; what is made from nothing is what anybody would get.
    checkpoints: false,
    afterFailure: async () => 'end',
  };
}

/** An action and all before it, in the order of the plan. */
function neededFor(action: PlannedAction, actions: readonly PlannedAction[]): readonly PlannedAction[] {
  const needed = new Set([action.name]);
  for (const one of [...actions].reverse())
    if (needed.has(one.name)) for (const need of one.needs) needed.add(need);
  return actions.filter(({ name }) => needed.has(name));
}

function unplaced(action: PlannedAction): PlannedAction {
  return { ...action, placed: false };
}

/** Its own, or that of what came before it. */
function failureOf({ action, failure }: Settled, all: readonly Settled[]): Failure {
  const other = all.find((one) => one.failure !== null)?.failure;
  const problem = `${action.name} was not run`;
  return failure ?? other ?? { code: 'stage-refused', problem, hint: 'run bake again' };
}

function tell(invocation: Invocation, rebuilt: readonly Rebuilt[]): number {
  const { flags, env } = invocation;
  if (flags['json'] === true) invocation.write(`${jsonText(rebuiltJson(rebuilt), 2)}\n`);
  else invocation.write(rebuiltText(rebuilt, styleOf(env, process.stdout), flags['all'] === true));
  const failures = rebuilt.flatMap(({ failure }) => (failure === null ? [] : [failure]));
  if (failures.length > 0) return Math.max(...failures.map(exitStatusOf));
  return rebuilt.every(isSame) ? 0 : 1;
}
