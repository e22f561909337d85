/** The door through which a running stage sees the world, made for one attempt of one action. */
import type { ProcessEnd, Stray } from '../host/host.ts';
import { keptMachinesDirectory } from '../incremental/state.ts';
import type { Manifest } from '../model/action.ts';
import type { Artifact, TreeContent } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { JsonObject } from '../model/json.ts';
import { canonicalJson } from '../model/json.ts';
import type { ArtifactRef, PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { quoteWords } from '../model/shell-words.ts';
import type { ArtifactOption, ExecOptions, ExecResult, StageContext, StagedInput } from '../stages/kind.ts';
import type { ActionLog } from './action-log.ts';
import { earlierOutput } from './earlier.ts';
import type { TakenInputs } from './fingerprint.ts';
import { LastLines } from './last-lines.ts';
import { stagedPath } from './manifest.ts';
import type { Masks } from './masks.ts';
import { refKey, renderTemplate } from './options.ts';
import { ownSides } from './own-sides.ts';
import type { Session } from './session.ts';
import type { Places } from './staging.ts';
import { packageOf } from './tool-packages.ts';
import { undeclaredFiles } from './undeclared.ts';

/** Kept of a command's output for its caller unless it asked for all of it. */
const KEPT_CHARACTERS = 1024 * 1024;

export interface Attempt {
  readonly session: Session;
  readonly action: PlannedAction;
  readonly places: Places;
  readonly taken: TakenInputs;
  readonly manifest: Manifest;
  readonly upstream: (ref: ArtifactRef) => Artifact;
  readonly staged: ReadonlyMap<string, StagedInput>;
  readonly env: { readonly [name: string]: string };
  readonly log: ActionLog;
  readonly masks: Masks;
  readonly persistent: string;
  readonly evidence: string;
  /** See `Runnable`. */
  readonly startsAnew: boolean;
  readonly signal: AbortSignal;
  readonly progress: (activity: string, fraction: number | null) => void;
  readonly afterFailure: StageContext['afterFailure'];
}

/** Makes the context of an attempt. */
export function stageContext(attempt: Attempt): StageContext {
  const { action, places, upstream, session } = attempt;
  return {
    workspace: places.workspace,
    isolated: action.workspace === 'isolated',
    scratch: places.scratch,
    files: places.workspace,
    persistent: attempt.persistent,
    evidence: attempt.evidence,
    keptMachines: keptMachinesDirectory(session.checkoutDirectory),
    input: (option) => inputOf(option, attempt),
    text(option) {
      if (typeof option === 'string') return option;
      return renderTemplate(option.$text, (ref) => textPath(ref, upstream(ref).path, places));
    },
    output(name) {
      const output = action.outputs.find((candidate) => candidate.name === name);
      if (output === undefined) throw new Error(`${action.name} has no output ${name}`);
      return `${places.workspace}/${output.path}`;
    },
    env: attempt.env,
    exec: (file, args, options = {}) => execute(file, args, options, attempt),
    log: (line) => attempt.log.line(line),
    warn: (warning) => session.emit({ type: 'warning', warning: attempt.masks.applyDeep(warning) }),
    progress: (activity, fraction) => attempt.progress(attempt.masks.apply(activity), fraction ?? null),
    signal: attempt.signal,
    host: session.host,
    mask: (secret) => attempt.masks.add(secret),
    action: action.name,
    async earlier(output) {
      if (attempt.startsAnew) return null;
      const { manifest } = attempt;
      return earlierOutput(session, { action: action.name, manifest, output, scratch: places.scratch });
    },
    live: {
      take: (content) => session.shelf.take(content),
      makeDirectory: () => session.cache.makeWorkspace(),
    },
    sides: ({ digest }) => session.cache.sides.find(digest),
    dropSides: ({ digest }) => session.cache.sides.drop(digest),
    ownSides: ownSides(session, { ...attempt, action: action.name }),
    checkpoints: session.checkpoints,
    afterFailure: attempt.afterFailure,
  };
}

/** How text names a staged artifact: relative to the workspace, absolute for a stage that runs in the checkout. */
export function textPath(ref: ArtifactRef, outputPath: string, places: Places): string {
  const path = stagedPath(ref, outputPath);
  return places.staging === places.workspace ? path : `${places.staging}/${path}`;
}

function inputOf(option: ArtifactOption, attempt: Attempt): StagedInput {
  if ('$artifact' in option) {
    const staged = attempt.staged.get(refKey(option.$artifact));
    if (staged === undefined) throw new Error(`not an option of ${attempt.action.name}`);
    const format = attempt.action.formats?.[refKey(option.$artifact)];
    const named = attempt.action.named?.[refKey(option.$artifact)];
    if (format !== undefined) return { ...staged, format };
    return named === undefined ? staged : { ...staged, named };
  }
  const path = `${attempt.places.workspace}/${option.$file}`;
  const input = attempt.taken.inputs.get(option.$file);
  if (input === undefined) {
    const directory = directoryContent(option.$file, attempt);
    if (directory !== null) return { path, content: directory, layers: [path] };
  }
  if (input === undefined || 'link' in input) {
    throw new Error(`${option.$file} is no file that ${attempt.action.name} declares`);
  }
  const sizeBytes = attempt.taken.stamps.get(option.$file)?.sizeBytes ?? 0;
  const executable = input.executable === true;
  return { path, content: { type: 'file', digest: input.digest, sizeBytes, executable }, layers: [path] };
}

/** A directory of the checkout that an option names, by all that was taken of it; null when that is nothing. */
function directoryContent(directory: string, { taken, session }: Attempt): TreeContent | null {
  const prefix = directory === '.' ? '' : `${directory.replace(/\/$/, '')}/`;
  const below = [...taken.inputs].filter(([path]) => path.startsWith(prefix));
  if (below.length === 0) return null;
  const entries = below.map(([path, input]) => [path.slice(prefix.length), { ...input }]);
  const digest = session.host.hashing.digestBytes(canonicalJson(Object.fromEntries(entries) as JsonObject));
  const sizeBytes = below.reduce(
    (sum, [path, input]) => sum + ('link' in input ? 0 : (taken.stamps.get(path)?.sizeBytes ?? 0)),
    0,
  );
  return { type: 'tree', digest, sizeBytes };
}

async function execute(
  file: string,
  args: readonly string[],
  options: ExecOptions,
  attempt: Attempt,
): Promise<Result<ExecResult, Failure>> {
  const { session, places, log } = attempt;
  const kept = new LastLines(KEPT_CHARACTERS);
  const ran = await session.host.processes.run(file, args, {
    cwd: options.cwd ?? places.workspace,
    env: { ...attempt.env, ...options.env },
    // Without one /dev/null: as empty as a pipe that is closed at once, and cheaper.
    ...(options.input === undefined ? {} : { input: options.input }),
    capture: options.quiet === true,
    signal: attempt.signal,
    ownDirectory: places.own,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    idleTimeoutMs: options.idleTimeoutMs,
    onLine(line, stream, cut) {
      options.onLine?.(line);
      if (options.quiet === true && stream === 'stdout') return;
      log.line(line, cut);
      if (stream === 'stdout') kept.add(line);
    },
  });
  if (!ran.ok) {
    const absent = ran.failure.errno === 'ENOENT';
    return fail(absent ? notFound(file, args, attempt) : ran.failure);
  }
  const { exitCode, timedOut, wentSilent, strays } = ran.value;
  for (const stray of strays)
    if (!stray.ended || options.leavesBehind?.(stray.command) !== true) tellOfStray(stray, attempt);
  const tail = attempt.log.tail();
  if (timedOut && options.timeoutMs !== undefined)
    return fail({ code: 'stage-timeout', timeoutMs: options.timeoutMs, tail });
  if (wentSilent && options.idleTimeoutMs !== undefined)
    return fail({ code: 'command-silent', idleMs: options.idleTimeoutMs, tail });
  if (exitCode === null || !(options.exitCodes ?? [0]).includes(exitCode)) {
    return fail(commandFailed(file, args, ran.value, attempt));
  }
  const stdout = options.quiet === true ? ran.value.stdout : kept.text();
  return ok({ exitCode, stdout });
}

/** Whoever outlives his command writes into what has been stored, or keeps what is to be removed. */
function tellOfStray({ pid, command, ended }: Stray, { session, action, log, masks }: Attempt): void {
  const words = masks.apply(command);
  log.line(
    `bake: process ${pid} (${words}) outlived its command and ${ended ? 'was ended' : 'could not be ended'}`,
  );
  if (!ended)
    session.emit({
      type: 'warning',
      warning: { code: 'process-left', stage: action.name, pid, command: words },
    });
}

function notFound(file: string, args: readonly string[], attempt: Attempt): Failure {
  const undeclared = undeclaredIn([file], attempt);
  if (undeclared.length === 0) return { code: 'command-not-found', command: file, package: packageOf(file) };
  return {
    code: 'command-failed',
    command: attempt.masks.apply(quoteWords([file, ...args])),
    exitCode: null,
    signal: null,
    tail: [],
    undeclared,
  };
}

function commandFailed(file: string, args: readonly string[], end: ProcessEnd, attempt: Attempt): Failure {
  const command = attempt.masks.apply(quoteWords([file, ...args]));
  return {
    code: 'command-failed',
    command,
    exitCode: end.exitCode,
    signal: end.signal,
    tail: attempt.log.tail(),
    undeclared: undeclaredIn([...attempt.log.tail(200), command], attempt),
  };
}

function undeclaredIn(lines: readonly string[], { session, places }: Attempt): readonly string[] {
  if (places.workspace === session.plan.root) return [];
  return undeclaredFiles(lines, {
    root: session.plan.root,
    workspace: places.workspace,
    files: session.host.files,
  });
}
