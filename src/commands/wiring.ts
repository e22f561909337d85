/** Puts the parts together for one command: host, plan, cache, state, and the engine over them. */

import { dirname, resolve } from 'node:path';
import type { Cache } from '../cache/cache.ts';
import { KEPT_DIRECTORY } from '../cache/keep-aside.ts';
import { layoutOf } from '../cache/layout.ts';
import { openCache } from '../cache/local.ts';
import { Shelf } from '../engine/live-shelf.ts';
import type { StoredLockFile } from '../engine/lock-file.ts';
import { openLockFile } from '../engine/lock-file.ts';
import { Looks } from '../engine/looks.ts';
import type { Prepared } from '../engine/prepare.ts';
import { prepareActions } from '../engine/prepare.ts';
import type { Session } from '../engine/session.ts';
import { Tools } from '../engine/tools.ts';
import type { Host, Stamp } from '../host/host.ts';
import { realHost } from '../host/real.ts';
import { readState } from '../incremental/state.ts';
import type { Event } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import type { Plan, PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { Selection } from '../pipeline/select.ts';
import { selectActions } from '../pipeline/select.ts';
import type { StageRunner } from '../stages/kind.ts';
import { commandRunner } from '../stages/run-command.ts';
import { cacheDirectoryOf, cacheUseOf } from './cache-dir.ts';
import type { Invocation } from './command.ts';
import type { LoadedPlan } from './compiled-plan.ts';
import { loadCompiledPlan } from './compiled-plan.ts';
import { flattenIn } from './flatten.ts';
import { pipelineArguments } from './load-plan.ts';
import { afterFailureBy, wantsCheckpoints } from './machine-wishes.ts';
import { wantsVerification } from './verify-wish.ts';

/** A pipeline with everything that is needed to predict or build it. */
export interface Project {
  readonly host: Host;
  readonly plan: Plan;
  readonly targets: readonly string[];
  readonly chosen: Selection;
  readonly session: Session;
  readonly cacheDir: string;
  readonly tools: Tools;
  readonly isForced: (action: PlannedAction) => boolean;
  /** The output named after a stage, as `get disk.image` has it. */
  readonly output: string | null;
  /** Keeps the plan, so that the next command need not parse the pipeline. */
  readonly keepPlan: LoadedPlan['keep'];
  /** Names all besides files that what is remembered of the checkout rests on. */
  readonly groundKey: string;
  /** Settles all that can be settled of actions before anything runs. */
  prepare(actions: readonly PlannedAction[]): Promise<Result<readonly Prepared[], readonly Failure[]>>;
}

export interface ProjectOptions {
  /** False for commands that leave no trace on disk. */
  readonly touch: boolean;
  readonly splitOutput?: boolean;
  readonly emit?: (event: Event) => void;
}

/** Opens what a command line names; all mistakes at once otherwise. */
export async function openProject(
  invocation: Invocation,
  options: ProjectOptions,
): Promise<Result<Project, readonly Failure[]>> {
  const host = realHost();
  // Looked at before they are read: what is written meanwhile must not get lost.
  const sources = stampsOfSources(host, invocation);
  const loaded = await loadCompiledPlan(host, invocation);
  if (!loaded.ok) return loaded;
  const { plan } = loaded.value;
  const { targets, output } = splitTargets(plan, loaded.value.targets, options.splitOutput === true);
  const chosen = selectActions(plan, targets);
  if (!chosen.ok) return chosen;
  // A name that is not there is a mistake, never a run that forces nothing.
  const forced = selectActions(plan, forcedNames(invocation.flags['force']));
  if (!forced.ok) return forced;
  const emit = options.emit ?? (() => {});
  for (const warning of plan.warnings) emit({ type: 'warning', warning });
  const cacheDir = cacheDirectoryOf(invocation, plan.root, () => plan.cacheDir);
  const use = cacheUseOf(invocation);
  if (!use.ok) return fail([use.failure]);
  const cache = await openCache(host, cacheDir, {
    ...use.value,
    lookOnly: !options.touch,
    verify: wantsVerification(invocation),
    onWarning: (warning) => emit({ type: 'warning', warning }),
  });
  if (!cache.ok) return fail([cache.failure]);
  const lock = await openLockFile(host, `${plan.root}/bake.lock`, 'bake.lock', cache.value.alone);
  if (!lock.ok) return fail([lock.failure]);
  return ok(
    await assemble(invocation, {
      host,
      plan,
      targets,
      output,
      chosen: chosen.value,
      cacheDir,
      cache: cache.value,
      lock: lock.value,
      emit,
      touch: options.touch,
      keepPlan: loaded.value.keep,
      groundKey: JSON.stringify([loaded.value.key, cacheDir, use.value, host.platform, host.env['PATH']]),
      sources,
      isForced: forcedBy(invocation.flags['force'], forced.value.targets),
    }),
  );
}

interface Parts {
  readonly host: Host;
  readonly plan: Plan;
  readonly targets: readonly string[];
  readonly output: string | null;
  readonly chosen: Selection;
  readonly cacheDir: string;
  readonly cache: Cache;
  readonly lock: StoredLockFile;
  readonly emit: (event: Event) => void;
  readonly touch: boolean;
  readonly keepPlan: LoadedPlan['keep'];
  readonly groundKey: string;
  readonly sources: ReadonlyMap<string, Stamp | null>;
  readonly isForced: (action: PlannedAction) => boolean;
}

async function assemble(invocation: Invocation, parts: Parts): Promise<Project> {
  const { host, plan, cache, lock } = parts;
  const checkoutDirectory = cache.checkoutDirectory(plan.root);
  if (parts.touch) await cache.clearHalfPlaced(plan.root);
  const state = await readState(host.files, checkoutDirectory);
  const looks = new Looks(host.files, plan.root, apartFrom(plan, parts.cacheDir));
  for (const [path, stamp] of parts.sources) looks.add(path, stamp);
  const tools = new Tools(host, looks, { ...state.tools });
  const session: Session = {
    plan,
    host,
    cache,
    checkoutDirectory,
    looks,
    state,
    runnerOf,
    flatten: flattenIn(host, cache),
    replace: invocation.flags['replace'] === true,
    shelf: new Shelf(),
    checkpoints: wantsCheckpoints(invocation),
    verify: wantsVerification(invocation),
    afterFailure: afterFailureBy(invocation),
    emit: parts.emit,
    signal: invocation.signal,
  };
  const { isForced } = parts;
  const { removals } = layoutOf(parts.cacheDir);
  looks.add(removals, host.files.stamp(removals));
  const prepare = async (actions: readonly PlannedAction[]) => {
    const prepared = await prepareActions(actions, {
      host,
      looks,
      cache,
      tools,
      lock,
      parseYaml,
      kindOf,
      isForced,
      online: parts.touch,
      signal: invocation.signal,
    });
    if (!prepared.ok || !parts.touch) return prepared;
    const saved = await lock.save();
    return saved.ok ? prepared : fail([saved.failure]);
  };
  return { ...parts, session, tools, isForced, prepare };
}

/** The files that planning reads and what they lead to, with their stamps. */
function stampsOfSources(host: Host, { cwd, flags, positionals }: Invocation): Map<string, Stamp | null> {
  const stamps = new Map<string, Stamp | null>();
  const pipeline = resolve(cwd, pipelineArguments(positionals).file);
  const varFiles = [flags['var-file'] ?? []].flat().map((file) => resolve(cwd, String(file)));
  for (const path of [pipeline, `${dirname(pipeline)}/bake.lock`, ...varFiles]) {
    const real = host.files.realPath(path) ?? path;
    stamps.set(path, host.files.stamp(path)).set(real, host.files.stamp(real));
  }
  return stamps;
}

/** `--force` forces everything, `--force=stage` what that names alone. */
function forcedBy(
  flag: Invocation['flags'][string],
  named: readonly PlannedAction[],
): (action: PlannedAction) => boolean {
  if (forcedNames(flag).length === 0) return () => flag !== undefined;
  const names = new Set(named.map(({ name }) => name));
  return ({ name }) => names.has(name);
}

/** The stages that `--force=a,b` names, however often it is given; none for a bare `--force`. */
function forcedNames(flag: Invocation['flags'][string]): readonly string[] {
  return [flag ?? []].flat().flatMap((names) => (typeof names === 'string' ? names.split(',') : []));
}

/** What wildcards do not enter: the cache directory, all that the pipeline puts into the checkout, and what it was before. */
function apartFrom(plan: Plan, cacheDir: string): readonly string[] {
  const outputs = plan.actions.filter(({ placed }) => placed).flatMap((action) => action.outputs);
  const below = cacheDir.startsWith(`${plan.root}/`) ? [cacheDir.slice(plan.root.length + 1)] : [];
  return [...outputs.map(({ path }) => path), ...below, KEPT_DIRECTORY];
}

/** `get` names an output after a dot; a stage whose own name has that dot goes first. */
function splitTargets(plan: Plan, targets: readonly string[], split: boolean) {
  const [target] = targets;
  if (!split || target === undefined || selectActions(plan, [target]).ok) return { targets, output: null };
  const dot = target.lastIndexOf('.');
  if (dot <= 0) return { targets, output: null };
  return { targets: [target.slice(0, dot)], output: target.slice(dot + 1) };
}

/** Options were validated when the pipeline was planned: to run a command, no other kind and no schema has to be loaded. */
async function runnerOf(kind: string): Promise<StageRunner> {
  return kind === 'run' ? commandRunner : kindOf(kind);
}

async function kindOf(name: string) {
  const { stageKind } = await import('../stages/index.ts');
  const kind = stageKind(name);
  if (kind === undefined) throw new Error(`no such kind: ${name}`);
  return kind;
}

async function parseYaml(text: string) {
  const { parseYamlValue } = await import('../pipeline/parse.ts');
  const parsed = parseYamlValue(text);
  return parsed.ok ? { value: parsed.value } : parsed.failure;
}
