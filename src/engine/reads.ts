/** What a watched action read, once it has ended well: held against the checkout before it is believed. See docs/design/traces.md. */
import { dirname } from 'node:path';
import { writtenDirectory } from '../incremental/state.ts';
import type { ManifestInput } from '../model/action.ts';
import type { Failure } from '../model/failure.ts';
import type { HiddenReason } from '../model/failure-stage.ts';
import { byCodeUnit } from '../model/json.ts';
import { type Asks, isOfKernel, LINKED, moreAsks, type Observation, STATTED } from '../model/observation.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { sameStat } from '../model/stat-record.ts';
import type { ReadTrace, StageReturn } from '../stages/kind.ts';
import { SOURCE_TIME_MS } from './environment.ts';
import { directoriesOf } from './links.ts';
import { Observer } from './observer.ts';
import type { Prepared } from './prepare.ts';
import { noteIgnoreRules } from './project-view.ts';
import type { Session } from './session.ts';
import type { Places } from './staging.ts';
import type { Reads } from './traced.ts';
import { everything, type TakenView } from './traced-run.ts';

const PRIVATE = 0o700;
/** Nothing can be at a longer one: whoever asks takes a text for a path. */
const LONGEST_PATH = 4_096;

/** What an action that ended well has read, and what it wrote where nobody would see it. */
export interface AfterWatch {
  readonly reads: Reads;
  /** Whether it made or changed files of its project: they are no part of its result, which is therefore not kept. */
  readonly unkept: boolean;
}

/** Of a watched action. What it wrote into its copy of the project is moved to where the user finds it, and told. */
export async function afterWatch(
  session: Session,
  { left, ...ended }: Omit<Ended, 'trace'> & { readonly left: StageReturn },
): Promise<Result<AfterWatch, Failure>> {
  const { action } = ended.prepared;
  if (left.reads === undefined) throw new Error(`${action.kind} has a view and does not say what it read`);
  const isCopy = ended.places.workspace !== session.plan.root;
  const outputs = action.outputs.map(({ path }) => path);
  const written = isCopy ? writtenFiles(session, { ...ended, outputs }) : ok([]);
  if (!written.ok) return written;
  const reads = await readsOf(session, { ...ended, trace: left.reads });
  if (!reads.ok) return reads;
  const kept = await keepWritten(session, ended, written.value);
  return kept.ok ? ok({ reads: reads.value, unkept: written.value.length > 0 }) : kept;
}

async function keepWritten(
  session: Session,
  { prepared: { action }, places }: Pick<Ended, 'prepared' | 'places'>,
  written: readonly string[],
): Promise<Result<void, Failure>> {
  const { files } = session.host;
  const directory = writtenDirectory(session.checkoutDirectory, action.name);
  const emptied = await files.remove(directory);
  if (!emptied.ok || written.length === 0) return emptied;
  for (const path of written) {
    const to = `${directory}/${path}`;
    const parent = await files.makeDirectory(dirname(to), PRIVATE);
    if (!parent.ok) return parent;
    const from = `${places.workspace}/${path}`;
    // What is gone cannot be kept; that it is, is told.
    if (files.stamp(from) === null) continue;
    const moved = await files.rename(from, to);
    // The private state may lie on another file system.
    const kept = moved.ok ? moved : await files.copyFile(from, to);
    if (!kept.ok) return kept;
  }
  session.emit({
    type: 'warning',
    warning: { code: 'wrote-into-project', stage: action.name, files: written, directory },
  });
  return ok(undefined);
}

/** A finished run of a watched action. */
interface Ended {
  readonly prepared: Prepared;
  readonly view: TakenView;
  readonly places: Places;
  readonly trace: ReadTrace;
}

/**
 * What the action read, in the terms of the checkout. A failure where that has changed meanwhile, or where the action looked
 * for what lies in the checkout and could not see it: run there by hand, it would have done something else.
 */
async function readsOf(session: Session, ended: Ended): Promise<Result<Reads, Failure>> {
  const { prepared, view } = ended;
  const by = { ...session, looks: prepared.looks };
  const observer = new Observer(by, (path) => view.leftOut.has(path));
  const asked = askedOf(session, ended, observer);
  const seen = await observer.observe(asked);
  if (!seen.ok) return seen;
  noteIgnoreRules(session.host, prepared.looks, observer.shortened);
  const judge = new Judge(session, view, observer);
  for (const [path, observation] of seen.value) judge.hear(path, observation);
  const { stage, location } = prepared.action;
  if (judge.changed.size > 0) return fail({ code: 'input-changed', files: sorted(judge.changed) });
  // In the checkout itself nothing is hidden.
  if (judge.hidden.size > 0 && ended.places.workspace !== session.plan.root) {
    const files = [...judge.hidden].map(([path, reason]) => ({ path, reason }));
    return fail({ code: 'read-hidden', stage, files, location });
  }
  return ok(Object.fromEntries([...seen.value].sort(([a], [b]) => byCodeUnit(a, b))));
}

function askedOf(
  session: Session,
  { prepared, view, places, trace }: Ended,
  observer: Observer,
): ReadonlyMap<string, Asks> {
  const asked = new Map<string, Asks>();
  const ask = (path: string, asks: Asks) => asked.set(path, moreAsks(asks, asked.get(path)));
  const { files } = session.host;
  const real = files.realPath(places.workspace) ?? places.workspace;
  // Beside its own place lie those of other actions of this run: the machine that it works on, its key, its socket.
  const around = dirname(places.own);
  const own = [around, files.realPath(around) ?? around];
  for (const [path, asks] of trace.lookups) {
    const place = inCheckout(path, [places.workspace, real], own, session.plan.root);
    if (place === null) continue;
    const { key, links } = observer.locate(place);
    if (isOfKernel(key) || key.length > LONGEST_PATH) continue;
    for (const link of links) ask(link, LINKED);
    ask(key, asks);
  }
  for (const path of prepared.view?.looked ?? []) ask(path, STATTED);
  if (trace.untraced.length > 0) for (const [path, asks] of everything(view, session)) ask(path, asks);
  return asked;
}

/** Where in the checkout lies what was asked for in the workspace; null for what has nothing to do with it. */
function inCheckout(
  path: string,
  workspaces: readonly string[],
  own: readonly string[],
  root: string,
): string | null {
  for (const workspace of workspaces) {
    if (path === workspace) return root;
    const below = path.startsWith(`${workspace}/`) ? path.slice(workspace.length + 1) : null;
    if (below !== null) return below === '.bake' || below.startsWith('.bake/') ? null : `${root}/${below}`;
    // What lies above it is asked for whenever a path is resolved.
    if (workspace.startsWith(path === '/' ? '/' : `${path}/`)) return null;
  }
  return own.some((place) => path === place || path.startsWith(`${place}/`)) ? null : path;
}

/** Holds what is in the checkout now against what the action could see. */
class Judge {
  readonly changed = new Set<string>();
  readonly hidden = new Map<string, HiddenReason>();
  readonly #session: Session;
  readonly #view: TakenView;
  readonly #observer: Observer;
  /** Every directory in which there is something to be seen. */
  readonly #parents: ReadonlySet<string>;
  /** The names that could be seen in each of them. */
  readonly #namesTaken = new Map<string, string[]>();

  constructor(session: Session, view: TakenView, observer: Observer) {
    this.#session = session;
    this.#view = view;
    this.#observer = observer;
    this.#parents = directoriesOf([
      ...view.taken.inputs.keys(),
      ...[...view.directories].map((path) => `${path}/.`),
    ]);
    for (const path of [...view.taken.inputs.keys(), ...view.directories]) {
      if (path === '.' || path.startsWith('/')) continue;
      const slash = path.lastIndexOf('/');
      const directory = slash < 0 ? '.' : path.slice(0, slash);
      const names = this.#namesTaken.get(directory) ?? [];
      this.#namesTaken.set(directory, names);
      names.push(path.slice(slash + 1));
    }
  }

  hear(path: string, observation: Observation): void {
    if (path.startsWith('/')) return;
    const { digest, entries } = observation;
    if (observation.is === 'other') {
      this.hidden.set(path, 'special');
      return;
    }
    const isThere = this.#observer.has(path);
    if (this.#isApart(path)) {
      this.hidden.set(path, 'output');
    } else if (isThere !== this.#isSeen(path)) {
      this.#tellDifference(path, isThere);
    } else if (isThere) {
      if (!this.#isAsTaken(path)) this.changed.add(path);
      const end = this.#observer.endOf(path);
      if (end === null || end.startsWith('/')) return;
      if (!this.#isSeen(end)) this.#tellDifference(end, true);
      else if (!this.#isAsTaken(end)) this.changed.add(end);
      else if (digest !== undefined) this.#compare(end, digest);
      else if (entries !== undefined) this.#compareNames(end);
    }
  }

  #isSeen(path: string): boolean {
    const { taken, directories } = this.#view;
    return path === '.' || taken.inputs.has(path) || directories.has(path) || this.#parents.has(path);
  }

  #isApart(path: string): boolean {
    return ancestors(path).some((one) => this.#session.looks.isApart(one));
  }

  #tellDifference(path: string, isThere: boolean): void {
    const reason = isThere ? this.#whyHidden(path) : null;
    if (reason === null) this.changed.add(path);
    else this.hidden.set(path, reason);
  }

  /** Null for what should have been seen: it came later. */
  #whyHidden(path: string): HiddenReason | null {
    const above = ancestors(path);
    if (above.some((one) => this.#session.looks.isApart(one))) return 'output';
    const [reason] = above.flatMap((one) => this.#view.leftOut.get(one) ?? []);
    if (reason !== undefined) return reason;
    return this.#view.directories.has('.') || above.slice(1).some((one) => this.#view.directories.has(one))
      ? null
      : 'outside';
  }

  /** By stamps: what was changed and changed back may have been seen as it was in between. */
  #isAsTaken(path: string): boolean {
    const { host, looks } = this.#session;
    const { taken, files } = this.#view;
    const now = host.files.stamp(looks.absolute(path));
    const then = files.get(path) ?? taken.stamps.get(path);
    return then === undefined ? now?.type === 'directory' : sameStat(now, then);
  }

  /** A stamp may be the same after another write. */
  #compare(path: string, digest: string): void {
    const taken: ManifestInput | undefined = this.#view.taken.inputs.get(path);
    if (taken === undefined || 'link' in taken || taken.digest !== digest) this.changed.add(path);
  }

  #compareNames(path: string): void {
    const prefix = path === '.' ? '' : `${path}/`;
    const names = new Set(this.#observer.namesIn(path));
    for (const name of names) {
      const below = prefix + name;
      if (!this.#isSeen(below) && !this.#isSpecial(below)) this.#tellDifference(below, true);
    }
    for (const name of this.#namesTaken.get(path) ?? [])
      if (!names.has(name) && !this.#view.leftOut.has(prefix + name)) this.changed.add(prefix + name);
  }

  #isSpecial(path: string): boolean {
    return this.#session.host.files.stamp(this.#session.looks.absolute(path))?.type === 'other';
  }
}

/** A path and all above it, itself first. */
function ancestors(path: string): readonly string[] {
  const found = [path];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    found.push(path.slice(0, end));
  return found;
}

function sorted(paths: Iterable<string>): readonly string[] {
  return [...paths].sort(byCodeUnit);
}

/** Files in the workspace that a watched action made, changed or removed, besides its outputs. Relative to it, sorted. */
function writtenFiles(
  session: Session,
  {
    places,
    view,
    outputs,
  }: { readonly places: Places; readonly view: TakenView; readonly outputs: readonly string[] },
): Result<readonly string[], Failure> {
  const surveyed = session.host.files.survey(places.workspace, { unlock: false });
  if (!surveyed.ok) return surveyed;
  const isOwn = (path: string) =>
    path === '.bake' ||
    path.startsWith('.bake/') ||
    outputs.some((output) => path === output || path.startsWith(`${output}/`));
  const written = surveyed.value.filter(({ path, stamp }) => {
    if (stamp.type === 'directory' || isOwn(path)) return false;
    return !view.taken.inputs.has(path) || stamp.mtimeMs !== SOURCE_TIME_MS;
  });
  const there = new Set(surveyed.value.map(({ path }) => path));
  const gone = [...view.taken.inputs.keys()].filter((path) => !path.startsWith('/') && !there.has(path));
  return ok(sorted([...written.map(({ path }) => path), ...gone]));
}
