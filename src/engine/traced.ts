/** Finds the result of an action that was watched when it ran: that of which everything it read is still the same. See docs/design/traces.md. */
import type { Manifest } from '../model/action.ts';
import type { Artifact } from '../model/artifact.ts';
import { canonicalJson } from '../model/json.ts';
import { asksOf, type Observation } from '../model/observation.ts';
import type { ArtifactRef, OptionValues } from '../model/plan.ts';
import { type Pinned, pin, type TakenInputs } from './fingerprint.ts';
import { lastResult, resultFor } from './last-result.ts';
import { fingerprintOf } from './manifest.ts';
import { Observer } from './observer.ts';
import type { Prepared } from './prepare.ts';
import { leftOutOf, noteIgnoreRules } from './project-view.ts';
import type { Session } from './session.ts';

export type Reads = NonNullable<Manifest['reads']>;

/** A pinned action whose fingerprint without what it read is `key`. */
export interface TracedPin extends Pinned {
  readonly key: Pinned['fingerprint'];
}

/** Pins an action: one that is watched also by what it reads, as far as that is known. */
export async function pinAction(
  session: Session,
  prepared: Prepared,
  options: OptionValues,
  taken: TakenInputs,
  upstream: (ref: ArtifactRef) => Artifact,
): Promise<Pinned> {
  const pinned = pin(prepared, options, taken, upstream, session.host);
  return prepared.action.traced === true ? pinTraced(session, prepared, pinned) : pinned;
}

/**
 * Holds what earlier runs of the same work read against the checkout as it is. The first of which all is still true gives the
 * fingerprint, under which there is a result; else it is that of the last run with the answers of now, so that the two can be
 * compared, and there is none.
 */
export async function pinTraced(session: Session, prepared: Prepared, work: Pinned): Promise<TracedPin> {
  const { action } = prepared;
  const key = work.fingerprint;
  const answers = new Answers(session, prepared);
  for (const { manifest } of await session.cache.actions.traced(key)) {
    const pinned = await answers.to(work, manifest);
    if (pinned !== null && (await resultFor(session, action, pinned.fingerprint)) !== null) return pinned;
  }
  const last = await lastResult(session, action);
  const asked = last === null ? null : await answers.to(work, last.manifest);
  return asked ?? { ...work, key };
}

/** The pin of an action that has run: with what it read, if it was watched. */
export function pinnedWith(session: Session, pinned: Pinned, reads: Reads | undefined): Pinned {
  if (reads === undefined) return pinned;
  const { reads: _, ...work } = pinned.manifest;
  return withReads(session, { manifest: work, fingerprint: pinned.key ?? pinned.fingerprint }, reads);
}

/** A manifest with what was read, and its fingerprint. */
export function withReads(session: Session, work: Pinned, reads: Reads): TracedPin {
  const manifest: Manifest = { ...work.manifest, reads };
  return {
    manifest,
    fingerprint: fingerprintOf(manifest, session.host.hashing),
    key: work.fingerprint,
  };
}

function isSameListing(one: Observation | undefined, other: Observation | undefined): boolean {
  return canonicalJson(one?.entries ?? null) === canonicalJson(other?.entries ?? null);
}

/** Asks again what earlier runs asked, at one moment. */
class Answers {
  readonly #session: Session;
  readonly #prepared: Prepared;
  readonly #observer: Observer;
  #withoutIgnored: Observer | null = null;

  constructor(session: Session, prepared: Prepared) {
    this.#session = session;
    this.#prepared = prepared;
    this.#observer = new Observer({ ...session, looks: prepared.looks });
  }

  /** Null when it read nothing that is known, or what cannot be read now. */
  async to(work: Pinned, { reads }: Manifest): Promise<TracedPin | null> {
    if (reads === undefined) return null;
    const asked = new Map(Object.entries(reads).map(([path, seen]) => [path, asksOf(seen)]));
    const now = await this.#observer.observe(asked);
    if (!now.ok) return null;
    const answers: Record<string, Observation> = Object.fromEntries(now.value);
    // Git is asked only where names have appeared that it may be told to ignore.
    const listed = Object.keys(reads).filter((path) => !isSameListing(reads[path], answers[path]));
    if (listed.length > 0) {
      const observer = await this.#observerWithoutIgnored();
      const again = await observer.observe(new Map(listed.map((path) => [path, asksOf(reads[path] ?? {})])));
      if (!again.ok) return null;
      for (const [path, seen] of again.value) answers[path] = seen;
      noteIgnoreRules(this.#session.host, this.#prepared.looks, observer.shortened);
    }
    return withReads(this.#session, work, answers);
  }

  async #observerWithoutIgnored(): Promise<Observer> {
    if (this.#withoutIgnored === null) {
      const leftOut = await leftOutOf(this.#session);
      const by = { ...this.#session, looks: this.#prepared.looks };
      this.#withoutIgnored = new Observer(by, (path) => leftOut.has(path));
    }
    return this.#withoutIgnored;
  }
}
