/** Puts content into a checkout piece by piece, each whole under a temporary name first, and only over what was seen there before. */
import { dirname } from 'node:path';
import type { Files, Stamp } from '../host/host.ts';
import type { Content, Extras } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { linkHolds, markedTime } from '../model/placed-mark.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { sameStat } from '../model/stat-record.ts';
import { clearLeftTemporaries, isStillInside, makeParent, temporaryBeside } from './destination.ts';
import { moveAside } from './keep-aside.ts';
import { type FileParts, makeContent, makeOwnDirectory, makeOwnFile } from './make-content.ts';
import type { Soundness } from './soundness.ts';
import type { Store } from './store.ts';

/** A file, a link or a directory of an output; `path` is relative to the checkout. */
export type Piece = { readonly path: string } & (
  | ({ readonly type: 'file'; readonly sameAs?: string } & FileParts)
  | { readonly type: 'link'; readonly target: string }
  | ({ readonly type: 'directory' } & Extras)
);

/** A piece that is not there as it should be, and what was seen in its place. */
export interface Step {
  readonly piece: Piece;
  /** Null where nothing was. */
  readonly seen: Stamp | null;
  /** `replace`: it is nobody's loss. `aside`: it is moved where the user finds it. */
  readonly over: 'replace' | 'aside';
}

/** What is to be put into a checkout. */
export interface PlaceRequest {
  /** Absolute directory of the checkout. */
  readonly root: string;
  /** Of the output, relative to it. */
  readonly path: string;
  readonly content: Content;
  /** Each directory before what is in it. */
  readonly steps: readonly Step[];
  /** Files, links and directories that bake put there once and that are no part of it any more, deepest first, as they were seen. */
  readonly stale: readonly { readonly path: string; readonly seen: Stamp }[];
  /** Makes one file of content that is made of layers. */
  readonly flatten: (to: string) => Promise<Result<void, Failure>>;
}

export interface Placed {
  /** Where what was changed lies now, by where it lay. */
  readonly aside: ReadonlyMap<string, string>;
  /** What turned up meanwhile in the place of a piece; then not all was put there. */
  readonly inTheWay: readonly string[];
  /** Of each piece, taken as soon as it was there. */
  readonly stamps: ReadonlyMap<string, Stamp>;
  /** Layers as one file. */
  readonly flat: FileParts | null;
}

/** See `Cache.place`. `remember` hears of each file that was put there. */
export async function placeContent(
  store: Store,
  soundness: Soundness,
  request: PlaceRequest,
  remember: (stamp: Stamp, digest: Digest) => Promise<void>,
): Promise<Result<Placed, Failure>> {
  const { files } = store.host;
  const to = `${request.root}/${request.path}`;
  const made = await makeParent(files, request.root, to);
  if (!made.ok) return made;
  await clearLeftTemporaries(store.host, dirname(to));
  const temporary = temporaryBeside(store.host, to);
  // Nobody looks into what is not complete: a private file is in it before it has its own mode.
  const room = await files.makeDirectory(temporary, 0o700);
  if (!room.ok) return room;
  const placed = await placeFrom(temporary);
  // A checkout in which everything is as it should be is not cleared up by a later run: it is done here, or told.
  const cleared = await files.remove(temporary);
  const again = cleared.ok ? cleared : await files.remove(temporary);
  return placed.ok && !again.ok ? again : placed;

  async function placeFrom(place: string): Promise<Result<Placed, Failure>> {
    const prepared = await prepareAll(store, soundness, request, place);
    if (!prepared.ok) return prepared;
    const inside = isStillInside(files, request.root, to);
    if (!inside.ok) return inside;
    return await putAll(store, request, prepared.value, remember);
  }
}

interface Ready {
  /** Where each piece lies that is not there yet, but for directories. */
  readonly at: ReadonlyMap<Step, string>;
  readonly whole: string | null;
  readonly flat: FileParts | null;
}

/** Makes everything beside where it belongs: what cannot be made leaves the checkout as it is. */
async function prepareAll(
  store: Store,
  soundness: Soundness,
  { path, content, steps, flatten }: PlaceRequest,
  temporary: string,
): Promise<Result<Ready, Failure>> {
  const { files } = store.host;
  const dated = datedBy(store);
  const whole = `${temporary}/whole`;
  if (content.type === 'layers') {
    const made = await flatten(whole);
    const hashed = made.ok ? await store.host.hashing.digestFile(whole) : made;
    if (!hashed.ok) return hashed;
    const marked = await files.setModified(whole, dated(path, hashed.value.digest));
    return marked.ok ? ok({ at: new Map(), whole, flat: { ...hashed.value, executable: false } }) : marked;
  }
  if (steps[0]?.piece.path === path && !isSameDirectory(steps[0])) {
    const made = await makeContent(store, soundness, content, whole, {
      mode: 'private',
      dated: (below, holds) => dated(`${path}${below}`, holds),
    });
    return made.ok ? ok({ at: new Map(), whole, flat: null }) : made;
  }
  const at = new Map<Step, string>();
  for (const step of steps) {
    const { piece } = step;
    if (piece.type === 'directory') continue;
    const place = `${temporary}/${at.size}`;
    at.set(step, place);
    const made =
      piece.type === 'file'
        ? await makeOwnFile(store, soundness, piece, place, dated(piece.path, piece.digest))
        : await makeLink(files, piece.target, place, dated(piece.path, linkHolds(piece.target)));
    if (!made.ok) return made;
  }
  return ok({ at, whole: null, flat: null });
}

/** A directory that is there and only has another mode. */
function isSameDirectory({ piece, seen }: Step): boolean {
  return piece.type === 'directory' && seen?.type === 'directory';
}

/** The time of a file or link that bears the mark of bake. */
function datedBy({ host }: Store): (path: string, holds: string) => number {
  const nowMs = host.clock.nowMs();
  return (path, holds) => markedTime(nowMs, path, holds, (text) => host.hashing.digestBytes(text));
}

async function makeLink(
  files: Files,
  target: string,
  place: string,
  dated: number,
): Promise<Result<void, Failure>> {
  const linked = await files.symlink(target, place);
  return linked.ok ? files.setModified(place, dated) : linked;
}

/** Moves what is ready to its place, looking once more at what is there. */
async function putAll(
  store: Store,
  request: PlaceRequest,
  ready: Ready,
  remember: (stamp: Stamp, digest: Digest) => Promise<void>,
): Promise<Result<Placed, Failure>> {
  const { root, steps, stale } = request;
  const { files } = store.host;
  const placed = { aside: new Map<string, string>(), stamps: new Map<string, Stamp>(), flat: ready.flat };
  for (const step of steps) {
    const { piece } = step;
    // The others came with the whole of it.
    if (ready.whole === null || piece.path === request.path) {
      const done = await putStep(store, root, step, ready, placed.aside);
      if (!done.ok && isTaken(done.failure)) return ok({ ...placed, inTheWay: [piece.path] });
      if (!done.ok) return done;
    }
    const stamp = files.stamp(`${root}/${piece.path}`);
    if (stamp === null) continue;
    placed.stamps.set(piece.path, stamp);
    const digest = ready.flat?.digest ?? (piece.type === 'file' ? piece.digest : null);
    if (digest !== null) await remember(stamp, digest);
  }
  for (const one of stale) await removeStale(files, root, one);
  return ok({ ...placed, inTheWay: [] });
}

/** Only as it was seen, and a directory only when nothing is left in it. */
async function removeStale(
  files: Files,
  root: string,
  { path, seen }: PlaceRequest['stale'][number],
): Promise<void> {
  const place = `${root}/${path}`;
  if (seen.type === 'directory') await files.removeEmpty(place);
  else if (sameStat(seen, files.stamp(place))) await files.remove(place);
}

async function putStep(
  store: Store,
  root: string,
  step: Step,
  ready: Ready,
  aside: Map<string, string>,
): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const { piece, seen } = step;
  const place = `${root}/${piece.path}`;
  const source = ready.whole ?? ready.at.get(step) ?? null;
  if (!sameStat(seen, files.stamp(place)))
    return fail({ code: 'file-trouble', action: 'replace', path: place, errno: 'EEXIST' });
  const cleared =
    seen === null || isSameDirectory(step) ? ok(undefined) : await clear(store, root, step, aside, source);
  if (!cleared.ok) return cleared;
  if (source === null) return makeOwnDirectory(store, place, piece.type === 'directory' ? piece : {});
  return put(files, root, { piece, source, place, isFree: files.stamp(place) === null });
}

/** Something is there that was not a moment ago. */
const TAKEN = ['EEXIST', 'ENOTEMPTY', 'EISDIR', 'ENOTDIR'];

function isTaken(failure: Failure): boolean {
  return failure.code === 'file-trouble' && TAKEN.includes(failure.errno);
}

/** Takes away what is in the place of a piece, unless a rename does that in the same moment. */
async function clear(
  store: Store,
  root: string,
  { piece, seen, over }: Step,
  aside: Map<string, string>,
  source: string | null,
): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const place = `${root}/${piece.path}`;
  if (over === 'aside') {
    const moved = await moveAside(files, root, piece.path);
    if (moved.ok) aside.set(piece.path, moved.value);
    return moved.ok ? ok(undefined) : moved;
  }
  const isRenamedOver = source !== null && piece.type !== 'directory' && seen?.type !== 'directory';
  return isRenamedOver ? ok(undefined) : files.remove(place);
}

interface Putting {
  readonly piece: Piece;
  readonly source: string;
  readonly place: string;
  readonly isFree: boolean;
}

async function put(
  files: Files,
  root: string,
  { piece, source, place, isFree }: Putting,
): Promise<Result<void, Failure>> {
  if (piece.type === 'file' && piece.sameAs !== undefined) {
    const temporary = `${source}-same`;
    // Renamed onto another name of itself, a file would stay where it is.
    const linked = await files.link(`${root}/${piece.sameAs}`, temporary);
    if (linked.ok) return files.rename(temporary, place);
  }
  // A rename replaces what turned up in this moment; a link does not. Not every file system has links.
  if (isFree && piece.type === 'file') {
    const linked = await files.link(source, place);
    if (linked.ok) return files.remove(source);
    if (linked.failure.code === 'file-trouble' && linked.failure.errno === 'EEXIST')
      return fail(linked.failure);
  }
  return files.rename(source, place);
}
