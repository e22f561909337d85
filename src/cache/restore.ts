/** Puts content where it is wanted: whole under a temporary name, then renamed, never written through a link. */
import { dirname } from 'node:path';
import type { Content, Extras, FileContent, TreeEntry } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { RestoreMode } from './cache.ts';
import { clearLeftTemporaries, isStillInside, makeParent, temporaryBeside } from './destination.ts';
import { BLOB_MTIME_MS, SMALL_BYTES } from './limits.ts';
import type { Soundness } from './soundness.ts';
import type { Store } from './store.ts';
import { decodeTree } from './tree.ts';

type FileParts = Pick<FileContent, 'digest' | 'sizeBytes' | 'executable' | keyof Extras>;

/**
 * A private file is dated back by this: whatever the clock's grain, a later write gives it another time, so that its
 * digest can be remembered at once.
 */
const BACKDATED_MS = 3_000;

/** How content is put somewhere. */
export interface Making {
  readonly mode: RestoreMode;
  /** When a file or link was last written, by its path below the content and what it holds. */
  readonly dated: (below: string, holds: string) => number;
  /** Hears of every private file with what it holds, by its path below the content. */
  readonly onFile: (below: string, file: FileParts) => void;
}

/** See `Cache.restore`. `onPlaced` hears of every private file with what it holds. */
export async function restoreContent(
  store: Store,
  soundness: Soundness,
  request: {
    readonly content: Content;
    readonly to: string;
    readonly mode: RestoreMode;
    readonly root: string | null;
  },
  onPlaced: (path: string, content: FileParts) => void,
): Promise<Result<void, Failure>> {
  const { files, clock } = store.host;
  const { content, to, mode, root } = request;
  const parent = dirname(to);
  const made = await makeParent(files, root, to);
  if (!made.ok) return made;
  if (mode === 'private') await clearLeftTemporaries(store.host, parent);

  // Nobody looks for a stage's input before the stage begins; and a rename would change the ctime of a linked blob.
  const isDirect = mode === 'shared' && files.stamp(to) === null;
  const temporary = isDirect ? to : temporaryBeside(store.host, to);
  const placed: [string, FileParts][] = [];
  const built = await makeContent(store, soundness, content, temporary, {
    mode,
    dated: () => clock.nowMs() - BACKDATED_MS,
    onFile: (below, file) => placed.push([below, file]),
  });
  const inside = built.ok ? isStillInside(files, root, to) : built;
  const swapped = inside.ok && !isDirect ? await swapIn(store, temporary, to) : inside;
  if (!swapped.ok) {
    await files.remove(temporary);
    return swapped;
  }
  if (mode === 'shared') await soundness.links.settle();
  for (const [below, file] of placed) onPlaced(`${to}${below}`, file);
  return ok(undefined);
}

/** Makes the content at a path that is free. */
export async function makeContent(
  store: Store,
  soundness: Soundness,
  content: Content,
  at: string,
  making: Making,
): Promise<Result<void, Failure>> {
  if (content.type === 'file') return placeFile(store, soundness, content, { at, below: '', making });
  const entries = content.type === 'tree' ? await treeOf(soundness, content) : numbered(content.layers);
  if (entries === null) return fail({ code: 'blob-missing', digest: content.digest });
  const [first] = entries;
  const own = first?.type === 'directory' && first.path === '' ? first : {};
  const made = await makeOwnDirectory(store, at, own);
  if (!made.ok) return made;
  // Sorted, so that parents come first; and none of them is a link (see cache/tree).
  for (const entry of entries) {
    if (entry.path === '') continue;
    const placed = await makeEntry(store, soundness, entry, at, making);
    if (!placed.ok) return placed;
  }
  return making.mode === 'shared' ? dateDirectories(store, at, entries) : ok(undefined);
}

/** What a stage is given must not tell when it was put there: a blob does not, nor do the directories around it. */
async function dateDirectories(
  { host }: Store,
  at: string,
  entries: readonly TreeEntry[],
): Promise<Result<void, Failure>> {
  for (const entry of entries) {
    if (entry.type !== 'directory' || entry.path === '') continue;
    const dated = await host.files.setModified(`${at}/${entry.path}`, BLOB_MTIME_MS);
    if (!dated.ok) return dated;
  }
  return host.files.setModified(at, BLOB_MTIME_MS);
}

async function makeEntry(
  store: Store,
  soundness: Soundness,
  entry: TreeEntry,
  at: string,
  making: Making,
): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const path = `${at}/${entry.path}`;
  const below = `/${entry.path}`;
  if (entry.type === 'directory') return makeOwnDirectory(store, path, entry);
  if (entry.type === 'file') {
    const isLinked = entry.sameAs !== undefined && (await files.link(`${at}/${entry.sameAs}`, path)).ok;
    return isLinked ? ok(undefined) : placeFile(store, soundness, entry, { at: path, below, making });
  }
  const linked = await files.symlink(entry.target, path);
  if (!linked.ok) return linked;
  if (making.mode === 'shared') return files.setModified(path, BLOB_MTIME_MS);
  return files.setModified(path, making.dated(below, linkHolds(entry.target)));
}

/** What a link holds, where a file has a digest. */
export function linkHolds(target: string): string {
  return `link:${target}`;
}

/** A new directory with what is kept of one. */
async function makeOwnDirectory(store: Store, path: string, extras: Extras): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const made = await files.makeDirectory(path);
  return made.ok ? withExtras(store, path, extras) : made;
}

/** Gives a file or directory that was just made the bits and attributes that are kept of it. */
async function withExtras(
  { host }: Store,
  path: string,
  { private: isPrivate, special = 0, attributes }: Extras,
): Promise<Result<void, Failure>> {
  if (attributes !== undefined && !(await host.attributes.write(path, attributes)))
    return fail({ code: 'file-trouble', action: 'set the extended attributes of', path, errno: 'EPERM' });
  if (isPrivate === undefined && special === 0) return ok(undefined);
  const mode = (host.files.stamp(path)?.mode ?? 0) & (isPrivate ? 0o700 : 0o777);
  return host.files.chmod(path, mode | (special << 9));
}

/** Whether a file is as any other, so that it may share an inode with a blob. */
function isUsual({ private: isPrivate, special, attributes }: Extras): boolean {
  return isPrivate === undefined && special === undefined && attributes === undefined;
}

async function treeOf(soundness: Soundness, content: Content): Promise<readonly TreeEntry[] | null> {
  const bytes = await soundness.readSmall(content.digest);
  return bytes === null ? null : decodeTree(Buffer.from(bytes).toString('utf8'));
}

/** Layers become a directory of numbered files, lowest first. */
function numbered(layers: readonly Pick<FileParts, 'digest' | 'sizeBytes'>[]): readonly TreeEntry[] {
  return layers.map(({ digest, sizeBytes }, at) => ({
    path: String(at),
    type: 'file',
    digest,
    sizeBytes,
    executable: false,
  }));
}

interface Place {
  readonly at: string;
  readonly below: string;
  readonly making: Making;
}

async function placeFile(
  store: Store,
  soundness: Soundness,
  file: FileParts,
  place: Place,
): Promise<Result<void, Failure>> {
  const small = file.sizeBytes <= SMALL_BYTES;
  const bytes = small ? await soundness.readSmall(file.digest) : null;
  if (small ? bytes === null : !(await soundness.isSound(file.digest, file.sizeBytes)))
    return fail({ code: 'blob-missing', digest: file.digest });
  const { path } = store.locate(file.digest);
  return place.making.mode === 'shared'
    ? shareFile(store, soundness, file, place.at)
    : ownFile(store, file, bytes ?? path, place);
}

/** Puts a blob where a stage reads it. */
async function shareFile(
  store: Store,
  soundness: Soundness,
  file: FileParts,
  to: string,
): Promise<Result<void, Failure>> {
  const { files } = store.host;
  // What is not usual of a file belongs to its inode.
  if (isUsual(file)) return soundness.links.put(file, to);
  const mode = (file.executable ? 0o555 : 0o444) & (file.private ? 0o700 : 0o777);
  // Attributes are set by who may write.
  const copied = await files.copyFile(store.locate(file.digest).path, to, 0o600);
  const done = copied.ok ? await withExtras(store, to, file) : copied;
  const closed = done.ok ? await files.chmod(to, mode | ((file.special ?? 0) << 9)) : done;
  return closed.ok ? files.setModified(to, BLOB_MTIME_MS) : closed;
}

/** Makes a file of the user's own; nobody else may read a private one while it is being made either. */
async function ownFile(
  store: Store,
  file: FileParts,
  source: Uint8Array | string,
  { at: to, below, making }: Place,
): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const mode = (file.executable ? 0o777 : 0o666) & (file.private ? 0o700 : 0o777);
  const written =
    typeof source === 'string'
      ? await files.copyFile(source, to, mode)
      : await files.writeFile(to, source, { mode, lessUmask: true });
  const done = written.ok && !isUsual(file) ? await withExtras(store, to, file) : written;
  if (!done.ok) return done;
  making.onFile(below, file);
  return files.setModified(to, making.dated(below, file.digest));
}

/** Renames into place; what was there (a directory too) is gone afterwards. A link there is replaced, not followed. */
async function swapIn(store: Store, from: string, to: string): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const existing = files.stamp(to);
  const directories = existing?.type === 'directory' || files.stamp(from)?.type === 'directory';
  if (existing === null || !directories) return files.rename(from, to);
  const old = temporaryBeside(store.host, to);
  const aside = await files.rename(to, old);
  if (!aside.ok) return aside;
  const moved = await files.rename(from, to);
  if (!moved.ok) {
    await files.rename(old, to);
    return moved;
  }
  return files.remove(old);
}
