/** What a machine needs that is started to look into a disk of the cache: which disk, with what hardware and login, in whose surroundings. */

import type { Cache } from '../cache/cache.ts';
import { openCache } from '../cache/local.ts';
import { fixedEnvironment, passedVariables, secretsOf } from '../engine/environment.ts';
import { lastResult } from '../engine/last-result.ts';
import { referencesOf, refKey } from '../engine/options.ts';
import type { ActionResult } from '../model/action.ts';
import type { Content } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { ArtifactRef, PlannedAction } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { byStage, lastOf } from '../report/stages.ts';
import { NO_STATEMENT, nativeDisk } from '../stages/images/open-disk.ts';
import type { StagedInput } from '../stages/kind.ts';
import { defaultMachine } from '../stages/machine/options.ts';
import {
  type Standing,
  type StandingContext,
  type StandingOptions,
  standAt,
} from '../stages/machine/standing.ts';
import { cacheUseOf } from './cache-dir.ts';
import type { Invocation } from './command.ts';
import { predicted } from './predicted.ts';
import type { Project } from './wiring.ts';

const DISK = 'disk';
const VARIABLES = 'efivars';

/** A disk that is in the cache, and what else its machine reads. */
export interface Look {
  readonly action: PlannedAction;
  readonly options: StandingOptions;
  /** Path of the output that is the disk. */
  readonly diskName: string;
  /** Whether it is the disk of the files as they are now. */
  readonly isCurrent: boolean;
  /** By file of the checkout, or action and output. */
  readonly inputs: ReadonlyMap<string, StagedInput>;
  /** Variables of the stage, its secrets among them. */
  readonly env: { readonly [name: string]: string };
}

/** The disk that the command line names: of the files as they are now, else of the last run. Nothing is built. */
export async function diskToLookInto(project: Project): Promise<Result<Look, readonly Failure[]>> {
  const { chosen, session } = project;
  // A stage's disk is that of its last step.
  const [action, another] = byStage(chosen.targets).map(lastOf);
  if (action === undefined) throw new Error('no target was asked for');
  if (another !== undefined) {
    const problem = `${project.targets.join(' ')} means several stages`;
    return fail([
      { code: 'stage-refused', problem, hint: 'name one cell of the matrix: `image[arch=amd64]`' },
    ]);
  }
  const statuses = await predicted(project);
  if (!statuses.ok) return statuses;
  const current = new Map(statuses.value.map((one) => [one.action.name, one.result]));
  const resultOf = async (one: PlannedAction): Promise<ActionResult | null> =>
    current.get(one.name) ?? (await lastResult(session, one));
  const result = await resultOf(action);
  if (result === null || !(await session.cache.isComplete(result)))
    return fail([{ code: 'no-result', stage: action.name, wanted: 'result' }]);
  const output = project.output ?? DISK;
  const disk = result.artifacts.find(({ name, content }) => name === output && content.type !== 'tree');
  if (disk === undefined) {
    const known = result.artifacts.map(({ name }) => name);
    return fail([{ code: 'no-such-output', stage: action.name, output, known }]);
  }
  const secrets = secretsOf(action, session.host.env);
  if (!secrets.ok) return fail([secrets.failure]);
  const inputs = await loginInputs(project, action, resultOf);
  for (const { name, content } of result.artifacts) {
    const format = action.outputs.find((planned) => planned.name === name)?.format;
    const staged = stagedIn(project, content);
    const input = format === undefined ? staged : { ...staged, format };
    inputs.set(refKey({ action: action.name, output: name }), input);
  }
  return ok({
    action,
    options: optionsOf(
      action,
      output,
      result.artifacts.some(({ name }) => name === VARIABLES),
    ),
    diskName: disk.path,
    isCurrent: current.get(action.name) === result,
    inputs,
    env: { ...passedVariables(action, session.host.env), ...secrets.value },
  });
}

/** Hardware and login of the stage, as its kind's schema gave them back; defaults where it has none. */
function optionsOf(action: PlannedAction, disk: string, hasVariables: boolean): StandingOptions {
  const defaults = defaultMachine();
  const own = Object.entries(action.options).filter(([name]) => Object.hasOwn(defaults, name));
  const of = (output: string) => ({ $artifact: { action: action.name, output } });
  return {
    ...defaults,
    ...Object.fromEntries(own),
    disk: of(disk),
    ...(hasVariables ? { efivars: of(VARIABLES) } : {}),
    checkpoint: true,
  };
}

/** A key that the login refers to, and what QEMU is given; what is not there is noticed when it is read. */
async function loginInputs(
  project: Project,
  action: PlannedAction,
  resultOf: (action: PlannedAction) => Promise<ActionResult | null>,
): Promise<Map<string, StagedInput>> {
  const { plan, session } = project;
  const { ssh = null, extra_args = null } = action.options;
  const { files, artifacts } = referencesOf(action, { ssh, extra_args });
  const inputs = new Map<string, StagedInput>();
  for (const file of files) {
    const path = `${plan.root}/${file}`;
    const digested = await session.cache.digestOf(path);
    if (!digested.ok) continue;
    inputs.set(file, {
      path,
      content: { type: 'file', ...digested.value, executable: false },
      layers: [path],
    });
  }
  for (const ref of artifacts) {
    const content = await contentOf(project, ref, resultOf);
    if (content !== null) inputs.set(refKey(ref), stagedIn(project, content));
  }
  return inputs;
}

async function contentOf(
  { plan }: Project,
  ref: ArtifactRef,
  resultOf: (action: PlannedAction) => Promise<ActionResult | null>,
): Promise<Content | null> {
  const maker = plan.actions.find(({ name }) => name === ref.action);
  const result = maker === undefined ? null : await resultOf(maker);
  return result?.artifacts.find(({ name }) => name === ref.output)?.content ?? null;
}

/** Content as it lies in the cache: it is only read. */
function stagedIn({ session }: Project, content: Content): StagedInput {
  const parts = content.type === 'layers' ? content.layers : [content];
  const layers = parts.map(({ digest }) => session.cache.blobs.pathOf(digest));
  return { path: layers.at(-1) ?? '', content, layers };
}

interface LookPlace {
  /** A cache that may be written to. */
  readonly cache: Cache;
  /** Absolute path of an empty directory. */
  readonly scratch: string;
  say(line: string): void;
}

/** What the console, QEMU and ssh say by themselves. */
const CHATTER = /^(?:serial|qemu|ssh|ssh-keygen): |^\$ /;

/** The surroundings of the machine. Its checkpoint is not used up, nothing is handed on, and nothing of it is kept. */
function lookContext(
  { flags, signal }: Invocation,
  { host, session }: Project,
  look: Look,
  { cache, scratch, say }: LookPlace,
): StandingContext {
  const fixed = fixedEnvironment(host.env, { home: scratch, temporary: scratch, ceiling: scratch });
  return {
    host,
    env: { ...fixed, ...look.env },
    scratch,
    evidence: scratch,
    signal,
    log: (line) => {
      if (flags['verbose'] === true || !CHATTER.test(line)) say(line);
    },
    progress: () => undefined,
    mask: () => undefined,
    input(option) {
      const input = look.inputs.get('$file' in option ? option.$file : refKey(option.$artifact));
      if (input === undefined) throw new Error(`not there to look into: ${JSON.stringify(option)}`);
      return input;
    },
    live: { take: () => null, makeDirectory: () => cache.makeWorkspace() },
    sides: ({ digest }) => cache.sides.find(digest),
    dropSides: ({ digest }) => cache.sides.drop(digest),
    checkpoints: session.checkpoints,
  };
}

/**
 * A machine at the disk for as long as `use` takes; what is changed in it is dropped. The project's own cache only looks,
 * and a machine needs a directory in it: so the cache is opened anew.
 */
export async function withLookMachine<T>(
  invocation: Invocation,
  project: Project,
  look: Look,
  say: (line: string) => void,
  use: (standing: Standing) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> {
  const opened = cacheUseOf(invocation);
  if (!opened.ok) return opened;
  const cache = await openCache(project.host, project.cacheDir, opened.value);
  if (!cache.ok) return cache;
  const scratch = await cache.value.makeWorkspace();
  if (!scratch.ok) return scratch;
  try {
    const place = { cache: cache.value, scratch: scratch.value.path, say };
    const context = lookContext(invocation, project, look, place);
    const native = await nativeInput(context, look);
    if (!native.ok) return native;
    const input: typeof context.input = (option) =>
      option === look.options.disk ? native.value : context.input(option);
    const standing = await standAt(look.options, { ...context, input });
    if (!standing.ok) return standing;
    try {
      return await use(standing.value);
    } finally {
      await standing.value.dispose();
    }
  } finally {
    await scratch.value.dispose();
    await cache.value.close();
  }
}

/** The disk in a form that a machine can start from: a VMDK, or the first disk of an OVA, is converted. */
async function nativeInput(context: StandingContext, look: Look): Promise<Result<StagedInput, Failure>> {
  const disk = context.input(look.options.disk);
  const statement = { ...NO_STATEMENT, appliances: true };
  const native = await nativeDisk(context, { ...disk, name: look.diskName }, statement, context.scratch);
  if (!native.ok) return native;
  const { files } = native.value;
  const format = files.length === 1 ? files[0]?.format : 'qcow2';
  const { format: _, ...rest } = disk;
  return ok({ ...rest, layers: files.map(({ path }) => path), ...(format === undefined ? {} : { format }) });
}
