/** Holds an artifact against what lies at its place in the checkout: what is as it should be, what may be replaced, and what is the user's. */
import type { Piece, Step } from '../cache/place.ts';
import type { Stamp } from '../host/host.ts';
import type { PlacedOutput } from '../incremental/state.ts';
import type { Artifact, Extras } from '../model/artifact.ts';
import type { PlannedAction } from '../model/plan.ts';
import { isStat } from '../model/stat-record.ts';
import { holdsOf, Ownership, recordsOf } from './ownership.ts';
import { piecesOf } from './pieces.ts';
import type { Session } from './session.ts';

/** Something of the user's where an output is to be. */
export interface Obstacle {
  readonly path: string;
  /** It was bake's once, and somebody changed it since. */
  readonly wasOurs: boolean;
}

/** What is known of an artifact's place. */
export interface Examination {
  readonly artifact: Artifact;
  readonly pieces: readonly Piece[];
  /** What must be put there; nothing where all is as it should be. */
  readonly steps: readonly Step[];
  readonly stale: readonly { readonly path: string; readonly seen: Stamp }[];
  readonly obstacles: readonly Obstacle[];
  /** Stamps of those pieces that are as they should be, from before they were looked at. */
  readonly stamps: ReadonlyMap<string, Stamp>;
  /** Why it is not as it should be; null when it is. */
  readonly reason: string | null;
}

const EXECUTABLE = 0o100;
const SPECIAL = 0o7000;
const OF_OTHERS = 0o077;

/** Examines the place of an artifact; null when its tree is not in the cache. */
export async function examine(
  session: Session,
  action: PlannedAction,
  artifact: Artifact,
): Promise<Examination | null> {
  const known = session.state.actions[action.name]?.placed[artifact.name];
  const pieces = await piecesOf(session, artifact, known);
  if (pieces === null) return null;
  return new Examiner(session, action, artifact, known).examine(pieces);
}

class Examiner {
  readonly #session: Session;
  readonly #action: PlannedAction;
  readonly #artifact: Artifact;
  readonly #known: PlacedOutput | undefined;
  readonly #own: Ownership;
  readonly #steps: Step[] = [];
  readonly #obstacles: Obstacle[] = [];
  readonly #stamps = new Map<string, Stamp>();
  /** Directories below which nothing is worth looking at: they are not there, or will be others. */
  readonly #gone = new Set<string>();

  constructor(session: Session, action: PlannedAction, artifact: Artifact, known: PlacedOutput | undefined) {
    this.#session = session;
    this.#action = action;
    this.#artifact = artifact;
    this.#known = known;
    this.#own = new Ownership(session, action, artifact.name);
  }

  async examine(pieces: readonly Piece[]): Promise<Examination> {
    const { path, content } = this.#artifact;
    const { files } = this.#session.host;
    // Which file layers make is known when they were made into one.
    const wanted: readonly Piece[] =
      pieces.length > 0 || content.type !== 'layers'
        ? pieces
        : [{ path, type: 'file', digest: content.digest, sizeBytes: -1, executable: false }];
    for (const piece of wanted) {
      const isGone = this.#gone.has(parentOf(piece.path));
      const seen = isGone ? null : files.stamp(this.#session.looks.absolute(piece.path));
      if (seen === null) this.#miss(piece, null, 'replace');
      else await this.#look(piece, seen);
    }
    const stale = content.type === 'tree' && !this.#gone.has(path) ? await this.#staleIn(path, wanted) : [];
    const isAsItShouldBe = this.#steps.length + this.#obstacles.length + stale.length === 0;
    return {
      artifact: this.#artifact,
      pieces: wanted,
      steps: this.#steps,
      stale,
      obstacles: this.#obstacles,
      stamps: this.#stamps,
      reason: isAsItShouldBe ? null : this.#reason(),
    };
  }

  #reason(): string {
    const { path, content } = this.#artifact;
    if (this.#session.host.files.stamp(this.#session.looks.absolute(path)) === null)
      return `${path} was missing`;
    return this.#known?.digest === content.digest
      ? `${path} was changed by somebody else`
      : `${path} held something else`;
  }

  #miss(piece: Piece, seen: Stamp | null, over: Step['over']): void {
    if (piece.type === 'directory') this.#gone.add(piece.path);
    this.#steps.push({ piece, seen, over });
  }

  /** Decides about a piece in the place of which something lies. */
  async #look(piece: Piece, seen: Stamp): Promise<void> {
    if (await this.#isThere(piece, seen)) this.#stamps.set(piece.path, seen);
    // Only its mode or attributes are others; what is in it is looked at for itself.
    else if (piece.type === 'directory' && seen.type === 'directory')
      this.#steps.push({ piece, seen, over: 'replace' });
    else if (await this.#isNobodysLoss(piece, seen)) this.#miss(piece, seen, 'replace');
    else {
      const wasOurs = await this.#own.wasPlaced(piece.path);
      if (wasOurs && isNothing(seen)) this.#miss(piece, seen, 'replace');
      else if (wasOurs && (await this.#isToBeMended(piece))) this.#miss(piece, seen, 'aside');
      else if (this.#mayReplace()) this.#miss(piece, seen, 'replace');
      else {
        this.#obstacles.push({ path: piece.path, wasOurs });
        if (piece.type === 'directory') this.#gone.add(piece.path);
      }
    }
  }

  /** Whoever says so wants the place for bake, whatever lies there. */
  #mayReplace(): boolean {
    const output = this.#action.outputs.find(({ name }) => name === this.#artifact.name);
    return this.#session.replace === true || output?.replace === true;
  }

  async #isThere(piece: Piece, seen: Stamp): Promise<boolean> {
    if (piece.type === 'directory') return seen.type === 'directory' && hasExtras(piece, seen, 0);
    if (piece.type !== seen.type) return false;
    if (piece.type === 'link') return (await this.#own.holdsAt(piece.path, seen)) === holdsOf(piece);
    const isAlike =
      seen.sizeBytes === piece.sizeBytes &&
      ((seen.mode & EXECUTABLE) !== 0) === piece.executable &&
      hasExtras(piece, seen, SPECIAL) &&
      (piece.sameAs === undefined || this.#stamps.get(piece.sameAs)?.inode === seen.inode);
    if (!isAlike) return false;
    if (!this.#session.verify && this.#known?.digest === this.#artifact.content.digest) {
      const record = recordsOf(this.#session.state).files.get(piece.path);
      if (record !== undefined && isStat(record, 1, seen)) return true;
    }
    return (await this.#own.holdsAt(piece.path, seen)) === piece.digest;
  }

  /** Whether what lies there is ours as we left it, holds the very bytes that are wanted, or holds nothing but such things. */
  async #isNobodysLoss(piece: Piece, seen: Stamp): Promise<boolean> {
    if (seen.type === 'directory') return this.#isOwnDirectory(piece.path);
    if (await this.#own.isOwn(piece.path, seen)) return true;
    return piece.type === seen.type && (await this.#own.holdsAt(piece.path, seen)) === holdsOf(piece);
  }

  async #isOwnDirectory(path: string): Promise<boolean> {
    if (!(await this.#own.wasPlaced(path))) return false;
    const { looks, host } = this.#session;
    const { entries, trouble } = host.files.walk(looks.absolute(path));
    if (trouble !== null) return false;
    for (const entry of entries) {
      const below = `${path}/${entry.path}`;
      const stamp = host.files.stamp(looks.absolute(below));
      if (stamp === null || stamp.type === 'directory') continue;
      if (!(await this.#own.isOwn(below, stamp))) return false;
    }
    return true;
  }

  /** Whether it is what bake had put there already: then it is put in order again, and nothing new comes in its place. */
  async #isToBeMended(piece: Piece): Promise<boolean> {
    if (this.#action.workspace === 'in-place' || this.#known?.digest === this.#artifact.content.digest)
      return true;
    const earlier = (await this.#own.earlier()).get(piece.path);
    return earlier !== undefined && earlier.type === piece.type && holdsOf(earlier) === holdsOf(piece);
  }

  /** What is ours in a directory and no part of it any more, deepest first. */
  async #staleIn(
    root: string,
    wanted: readonly Piece[],
  ): Promise<readonly { readonly path: string; readonly seen: Stamp }[]> {
    const { looks, host } = this.#session;
    const paths = new Set(wanted.map(({ path }) => path));
    const { directories } = recordsOf(this.#session.state);
    const stale: { path: string; seen: Stamp }[] = [];
    for (const { path: below, type } of host.files.walk(looks.absolute(root)).entries) {
      const path = `${root}/${below}`;
      if (paths.has(path) || this.#isBelowGone(path)) continue;
      const seen = host.files.stamp(looks.absolute(path));
      if (seen === null) continue;
      if (type === 'directory' ? directories.has(path) : await this.#own.isOwn(path, seen))
        stale.push({ path, seen });
    }
    return this.#withoutKept(stale.reverse());
  }

  /** A directory stays as long as something in it does. */
  #withoutKept(
    stale: readonly { readonly path: string; readonly seen: Stamp }[],
  ): readonly { readonly path: string; readonly seen: Stamp }[] {
    const { looks, host } = this.#session;
    const going = new Set<string>();
    for (const { path, seen } of stale) {
      const isLeft =
        seen.type === 'directory' &&
        host.files.list(looks.absolute(path)).names.some((name) => !going.has(`${path}/${name}`));
      if (!isLeft) going.add(path);
    }
    return stale.filter(({ path }) => going.has(path));
  }

  #isBelowGone(path: string): boolean {
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent))
      if (this.#gone.has(parent)) return true;
    return false;
  }
}

/** An empty file, a pipe, a socket: nobody loses anything with it. */
function isNothing(seen: Stamp): boolean {
  return seen.type === 'other' || (seen.type === 'file' && seen.sizeBytes === 0);
}

/** Whether what is private is so, and the bits asked for by `mask` are those that are wanted. */
function hasExtras({ private: isPrivate, special = 0 }: Extras, { mode }: Stamp, mask: number): boolean {
  return (isPrivate === undefined || (mode & OF_OTHERS) === 0) && (mode & mask) === ((special << 9) & mask);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
