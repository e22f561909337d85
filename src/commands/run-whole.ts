/** A run that may have something to do: prepare, build, report, remember. */
import { resolve } from 'node:path';
import type { Built } from '../engine/build.ts';
import { buildActions } from '../engine/build.ts';
import { obstaclesAhead } from '../engine/obstacles-ahead.ts';
import type { Prepared } from '../engine/prepare.ts';
import { type Known, knownActions, rememberRun } from '../engine/remembered.ts';
import { keptMachinesDirectory, writeState } from '../incremental/state.ts';
import type { Event, FinishedAction } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { exitStatusOf } from '../report/failures.ts';
import { jsonText } from '../report/printable.ts';
import type { Invocation } from './command.ts';
import { jobsOf } from './jobs.ts';
import { printFailures } from './print-failures.ts';
import { makeReporter } from './reporters.ts';
import { rememberQuick } from './run-quick.ts';
import { runStarted } from './run-started.ts';
import { summaryJson } from './run-summary.ts';
import type { Project } from './wiring.ts';
import { openProject } from './wiring.ts';

const INTERRUPTED = 130;

/** Runs what is not done; the exit status says how it went. */
export async function wholeRun(invocation: Invocation): Promise<number> {
  const startedAtMs = Date.now();
  const early: Event[] = [];
  let emit = (event: Event): void => {
    early.push(event);
  };
  const opened = await openProject(invocation, { touch: true, emit: (event) => emit(event) });
  if (!opened.ok) return printFailures(invocation, opened.failure);
  const project = opened.value;
  const wished = jobsOf(invocation, project.host);
  if (!wished.ok) return printFailures(invocation, [wished.failure]);
  const jobs = wished.value;
  const { session, chosen, isForced, groundKey } = project;
  const known = knownActions(session, chosen.actions, groundKey, isForced);
  const isKnown = ({ name }: PlannedAction) => known.unchanged.has(name) || known.untouched.has(name);
  const prepared = await project.prepare(chosen.actions.filter((action) => !isKnown(action)));
  if (!prepared.ok) {
    // The cache is not closed: nothing was begun in it, and nothing on disk is to change.
    if (invocation.signal.aborted) return INTERRUPTED;
    return printFailures(invocation, prepared.failure);
  }
  const obstacles = await obstaclesAhead(session, prepared.value, isForced, known.unchanged);
  if (obstacles.length > 0) return printFailures(invocation, obstacles);
  const reporter = await makeReporter(invocation, project.host);
  emit = (event) => reporter.on(event);
  emit(runStarted(project, chosen.actions, { jobs, startedAtMs }));
  for (const event of early) emit(event);
  const kept = await stillKept(project);
  if (kept !== null) emit({ type: 'warning', warning: kept });
  const preparedLate: Prepared[] = [];
  let built: Built;
  try {
    built = await buildActions(session, chosen.actions, prepared.value, {
      jobs,
      keepGoing: invocation.flags['keep-going'] === true,
      isForced,
      known,
      prepareLate: async (action) => {
        const one = await prepareOne(project, action);
        if (one.ok) preparedLate.push(one.value);
        return one;
      },
    });
  } finally {
    await session.cache.close();
  }
  const durationMs = Date.now() - startedAtMs;
  const interrupted = invocation.signal.aborted;
  emit({ type: 'run-finished', durationMs, interrupted, actions: built.finished });
  await reporter.close();
  const allPrepared = [...prepared.value, ...preparedLate];
  await remember(invocation, project, built, { startedAtMs, prepared: allPrepared, known });
  const summary = await writeSummary(invocation, project, {
    startedAtMs,
    durationMs,
    actions: built.finished,
  });
  if (summary !== null) return printFailures(invocation, [summary]);
  return interrupted ? INTERRUPTED : statusOf(built.finished);
}

/** A warning of the machines that an earlier run left to the user; null when none is left. */
async function stillKept({ host, session }: Project): Promise<Failure | null> {
  const directory = keptMachinesDirectory(session.checkoutDirectory);
  if (host.files.list(directory).names.length === 0) return null;
  const { keptMachines } = await import('../machine/kept.ts');
  const machines = (await keptMachines(host, directory)).map(({ id, action, process }) => ({
    id,
    action,
    pid: process.pid,
  }));
  return machines.length === 0 ? null : { code: 'machines-still-kept', machines };
}

async function prepareOne(project: Project, action: PlannedAction): Promise<Result<Prepared, Failure>> {
  const prepared = await project.prepare([action]);
  return prepared.ok ? ok(prepared.value[0] as Prepared) : fail(prepared.failure[0] as Failure);
}

async function remember(
  invocation: Invocation,
  project: Project,
  built: Built,
  run: {
    readonly startedAtMs: number;
    readonly prepared: readonly Prepared[];
    readonly known: Known;
  },
): Promise<void> {
  const { session, host, tools, groundKey } = project;
  const memo = tools.memo();
  if (run.prepared.length > 0 || memo !== null) {
    const remembered = rememberRun(session, {
      ...run,
      ...built,
      key: groundKey,
      isSameGround: run.known.isSameGround,
    });
    await writeState(host.files, session.checkoutDirectory, {
      format: 3,
      ...remembered,
      tools: memo ?? session.state.tools,
    });
  }
  await project.keepPlan();
  await rememberQuick(invocation, project, built, run.startedAtMs);
}

async function writeSummary(
  invocation: Invocation,
  project: Project,
  run: { startedAtMs: number; durationMs: number; actions: readonly FinishedAction[] },
): Promise<Failure | null> {
  const file = invocation.flags['summary'];
  if (typeof file !== 'string') return null;
  const text = jsonText(summaryJson({ ...run, pipeline: project.plan.name, cacheDir: project.cacheDir }), 2);
  const written = await project.host.files.replaceFile(resolve(invocation.cwd, file), `${text}\n`);
  return written.ok ? null : written.failure;
}

/** 1 when a stage failed by itself; 3 when all that failed did so for trouble with the host or the cache. */
function statusOf(actions: readonly FinishedAction[]): number {
  const failures = actions.flatMap(({ failure }) => (failure === null ? [] : [failure]));
  if (failures.length === 0) return actions.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
  return failures.every((failure) => exitStatusOf(failure) === 3) ? 3 : 1;
}
