/** Runs one action in a workspace of its own, as often as its retries allow, and takes what it left into the cache. */

import { evidenceDirectory, logFileOf } from '../incremental/state.ts';
import type { ActionResult } from '../model/action.ts';
import type { Artifact, Content } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { ArtifactRef, OptionValues } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { Live, StageReturn } from '../stages/kind.ts';
import { ActionLog } from './action-log.ts';
import { appearedInputs, changedInputs } from './changed-inputs.ts';
import type { Attempt } from './context.ts';
import { stageContext, textPath } from './context.ts';
import { fixedEnvironment, passedVariables, secretsOf } from './environment.ts';
import { maskEvidence } from './evidence.ts';
import { exposedDigests, findExposed } from './exposure.ts';
import type { Pinned, TakenInputs } from './fingerprint.ts';
import { Masks } from './masks.ts';
import type { References } from './options.ts';
import { referencesOf, renderTemplate } from './options.ts';
import { adoptOutputs, outputFailure } from './outputs.ts';
import type { Prepared } from './prepare.ts';
import { afterWatch } from './reads.ts';
import type { Session } from './session.ts';
import type { Places } from './staging.ts';
import { dateDirectories, makePlaces, OWN_DIRECTORIES, stageArtifacts, stageFiles } from './staging.ts';
import { timeLimit } from './time-limit.ts';
import type { Reads } from './traced.ts';
import { type TakenView, takeView } from './traced-run.ts';

const FINAL: readonly Failure['code'][] = [
  'secret-in-output',
  'secret-missing',
  'upstream-damaged',
  'input-changed',
  'read-hidden',
  'project-too-large',
  'blob-missing',
  'command-not-found',
  'output-is-symlink',
  'output-not-a-file',
  'not-storable',
];
/** So often a workspace may turn out to be full, or removed by somebody. */
const MOST_PLACES = 3;
const REMOVAL_MS = 100;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/** An action pinned to digests, about to run. */
export interface Runnable {
  readonly prepared: Prepared;
  readonly options: OptionValues;
  readonly pinned: Pinned;
  readonly taken: TakenInputs;
  readonly upstream: (ref: ArtifactRef) => Artifact;
  /** Nothing of earlier attempts is to be used: it was forced, or depends on what nobody declares. */
  readonly startsAnew: boolean;
  /** Tells the watching and the waiting what it is doing. */
  readonly progress: (activity: string, fraction: number | null) => void;
  /** Called before each attempt but the first. */
  readonly onAttempt: (attempt: number) => void;
}

/** What a run left. */
export interface Produced extends Pick<ActionResult, 'layered'> {
  readonly artifacts: readonly Artifact[];
  readonly log: { readonly digest: Digest; readonly sizeBytes: number } | null;
  readonly durationMs: number;
  readonly handedOn: HandedOn | null;
  /** Blobs in which there are secrets: used by this run, and not kept in the cache. */
  readonly exposed: readonly Digest[];
  /** Whether its result is for this run alone. */
  readonly unkept: boolean;
  /** What it read and looked for, if it was watched. */
  readonly reads?: Reads;
}

/** Something alive that the next action may take over, and the content at which it stands. */
export interface HandedOn {
  readonly content: Content;
  readonly live: Live;
}

/** Runs an action. Whatever happens, its workspace is gone afterwards; nothing is stored but blobs that nobody names yet. */
export async function runStage(session: Session, runnable: Runnable): Promise<Result<Produced, Failure>> {
  const { action } = runnable.prepared;
  const attempts = action.retries + 1;
  let places = 1;
  for (let attempt = 1; ; attempt++) {
    if (attempt > 1) runnable.onAttempt(attempt);
    let isElsewhere = false;
    const produced = await runOnce(session, runnable, attempt === attempts, () => {
      isElsewhere = places < MOST_PLACES;
    });
    // No attempt of the stage's own: the place of its workspace was to blame, and the next one is another.
    if (isElsewhere && !produced.ok && !session.signal.aborted) {
      places += 1;
      attempt -= 1;
      continue;
    }
    if (produced.ok || attempt === attempts || session.signal.aborted || !isWorthRetrying(produced.failure)) {
      return produced;
    }
    session.emit({
      type: 'attempt-failed',
      name: action.name,
      attempt,
      attempts,
      failure: produced.failure,
    });
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
    await session.host.clock.sleep(pause, session.signal);
  }
}

/** Whether the failure may be that of a workspace which somebody is just removing. */
function looksRemoved(failure: Failure): boolean {
  if (failure.code === 'file-trouble') return failure.errno === 'ENOENT';
  return failure.code === 'command-not-found' || failure.code === 'not-storable';
}

/** What would fail again in the same way is not tried again. */
function isWorthRetrying(failure: Failure): boolean {
  return !FINAL.includes(failure.code);
}

async function runOnce(
  session: Session,
  runnable: Runnable,
  isLast: boolean,
  onBlame: () => void,
): Promise<Result<Produced, Failure>> {
  const { host, cache, checkoutDirectory } = session;
  const { action } = runnable.prepared;
  const secrets = secretsOf(action, host.env);
  if (!secrets.ok) return secrets;
  const masks = new Masks();
  for (const value of Object.values(secrets.value)) masks.add(value);
  const logFile = logFileOf(checkoutDirectory, action.name);
  await host.files.remove(logFile);
  const own = await cache.makeWorkspace(OWN_DIRECTORIES);
  if (!own.ok) return own;
  const log = new ActionLog(logFile, host.files, masks, (line) =>
    session.emit({ type: 'action-output', name: action.name, line }),
  );
  try {
    const places = await makePlaces(session, own.value.path, action);
    if (!places.ok) {
      if (await own.value.isToBlame()) onBlame();
      return places;
    }
    const around = { places: places.value, masks, log, secrets: secrets.value, isLast };
    const produced = await inPlaces(session, runnable, around);
    // What works in the checkout, or is never the same twice, may have done something that must not be done again.
    const isRepeatable = action.cacheable && places.value.workspace !== session.plan.root;
    if (!produced.ok && isRepeatable) {
      // Whoever removes a cache takes a moment, and begins with what is in the workspace.
      if (looksRemoved(produced.failure)) await host.clock.sleep(REMOVAL_MS, session.signal);
      const isGone = host.files.stamp(places.value.workspace) === null;
      if (isGone || (await own.value.isToBlame())) onBlame();
    }
    return produced.ok ? produced : fail(masks.applyDeep(produced.failure));
  } finally {
    await log.close();
    await own.value.dispose();
  }
}

interface Surroundings {
  readonly places: Places;
  readonly masks: Masks;
  readonly log: ActionLog;
  readonly secrets: { readonly [name: string]: string };
  /** Whether no other attempt comes after this one. */
  readonly isLast: boolean;
}

async function inPlaces(
  session: Session,
  runnable: Runnable,
  around: Surroundings,
): Promise<Result<Produced, Failure>> {
  const { host } = session;
  const { places, masks, log, secrets, isLast } = around;
  const { prepared, upstream, options } = runnable;
  const { action } = prepared;
  const startedMs = host.clock.monotonicMs();
  const view = action.traced === true ? await takeView(session, prepared, runnable.taken) : ok(null);
  if (!view.ok) return view;
  const taken = view.value?.taken ?? runnable.taken;
  if (places.workspace !== session.plan.root) {
    const files = await stageFiles(session, taken, places.workspace, view.value?.directories);
    if (!files.ok) return files;
  }
  const references = referencesOf(action, options);
  const staged = await stageArtifacts(session, references, upstream, places);
  if (!staged.ok) return staged;
  const parents = await makeOutputParents(session, runnable, places);
  if (!parents.ok) return parents;
  if (places.workspace !== session.plan.root)
    await dateDirectories(session, taken, places.workspace, view.value?.directories);
  const aside = await makeAside(session, runnable, places);

  const limit = timeLimit(session, action.timeoutMs);
  const rendered = Object.entries(action.env).map(([name, template]) => [
    name,
    renderTemplate(template, (ref) => textPath(ref, upstream(ref).path, places)),
  ]);
  const attempt: Attempt = {
    session,
    action,
    places,
    taken,
    manifest: runnable.pinned.manifest,
    upstream,
    staged: staged.value,
    env: {
      ...fixedEnvironment(host.env, { ...places, ceiling: places.own }),
      ...Object.fromEntries(rendered),
      ...passedVariables(action, host.env),
      ...secrets,
    },
    log,
    masks,
    ...aside,
    signal: limit.signal,
    startsAnew: runnable.startsAnew,
    progress: runnable.progress,
    async afterFailure(failure) {
      const isOver = isLast || !isWorthRetrying(failure);
      if (!isOver || session.signal.aborted) return 'end';
      return session.afterFailure(action.name, masks.applyDeep(failure));
    },
  };
  const runner = await session.runnerOf(action.kind);
  const left = await runner.run(options, stageContext(attempt));
  limit.done();

  if (!left.ok) {
    await maskEvidence(host.files, attempt.evidence, masks);
    if (limit.expired() && action.timeoutMs !== null) {
      return fail({ code: 'stage-timeout', timeoutMs: action.timeoutMs, tail: log.tail() });
    }
    return left;
  }
  const produced = await takeIn(session, { ...runnable, view: view.value }, around, left.value);
  if (!produced.ok) {
    await left.value.handOn?.live.dispose();
    return produced;
  }
  const durationMs = Math.round(host.clock.monotonicMs() - startedMs);
  return ok({ ...produced.value, durationMs });
}

/** Takes what a stage left into the cache, once it is sure that it kept to the rules. */
async function takeIn(
  session: Session,
  { prepared, options, taken, upstream, view }: Runnable & { readonly view: TakenView | null },
  { places, log, secrets, masks }: Surroundings,
  left: StageReturn,
): Promise<Result<Omit<Produced, 'durationMs'>, Failure>> {
  const { action } = prepared;
  if (session.signal.aborted) return fail(stopped());
  const spoiled = await spoiledArtifacts(session, referencesOf(action, options), upstream);
  if (spoiled.length > 0) return fail({ code: 'upstream-damaged', files: spoiled });
  const changed = [...(await changedInputs(session, taken)), ...(await appearedInputs(prepared))];
  if (changed.length > 0) return fail({ code: 'input-changed', files: changed });
  const outputs = outputFailure(session, action, places, new Set((view?.taken ?? taken).inputs.keys()));
  if (outputs !== null) return fail(outputs);
  const watched = view === null ? ok(null) : await afterWatch(session, { prepared, view, places, left });
  if (!watched.ok) return watched;

  const unchanged = new Set(Object.keys(left.unchanged ?? {}));
  const found = await findExposed(session, action, places.workspace, secrets, unchanged);
  if (!found.ok) return found;
  const artifacts = await adoptOutputs(session, action, places, left);
  if (!artifacts.ok) return artifacts;
  const exposed = found.value;
  if (exposed !== null) session.emit({ type: 'warning', warning: masks.applyDeep(exposed.warning) });
  await keepSides(session, artifacts.value, left, log);
  const stored = (await log.close()) ? await storedLog(session, log) : null;
  if (session.signal.aborted) return fail(stopped());
  return ok({
    artifacts: artifacts.value,
    ...layeredInputs(referencesOf(action, options), upstream),
    log: stored,
    handedOn: handedOn(artifacts.value, left),
    exposed: exposed === null ? [] : await exposedDigests(session, artifacts.value, exposed),
    ...(watched.value ?? { unkept: false }),
  });
}

/** What the upstream artifacts that are made of layers were made of; nothing where there is none. */
function layeredInputs(
  { artifacts, staged }: References,
  upstream: (ref: ArtifactRef) => Artifact,
): Pick<ActionResult, 'layered'> {
  const contents = [...artifacts, ...staged].map((ref) => upstream(ref).content);
  const layered = contents.flatMap((content) =>
    content.type === 'layers' ? [[content.digest, content.layers] as const] : [],
  );
  return layered.length === 0 ? {} : { layered: Object.fromEntries(layered) };
}

/** Side files that cannot be kept are missed later, and are no failure. */
async function keepSides(
  session: Session,
  artifacts: readonly Artifact[],
  { sides = {} }: StageReturn,
  log: ActionLog,
): Promise<void> {
  for (const { name, content } of artifacts) {
    const directory = sides[name];
    if (directory === undefined) continue;
    const kept = await session.cache.sides.keep(content.digest, directory);
    if (!kept.ok) log.line(`the side files of ${name} could not be kept: ${JSON.stringify(kept.failure)}`);
  }
}

function handedOn(artifacts: readonly Artifact[], { handOn }: StageReturn): HandedOn | null {
  if (handOn === undefined) return null;
  const artifact = artifacts.find(({ name }) => name === handOn.output);
  if (artifact === undefined) throw new Error(`no output ${handOn.output} at which something goes on`);
  return { content: artifact.content, live: handOn.live };
}

/** Names of artifacts that the stage wrote to although it had them for reading; the cache drops them. */
async function spoiledArtifacts(
  session: Session,
  { artifacts, staged }: References,
  upstream: (ref: ArtifactRef) => Artifact,
): Promise<readonly string[]> {
  const shared = [...artifacts, ...staged].map((ref) => ({ ref, content: upstream(ref).content }));
  const damaged = await session.cache.damagedAmong(shared.map(({ content }) => content));
  if (damaged.length === 0) return [];
  const named = shared.filter(({ content }) => 'digest' in content && damaged.includes(content.digest));
  return (named.length > 0 ? named : shared).map(({ ref }) => `${ref.output} of ${ref.action}`);
}

/** Ctrl-C came while it was being stored; the caller reports the action as cancelled whatever the failure is. */
function stopped(): Failure {
  return { code: 'stage-refused', problem: 'the run was stopped', hint: null };
}

async function makeOutputParents(session: Session, { prepared }: Runnable, places: Places) {
  for (const { path } of prepared.action.outputs) {
    const slash = path.lastIndexOf('/');
    if (slash < 0) continue;
    const made = await session.host.files.makeDirectory(`${places.workspace}/${path.slice(0, slash)}`);
    if (!made.ok) return made;
  }
  return ok(undefined);
}

/** Directories outside of the workspace. A command cannot know of them: a thousand commands need not pay for them. */
async function makeAside(session: Session, { prepared, pinned }: Runnable, places: Places) {
  const { files } = session.host;
  const make = async (wanted: string): Promise<string> => {
    if (prepared.action.kind === 'run' || (await files.makeDirectory(wanted)).ok) return wanted;
    // A cache that cannot be written: what would have survived the stage goes with it.
    const other = await files.makeTemporaryDirectory(places.scratch, 'aside-');
    return other.ok ? other.value : places.scratch;
  };
  const evidence = evidenceDirectory(session.checkoutDirectory, prepared.action.name);
  if (prepared.action.kind !== 'run') await files.remove(evidence);
  return { evidence: await make(evidence), persistent: await make(persistentDirectory(session, pinned)) };
}

/** Where a download survives a failed attempt: one directory for each fingerprint. */
function persistentDirectory(session: Session, { fingerprint }: Pinned): string {
  return session.cache.attemptsDirectory(fingerprint);
}

/** Removes what survived failed attempts and what would explain them, once there is a result. */
export async function forgetAttempts(session: Session, action: string, pinned: Pinned): Promise<void> {
  const { files } = session.host;
  await files.remove(persistentDirectory(session, pinned));
  await files.remove(evidenceDirectory(session.checkoutDirectory, action));
}

/** A log up to this size is read and stored in one go. */
const IN_MEMORY_BYTES = 1024 * 1024;

async function storedLog(session: Session, log: ActionLog): Promise<Produced['log']> {
  const { host, cache } = session;
  if ((host.files.stamp(log.path)?.sizeBytes ?? 0) > IN_MEMORY_BYTES) {
    // Never whole in memory: there are commands that print gigabytes.
    const content = await cache.blobs.adopt(log.path, { keep: true });
    if (!content.ok || content.value.type !== 'file') return null;
    const { digest, sizeBytes } = content.value;
    return { digest, sizeBytes };
  }
  const bytes = await host.files.readBytes(log.path);
  if (!bytes.ok) return null;
  const blob = await cache.blobs.put(bytes.value);
  return blob.ok ? blob.value : null;
}
