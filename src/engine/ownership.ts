/** What in a checkout is of bake's own making: what it wrote down that it put there, what bears its mark, and what is byte for byte what it made. */
import type { Piece } from '../cache/place.ts';
import type { Stamp } from '../host/host.ts';
import type { CheckoutState, PlacedFile } from '../incremental/state.ts';
import { isMarked, linkHolds } from '../model/placed-mark.ts';
import type { PlannedAction } from '../model/plan.ts';
import { isStat, sameStat } from '../model/stat-record.ts';
import { piecesOf } from './pieces.ts';
import type { Session } from './session.ts';

/** So often a file is looked at that changes while it is. */
const MOST_LOOKS = 4;

/** By path, what the state of a checkout says was placed. */
interface Records {
  readonly files: ReadonlyMap<string, PlacedFile>;
  readonly directories: ReadonlySet<string>;
}

const records = new WeakMap<CheckoutState, Records>();

/** Files and directories that some run put there and wrote down, whichever stage they were of. */
export function recordsOf(state: CheckoutState): Records {
  const known = records.get(state);
  if (known !== undefined) return known;
  const outputs = Object.values(state.actions).flatMap(({ placed }) => Object.values(placed));
  const made = {
    files: new Map(outputs.flatMap(({ files }) => files.map((file) => [file[0], file] as const))),
    directories: new Set(outputs.flatMap(({ directories }) => directories ?? [])),
  };
  records.set(state, made);
  return made;
}

/** Tells what is ours at the paths of one output. */
export class Ownership {
  readonly #session: Session;
  readonly #action: PlannedAction;
  readonly #output: string;
  readonly #records: Records;
  #earlier: Promise<ReadonlyMap<string, Piece>> | null = null;
  #newest: Promise<ReadonlyMap<string, Piece>> | null = null;

  constructor(session: Session, action: PlannedAction, output: string) {
    this.#session = session;
    this.#action = action;
    this.#output = output;
    this.#records = recordsOf(session.state);
  }

  /** Whether a file or link is as bake left it, so that nobody loses anything with it. Another run in this checkout may replace it meanwhile: what lies there then is looked at. */
  async isOwn(path: string, stamp: Stamp): Promise<boolean> {
    const { looks, host } = this.#session;
    let seen = stamp;
    for (let count = 1; ; count++) {
      if (await this.#isOwnAsSeen(path, seen)) return true;
      const now = host.files.stamp(looks.absolute(path));
      if (now === null || sameStat(now, seen) || count === MOST_LOOKS) return now === null;
      seen = now;
    }
  }

  async #isOwnAsSeen(path: string, stamp: Stamp): Promise<boolean> {
    const record = this.#records.files.get(path);
    if (record !== undefined && isStat(record, 1, stamp)) return true;
    const holds = await this.holdsAt(path, stamp);
    if (holds === null) return false;
    const { hashing } = this.#session.host;
    if (isMarked(stamp.mtimeMs, path, holds, (text) => hashing.digestBytes(text))) return true;
    return (
      (record !== undefined && holdsOf((await this.earlier()).get(path)) === holds) ||
      // Killed before it wrote anything down, on a file system without a place for marks.
      holdsOf((await this.#latest()).get(path)) === holds
    );
  }

  /** Whether bake put something there once, whatever became of it. */
  async wasPlaced(path: string): Promise<boolean> {
    const { files, directories } = this.#records;
    return files.has(path) || directories.has(path) || (await this.earlier()).has(path);
  }

  /** What a file or link holds; null for all else, and for what cannot be read. */
  async holdsAt(path: string, stamp: Stamp): Promise<string | null> {
    const { looks, host, cache } = this.#session;
    const place = looks.absolute(path);
    if (stamp.type === 'link') {
      const target = host.files.readLink(place);
      return target.ok ? linkHolds(target.value) : null;
    }
    const digest = stamp.type === 'file' ? await cache.digestOf(place) : null;
    return digest?.ok ? digest.value.digest : null;
  }

  /** The pieces of what this output was when it was placed last, by path. */
  earlier(): Promise<ReadonlyMap<string, Piece>> {
    const last = this.#session.state.actions[this.#action.name];
    this.#earlier ??= this.#piecesIn(last);
    return this.#earlier;
  }

  /** The same of the newest result, whoever made it. */
  #latest(): Promise<ReadonlyMap<string, Piece>> {
    const { cache, plan } = this.#session;
    this.#newest ??= cache.actions
      .latest(plan.name, this.#action.name)
      .then((latest) => this.#piecesIn(latest ?? undefined));
    return this.#newest;
  }

  async #piecesIn(
    of: Pick<CheckoutState['actions'][string], 'artifacts'> | undefined,
  ): Promise<ReadonlyMap<string, Piece>> {
    const artifact = of?.artifacts.find(({ name }) => name === this.#output);
    if (artifact === undefined) return new Map();
    const known = this.#session.state.actions[this.#action.name]?.placed[this.#output];
    const pieces = await piecesOf(this.#session, artifact, known);
    return new Map((pieces ?? []).map((piece) => [piece.path, piece]));
  }
}

/** What a piece holds, as `holdsAt` tells it. */
export function holdsOf(piece: Piece | undefined): string | undefined {
  if (piece?.type === 'file') return piece.digest;
  return piece?.type === 'link' ? linkHolds(piece.target) : undefined;
}
