/** What a run would do, without doing it: fresh, hit, run, or unknown until something before it has run. Touches nothing. */
import type { ActionResult, Manifest } from '../model/action.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Fingerprint } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { PlanStatus } from '../model/outcome.ts';
import type { ArtifactRef, PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { type Pinned, pin, takeInputs } from './fingerprint.ts';
import { lastResult, resultFor } from './last-result.ts';
import { referencesOf } from './options.ts';
import { examineArtifacts } from './placement.ts';
import type { Prepared } from './prepare.ts';
import { reasonsOfChange } from './reasons.ts';
import type { Session } from './session.ts';
import { pinPredicted } from './traced-run.ts';

/** What is expected of one action. */
export interface PlannedStatus {
  readonly action: PlannedAction;
  readonly status: PlanStatus;
  readonly fingerprint: Fingerprint | null;
  readonly manifest: Manifest | null;
  readonly reasons: readonly string[];
  readonly lastDurationMs: number | null;
  /** The stored result, for `fresh` and `hit`. */
  readonly result: ActionResult | null;
}

/** What some actions made, of which it is known already. */
export type KnownResults = ReadonlyMap<string, Pick<ActionResult, 'artifacts'>>;

/** Predicts for prepared actions, each after all that it needs and that is not `known`, what a run would do. */
export async function predictActions(
  session: Session,
  prepared: readonly Prepared[],
  isForced: (action: PlannedAction) => boolean,
  known: KnownResults = new Map(),
): Promise<Result<readonly PlannedStatus[], Failure>> {
  // An action that runs needs the bytes of what it reads: where they are lost, what makes them runs too.
  const lost = new Set<string>();
  for (;;) {
    const statuses = new Map<string, PlannedStatus>();
    const made = (name: string) => statuses.get(name)?.result ?? known.get(name) ?? null;
    for (const one of prepared) {
      const status = await predictOne(session, one, made, { lost, isForced });
      if (!status.ok) return status;
      statuses.set(one.action.name, status.value);
    }
    const more = await lostResults(session, prepared, statuses);
    if (more.length === 0) return ok([...statuses.values()]);
    for (const name of more) lost.add(name);
  }
}

/** What an action made, as far as it is known; null where it is not. */
type Made = (action: string) => Pick<ActionResult, 'artifacts'> | null;

interface Circumstances {
  readonly lost: ReadonlySet<string>;
  readonly isForced: (action: PlannedAction) => boolean;
}

async function predictOne(
  session: Session,
  prepared: Prepared,
  made: Made,
  { lost, isForced }: Circumstances,
): Promise<Result<PlannedStatus, Failure>> {
  const { action, options } = prepared;
  const base = {
    action,
    fingerprint: null,
    manifest: null,
    result: null,
    lastDurationMs: session.state.actions[action.name]?.durationMs ?? null,
  };
  if (options === null) {
    return ok({ ...base, status: 'run', reasons: ['its checksum is not in bake.lock yet'] });
  }
  const { artifacts, staged } = referencesOf(action, options);
  const waits = [...new Set([...artifacts, ...staged].map((ref) => ref.action))].filter(
    (name) => made(name) === null,
  );
  if (waits.length > 0) {
    return ok({ ...base, status: 'unknown', reasons: [`depends on what ${waits.join(', ')} will make`] });
  }
  const taken = await takeInputs(prepared, session);
  if (!taken.ok) return fail(taken.failure);
  const work = pin(prepared, options, taken.value, (ref) => artifactOf(made, ref), session.host);
  const { manifest, fingerprint, result } = await lookUp(session, prepared, work);
  const known = { ...base, manifest, fingerprint };
  const lastDurationMs = base.lastDurationMs ?? result?.durationMs ?? null;
  if (!action.cacheable) {
    return ok({ ...known, status: 'run', lastDurationMs, reasons: ['`cache: false`: it runs every time'] });
  }
  if (isForced(action)) return ok({ ...known, status: 'run', lastDurationMs, reasons: ['forced'] });
  if (result === null || lost.has(action.name)) {
    const last = await lastResult(session, action);
    const changes = last === null ? [] : reasonsOfChange(action, last.manifest, manifest);
    const otherwise =
      session.cache.mode === 'off'
        ? 'the cache is not used'
        : last === null
          ? 'never built before'
          : 'its result is no longer whole in the cache';
    const reasons = changes.length > 0 ? changes : [otherwise];
    return ok({
      ...known,
      status: 'run',
      lastDurationMs: lastDurationMs ?? last?.durationMs ?? null,
      reasons,
    });
  }
  return ok({ ...known, ...(await hitOrFresh(session, action, result)), result, lastDurationMs });
}

/** The stored result of a pinned action. What a watched one is going to read is known when it has run: so long it has no fingerprint. */
async function lookUp(
  session: Session,
  prepared: Prepared,
  work: Pinned,
): Promise<Pick<PlannedStatus, 'fingerprint' | 'result'> & { readonly manifest: Manifest }> {
  const { action } = prepared;
  const isTraced = action.traced === true;
  const { manifest, fingerprint } = isTraced ? await pinPredicted(session, prepared, work) : work;
  const result = await resultFor(session, action, fingerprint);
  return { manifest, fingerprint: isTraced && result === null ? null : fingerprint, result };
}

async function hitOrFresh(
  session: Session,
  action: PlannedAction,
  result: ActionResult,
): Promise<{ readonly status: 'fresh' | 'hit'; readonly reasons: readonly string[] }> {
  const state = session.state.actions[action.name];
  if (state?.fingerprint !== result.fingerprint) {
    const last = await lastResult(session, action);
    const changes = last === null ? [] : reasonsOfChange(action, last.manifest, result.manifest);
    return { status: 'hit', reasons: ['the cache has this result', ...changes] };
  }
  const { displaced } = await examineArtifacts(session, action, action.placed ? result.artifacts : [], state);
  if (displaced.length === 0) return { status: 'fresh', reasons: [] };
  return { status: 'hit', reasons: displaced.map(({ reason }) => reason) };
}

/** Actions counted as hits whose bytes are needed but gone. */
async function lostResults(
  session: Session,
  prepared: readonly Prepared[],
  statuses: ReadonlyMap<string, PlannedStatus>,
): Promise<readonly string[]> {
  const needed = new Set<string>();
  for (const { action, options } of prepared) {
    const { status } = statuses.get(action.name) as PlannedStatus;
    if (status === 'hit' && action.placed) needed.add(action.name);
    if (status !== 'run' || options === null) continue;
    const { artifacts, staged } = referencesOf(action, options);
    for (const ref of [...artifacts, ...staged]) needed.add(ref.action);
  }
  const lost: string[] = [];
  for (const name of needed) {
    const result = statuses.get(name)?.result ?? null;
    if (result !== null && !(await session.cache.isComplete(result))) lost.push(name);
  }
  return lost;
}

function artifactOf(made: Made, ref: ArtifactRef): Artifact {
  const artifacts = made(ref.action)?.artifacts ?? [];
  const artifact = artifacts.find(({ name }) => name === ref.output);
  if (artifact === undefined) throw new Error(`no artifact: ${ref.action} ${ref.output}`);
  return artifact;
}
