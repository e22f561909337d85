/** Brings one action to its outcome: fresh, restored or built; and upstream results back that turn out to be lost. */
import { logFileOf } from '../incremental/state.ts';
import type { ActionResult } from '../model/action.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { ArtifactRef, OptionValues, PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { ok } from '../model/result.ts';
import type { Pinned, TakenInputs } from './fingerprint.ts';
import { takeInputs } from './fingerprint.ts';
import { obstaclesBefore } from './in-the-way.ts';
import { changesSince, reasonsToRun, resultFor } from './last-result.ts';
import { referencesOf } from './options.ts';
import { examineArtifacts, NOT_PLACED, type Placement, placeArtifacts, together } from './placement.ts';
import type { Prepared } from './prepare.ts';
import type { Session } from './session.ts';
import type { Settled, SettlerOptions } from './settled.ts';
import { isGood, notBegun } from './settled.ts';
import type { HandedOn, Produced } from './stage-run.ts';
import { forgetAttempts, runStage } from './stage-run.ts';
import { pinAction, pinnedWith } from './traced.ts';

/** So often what an action reads may turn out to be damaged before that is its failure. */
const MOST_ROUNDS = 3;
const LOST = 'its result is no longer whole in the cache';

/** Everything known of an action on its way, but for its outcome. */
interface Underway {
  readonly prepared: Prepared;
  readonly options: OptionValues;
  readonly startedAtMs: number;
  readonly taken: TakenInputs;
  readonly pinned: Pinned;
  /** Why it must run besides what changed. */
  readonly note: string | null;
}

export class Settler {
  readonly #session: Session;
  readonly #options: SettlerOptions;
  readonly #prepared: ReadonlyMap<string, Prepared>;
  readonly #settled = new Map<string, Settled>();
  readonly #again = new Map<string, Promise<Settled>>();
  readonly #suspects = new Set<string>();

  constructor(session: Session, prepared: readonly Prepared[], options: SettlerOptions) {
    this.#session = session;
    this.#options = options;
    this.#prepared = new Map(prepared.map((one) => [one.action.name, one]));
  }

  /** How an action ended; undefined as long as it has not. */
  outcomeOf(action: string): Settled | undefined {
    return this.#settled.get(action);
  }

  /** Remembers how an action ended that was never begun. */
  record(settled: Settled): void {
    this.#settled.set(settled.action.name, settled);
  }

  /** Settles an action all of whose needs ended well. */
  async settle(name: string, note: string | null = null): Promise<Settled> {
    const startedAtMs = this.#session.host.clock.nowMs();
    const prepared = await this.#preparedAction(name);
    const unbegun = { action: this.#actionOf(name), startedAtMs, pinned: null };
    const settled = prepared.ok
      ? await this.#decide(prepared.value, startedAtMs, note)
      : this.#failed(unbegun, prepared.failure, [], false);
    this.#settled.set(name, settled);
    return settled;
  }

  async #preparedAction(name: string): Promise<Result<Prepared, Failure>> {
    const prepared = this.#prepared.get(name);
    return prepared === undefined ? this.#options.prepareLate(this.#actionOf(name)) : ok(prepared);
  }

  #actionOf(name: string): PlannedAction {
    const action = this.#options.actions.get(name) ?? this.#settled.get(name)?.action;
    if (action === undefined) throw new Error(`no such action: ${name}`);
    return action;
  }

  async #decide(prepared: Prepared, startedAtMs: number, note: string | null): Promise<Settled> {
    const { action, options } = prepared;
    if (options === null) throw new Error(`not pinned: ${action.name}`);
    const taken = await takeInputs(prepared, this.#session);
    if (!taken.ok) return this.#failed({ action, startedAtMs, pinned: null }, taken.failure, [], false);
    let reason = note;
    for (let rounds = 1; ; rounds++) {
      const pinned = await this.#pin({ prepared, options, taken: taken.value });
      const underway = { prepared, options, startedAtMs, taken: taken.value, pinned, note: reason };
      if (action.cacheable && !this.#options.isForced(action)) {
        const hit = await this.#fromCache(underway);
        if (hit === 'lost') reason = LOST;
        else if (hit !== null) return hit;
      }
      const obstacle = await this.#materialise(prepared, options);
      if (obstacle !== null) return obstacle;
      if (!(await this.#isStill(underway))) continue;
      const settled = await this.#asOnlyBuilder({ ...underway, note: reason });
      if (settled.failure?.code !== 'blob-missing' || rounds > MOST_ROUNDS) return settled;
      this.#suspect(prepared, options);
    }
  }

  #pin({ prepared, options, taken }: Pick<Underway, 'prepared' | 'options' | 'taken'>): Promise<Pinned> {
    return pinAction(this.#session, prepared, options, taken, (ref) => this.#artifact(ref));
  }

  /** Whether its fingerprint is the same, now that what it reads has been made sure of. */
  async #isStill(underway: Underway): Promise<boolean> {
    if (underway.prepared.action.needs.length === 0) return true;
    return (await this.#pin(underway)).fingerprint === underway.pinned.fingerprint;
  }

  #artifact(ref: ArtifactRef): Artifact {
    const artifacts = this.#settled.get(ref.action)?.result?.artifacts ?? [];
    const artifact = artifacts.find(({ name }) => name === ref.output);
    if (artifact === undefined) throw new Error(`no artifact: ${ref.action} ${ref.output}`);
    return artifact;
  }

  /** A settled action out of a stored result; null when there is none, `lost` when blobs of it are missing. */
  async #fromCache(underway: Underway): Promise<Settled | 'lost' | null> {
    const { cache, state } = this.#session;
    const { prepared, pinned } = underway;
    const { action } = prepared;
    const result = await resultFor(this.#session, action, pinned.fingerprint);
    if (result === null) return null;
    const last = state.actions[action.name];
    const isLast = last?.fingerprint === pinned.fingerprint;
    const reasons: string[] = [];
    let placement = NOT_PLACED;
    if (action.placed) {
      const { displaced, there } = await examineArtifacts(this.#session, action, result.artifacts, last);
      if (displaced.length > 0 && !(await cache.isComplete(result))) return this.#drop(result);
      const put = await placeArtifacts(this.#session, action, displaced);
      if (!put.ok) {
        if (!(await cache.isComplete(result))) return this.#drop(result);
        return this.#failed({ ...underway, action }, put.failure, [], false);
      }
      placement = together(there, put.value);
      if (isLast) reasons.push(...put.value.reasons);
    }
    await cache.use(result);
    const isFresh = isLast && reasons.length === 0;
    if (!isLast) {
      reasons.push(
        'the cache has this result',
        ...(await changesSince(this.#session, action, pinned.manifest)),
      );
      await this.#session.host.files.remove(logFileOf(this.#session.checkoutDirectory, action.name));
    }
    return this.#good({ ...underway, placement }, isFresh ? 'fresh' : 'restored', result, reasons, false);
  }

  async #drop(result: ActionResult): Promise<'lost'> {
    await this.#session.cache.actions.remove(result.fingerprint);
    return 'lost';
  }

  /** Makes sure that what an action is going to read really lies in the cache; null when it does. */
  async #materialise(prepared: Prepared, options: OptionValues): Promise<Settled | null> {
    const { artifacts, staged } = referencesOf(prepared.action, options);
    for (const name of new Set([...artifacts, ...staged].map((ref) => ref.action))) {
      const settled = await this.#present(name);
      if (isGood(settled)) continue;
      const outcome = settled.outcome === 'cancelled' ? 'cancelled' : 'blocked';
      const nowMs = this.#session.host.clock.nowMs();
      return notBegun(prepared.action, outcome, `${name} ${settled.outcome}`, nowMs);
    }
    return null;
  }

  /** Bytes turned out to be damaged while they were put into a workspace: look at all of them again. */
  #suspect(prepared: Prepared, options: OptionValues): void {
    const { artifacts, staged } = referencesOf(prepared.action, options);
    for (const { action } of [...artifacts, ...staged]) {
      this.#suspects.add(action);
      this.#again.delete(action);
    }
  }

  async #present(name: string): Promise<Settled> {
    const running = this.#again.get(name);
    if (running !== undefined) return running;
    const settled = this.#settled.get(name);
    if (settled === undefined) throw new Error(`not settled: ${name}`);
    const { pinned, result } = settled;
    const isSure = settled.outcome === 'built' && !this.#suspects.has(name);
    if (isSure || pinned === null || result === null) return settled;
    const again = (async () => {
      const stored = await resultFor(this.#session, settled.action, pinned.fingerprint);
      if (stored !== null && (await this.#session.cache.isComplete(stored))) return settled;
      await this.#session.cache.actions.remove(pinned.fingerprint);
      this.#suspects.delete(name);
      const rebuilt = await this.settle(name, LOST);
      this.#options.onAgain(rebuilt);
      return rebuilt;
    })();
    this.#again.set(name, again);
    return again;
  }

  /** Runs it unless another process is just doing that; then takes its result. */
  async #asOnlyBuilder(underway: Underway): Promise<Settled> {
    const { cache, plan, signal, emit, host } = this.#session;
    const { action } = underway.prepared;
    if (!action.cacheable) return this.#withResources(underway, () => {});
    let other: number | null = null;
    const onWait = (builder: { pid: number; host: string; directory: string; activity: string | null }) => {
      other = builder.pid;
      emit({ type: 'action-waiting', name: action.name, for: { type: 'other-builder', ...builder } });
    };
    const by = { directory: plan.root, inPlace: action.workspace === 'in-place', onWait, signal };
    const locked = await cache.lock(underway.pinned.key ?? underway.pinned.fingerprint, by);
    if (!locked.ok) return this.#failed({ ...underway, action }, locked.failure, [], false);
    const lock = locked.value;
    if (lock === null) return notBegun(action, 'cancelled', 'the run was stopped', host.clock.nowMs());
    try {
      if (!this.#options.isForced(action) || other !== null) {
        // Another builder may have left a trace that is true here too.
        const pinned = action.traced === true ? await this.#pin(underway) : underway.pinned;
        const hit = await this.#fromCache({ ...underway, pinned });
        if (hit !== null && hit !== 'lost') {
          return other === null
            ? hit
            : { ...hit, reasons: [`another bake (process ${String(other)}) built it`] };
        }
      }
      return await this.#withResources(underway, (activity) => lock.report(activity));
    } finally {
      await lock.release();
    }
  }

  async #withResources(underway: Underway, report: (activity: string) => void): Promise<Settled> {
    const { signal, emit, host } = this.#session;
    const { action } = underway.prepared;
    const { pool } = this.#options;
    const lacking = pool.lacks(action.resources);
    // Waiting for an ordinary slot is not worth a word: that is what `--jobs` is for.
    if (lacking !== null && (lacking !== 'cpu' || action.resources.cpu > 1)) {
      emit({ type: 'action-waiting', name: action.name, for: { type: 'resource', resource: lacking } });
    }
    const release = await pool.claim(action.resources, this.#options.urgencyOf(action.name), signal);
    if (release === null) return notBegun(action, 'cancelled', 'the run was stopped', host.clock.nowMs());
    try {
      return await this.#run(underway, report);
    } finally {
      release();
    }
  }

  async #run(waited: Underway, report: (activity: string) => void): Promise<Settled> {
    const { emit, host, state, checkoutDirectory } = this.#session;
    const { prepared, pinned } = waited;
    const { action } = prepared;
    const startedAtMs = host.clock.nowMs();
    const underway = { ...waited, startedAtMs };
    const obstacles = await obstaclesBefore(this.#session, action);
    if (obstacles !== null) return this.#failed({ ...underway, action }, obstacles, [], false);
    const because = { note: underway.note, isForced: this.#options.isForced(action) };
    const reasons = await reasonsToRun(this.#session, action, pinned.manifest, because);
    const start = (attempt: number) =>
      emit({
        type: 'action-started',
        name: action.name,
        kind: action.kind,
        reasons,
        attempt,
        startedAtMs,
        lastDurationMs: state.actions[action.name]?.durationMs ?? null,
        logFile: logFileOf(checkoutDirectory, action.name),
      });
    start(1);
    const produced = await runStage(this.#session, {
      ...underway,
      upstream: (ref) => this.#artifact(ref),
      startsAnew: !action.cacheable || this.#options.isForced(action),
      onAttempt: start,
      progress(activity, fraction) {
        emit({ type: 'action-progress', name: action.name, activity, fraction });
        report(activity);
      },
    });
    if (!produced.ok) {
      if (produced.failure.code === 'upstream-damaged') await this.#dropUpstream(underway);
      return this.#failed({ ...underway, action }, produced.failure, reasons, true);
    }
    const final = pinnedWith(this.#session, pinned, produced.value.reads);
    const isStored = await this.#publish({ ...underway, pinned: final }, produced.value);
    await this.#handOn(action, produced.value.handedOn, isStored);
    await forgetAttempts(this.#session, action.name, pinned);
    let placement = NOT_PLACED;
    if (action.placed) {
      const { displaced, there } = await examineArtifacts(
        this.#session,
        action,
        produced.value.artifacts,
        undefined,
      );
      const put = await placeArtifacts(this.#session, action, displaced);
      if (!put.ok) return this.#failed({ ...underway, action }, put.failure, reasons, true);
      placement = together(there, put.value);
    }
    return this.#good({ ...underway, pinned: final, placement }, 'built', produced.value, reasons, true);
  }

  /** The result last, after all its blobs. Trouble with the cache costs the next run time, and this one a warning. */
  async #publish({ prepared: { action }, pinned }: Underway, produced: Produced): Promise<boolean> {
    const { key: _key, ...kept } = pinned;
    if (action.name === this.#session.unstored) return false;
    const { handedOn: _, exposed, reads: __, unkept, ...stored } = produced;
    if (!action.cacheable || unkept || exposed.length > 0) return true;
    const { cache, plan, host, emit } = this.#session;
    const put = await cache.actions.put({
      format: 1,
      ...stored,
      ...kept,
      createdAt: new Date(host.clock.nowMs()).toISOString(),
      origin: { pipeline: plan.name, action: action.name },
    });
    if (!put.ok) emit({ type: 'warning', warning: put.failure });
    return put.ok;
  }

  /** What goes on after an action waits for those who read the output at which it stands. */
  async #handOn(action: PlannedAction, handed: HandedOn | null, isStored: boolean): Promise<void> {
    if (handed === null) return;
    if (!isStored) return handed.live.dispose();
    const reads = (other: PlannedAction) =>
      referencesOf(other, this.#prepared.get(other.name)?.options ?? other.options).artifacts.some(
        (ref) => ref.action === action.name,
      );
    const readers = [...this.#options.actions.values()]
      .filter((other) => !this.#settled.has(other.name) && reads(other))
      .map(({ name }) => name);
    await this.#session.shelf.put(handed.content, handed.live, readers);
  }

  /** A stage wrote into a shared artifact: nobody may use the results that hold it any more. */
  async #dropUpstream({ prepared, options }: Underway): Promise<void> {
    const { artifacts, staged } = referencesOf(prepared.action, options);
    for (const { action } of [...artifacts, ...staged]) {
      const pinned = this.#settled.get(action)?.pinned;
      if (pinned) await this.#session.cache.actions.remove(pinned.fingerprint);
    }
  }

  async #good(
    { prepared, pinned, startedAtMs, placement }: Underway & { readonly placement: Placement },
    outcome: 'fresh' | 'restored' | 'built',
    result: Pick<ActionResult, 'artifacts' | 'durationMs'> & Pick<Settled, 'exposed' | 'unkept'>,
    reasons: readonly string[],
    ran: boolean,
  ): Promise<Settled> {
    const { action } = prepared;
    return {
      action,
      outcome,
      reasons,
      startedAtMs,
      durationMs: this.#session.host.clock.nowMs() - startedAtMs,
      pinned,
      result,
      ...placement,
      logFile: ran ? this.#ownLog(action) : null,
      failure: null,
      exposed: result.exposed ?? [],
      unkept: result.unkept === true,
    };
  }

  #failed(
    of: { readonly action: PlannedAction; readonly startedAtMs: number; readonly pinned: Pinned | null },
    failure: Failure,
    reasons: readonly string[],
    ran: boolean,
  ): Settled {
    const isStopped = this.#session.signal.aborted;
    return {
      ...notBegun(of.action, 'cancelled', 'the run was stopped', of.startedAtMs),
      outcome: isStopped ? 'cancelled' : 'failed',
      reasons,
      durationMs: this.#session.host.clock.nowMs() - of.startedAtMs,
      pinned: of.pinned,
      logFile: ran ? this.#ownLog(of.action) : null,
      failure: isStopped ? null : failure,
    };
  }

  #ownLog(action: PlannedAction): string | null {
    const file = logFileOf(this.#session.checkoutDirectory, action.name);
    return this.#session.host.files.stamp(file) === null ? null : file;
  }
}
