/** Makes files, links and directories out of blobs, as a user's own or for a stage that reads them. */
import type { Content, Extras, FileContent, TreeEntry } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import { linkHolds } from '../model/placed-mark.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { RestoreMode } from './cache.ts';
import { BLOB_MTIME_MS, SMALL_BYTES } from './limits.ts';
import type { Soundness } from './soundness.ts';
import type { Store } from './store.ts';
import { decodeTree } from './tree.ts';

/** What bake and its stages run with; nothing has to be done for who has the same. */
const STAGE_UMASK = 0o022;

/** What makes a file. */
export type FileParts = Pick<FileContent, 'digest' | 'sizeBytes' | 'executable' | keyof Extras>;

/** How content is put somewhere. */
export interface Making {
  readonly mode: RestoreMode;
  /** When a file or link was last written, by its path below the content and what it holds. */
  readonly dated: (below: string, holds: string) => number;
  /** Hears of every private file with what it holds, by its path below the content. */
  readonly onFile?: (below: string, file: FileParts) => void;
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
  const made = await makeDirectory(store, at, own, making.mode);
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
  if (entry.type === 'directory') return makeDirectory(store, path, entry, making.mode);
  if (entry.type === 'file') {
    const isLinked = entry.sameAs !== undefined && (await files.link(`${at}/${entry.sameAs}`, path)).ok;
    return isLinked ? ok(undefined) : placeFile(store, soundness, entry, { at: path, below, making });
  }
  const linked = await files.symlink(entry.target, path);
  if (!linked.ok) return linked;
  if (making.mode === 'shared') return files.setModified(path, BLOB_MTIME_MS);
  return files.setModified(path, making.dated(below, linkHolds(entry.target)));
}

function makeDirectory(
  store: Store,
  path: string,
  extras: Extras,
  mode: RestoreMode,
): Promise<Result<void, Failure>> {
  return mode === 'private'
    ? makeOwnDirectory(store, path, extras)
    : makeSharedDirectory(store, path, extras);
}

/** A new directory of the user's own, with what is kept of one: his umask holds for it, which is not that of bake. */
export async function makeOwnDirectory(
  store: Store,
  path: string,
  extras: Extras,
): Promise<Result<void, Failure>> {
  const { files, userUmask } = store.host;
  const made = await files.makeDirectory(path);
  const opened =
    made.ok && userUmask !== STAGE_UMASK ? await files.chmod(path, (0o777 & ~userUmask) | 0o700) : made;
  return opened.ok ? withExtras(store, path, extras) : opened;
}

async function makeSharedDirectory(
  store: Store,
  path: string,
  extras: Extras,
): Promise<Result<void, Failure>> {
  const made = await store.host.files.makeDirectory(path);
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
  { at, below, making }: Place,
): Promise<Result<void, Failure>> {
  if (making.mode === 'private') {
    const made = await makeOwnFile(store, soundness, file, at, making.dated(below, file.digest));
    if (made.ok) making.onFile?.(below, file);
    return made;
  }
  const source = await sourceOf(store, soundness, file);
  return source === null
    ? fail({ code: 'blob-missing', digest: file.digest })
    : shareFile(store, soundness, file, at);
}

/** The verified bytes of a small blob, the path of a large one that is whole; null when there is none. */
async function sourceOf(
  store: Store,
  soundness: Soundness,
  { digest, sizeBytes }: FileParts,
): Promise<Uint8Array | string | null> {
  if (sizeBytes <= SMALL_BYTES) return soundness.readSmall(digest);
  return (await soundness.isSound(digest, sizeBytes)) ? store.locate(digest).path : null;
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

/** Makes a file of the user's own at a path that is free; nobody else may read a private one while it is being made either. */
export async function makeOwnFile(
  store: Store,
  soundness: Soundness,
  file: FileParts,
  to: string,
  mtimeMs: number,
): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const source = await sourceOf(store, soundness, file);
  if (source === null) return fail({ code: 'blob-missing', digest: file.digest });
  const mode = (file.executable ? 0o777 : 0o666) & (file.private ? 0o700 : 0o777);
  const written =
    typeof source === 'string'
      ? await files.copyFile(source, to, mode)
      : await files.writeFile(to, source, { mode, lessUmask: true });
  // Removed between the look and the copy: who asks for it has it made again.
  if (!written.ok && store.locate(file.digest).stamp === null)
    return fail({ code: 'blob-missing', digest: file.digest });
  const { userUmask } = store.host;
  const opened = written.ok && userUmask !== STAGE_UMASK ? await files.chmod(to, mode & ~userUmask) : written;
  const done = opened.ok && !isUsual(file) ? await withExtras(store, to, file) : opened;
  return done.ok ? files.setModified(to, mtimeMs) : done;
}
