/** Puts content where it is wanted: whole under a temporary name, then renamed, never written through a link. */
import { dirname } from 'node:path';
import type { Content, FileContent, TreeEntry } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { RestoreMode } from './cache.ts';
import { clearLeftTemporaries, isStillInside, makeParent, temporaryBeside } from './destination.ts';
import { BLOB_MTIME_MS, SMALL_BYTES, type Soundness } from './soundness.ts';
import type { Store } from './store.ts';
import { decodeTree } from './tree.ts';

type FileParts = Pick<FileContent, 'digest' | 'sizeBytes' | 'executable'>;

/**
 * A private file is dated back by this: whatever the clock's grain, a later write gives it another time, so that its
 * digest can be remembered at once.
 */
const BACKDATED_MS = 3_000;

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
  const { files } = store.host;
  const { content, to, mode, root } = request;
  const parent = dirname(to);
  const made = await makeParent(files, root, to);
  if (!made.ok) return made;
  if (mode === 'private') await clearLeftTemporaries(store.host, parent);

  const temporary = temporaryBeside(store.host, to);
  const placed: [string, FileParts][] = [];
  const built = await build(store, soundness, content, temporary, mode, (below, file) =>
    placed.push([below, file]),
  );
  const inside = built.ok ? isStillInside(files, root, to) : built;
  const swapped = inside.ok ? await swapIn(store, temporary, to) : inside;
  if (!swapped.ok) {
    await files.remove(temporary);
    return swapped;
  }
  for (const [below, file] of placed) onPlaced(`${to}${below}`, file);
  return ok(undefined);
}

/** Makes the content at a path that is free. `onFile` hears of private files by their path below it. */
async function build(
  store: Store,
  soundness: Soundness,
  content: Content,
  at: string,
  mode: RestoreMode,
  onFile: (below: string, file: FileParts) => void,
): Promise<Result<void, Failure>> {
  if (content.type === 'file') {
    const placed = await placeFile(store, soundness, content, at, mode);
    if (placed.ok && mode === 'private') onFile('', content);
    return placed;
  }
  const entries = content.type === 'tree' ? await treeOf(soundness, content) : numbered(content.layers);
  if (entries === null) return fail({ code: 'blob-missing', digest: content.digest });
  const { files } = store.host;
  const made = await files.makeDirectory(at);
  if (!made.ok) return made;
  // Sorted, so that parents come first; and none of them is a link (see cache/tree).
  for (const entry of entries) {
    const path = `${at}/${entry.path}`;
    const placed =
      entry.type === 'directory'
        ? await files.makeDirectory(path)
        : entry.type === 'link'
          ? await files.symlink(entry.target, path)
          : await placeFile(store, soundness, entry, path, mode);
    if (!placed.ok) return placed;
    if (entry.type === 'file' && mode === 'private') onFile(`/${entry.path}`, entry);
  }
  return ok(undefined);
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

async function placeFile(
  store: Store,
  soundness: Soundness,
  file: FileParts,
  to: string,
  mode: RestoreMode,
): Promise<Result<void, Failure>> {
  const { files, clock } = store.host;
  const small = file.sizeBytes <= SMALL_BYTES;
  const bytes = small ? await soundness.readSmall(file.digest) : null;
  if (small ? bytes === null : !(await soundness.isSound(file.digest, file.sizeBytes)))
    return fail({ code: 'blob-missing', digest: file.digest });
  const { path } = store.locate(file.digest);
  if (mode === 'shared') {
    // A link shows the blob's own mode, 0444: an executable one needs an inode of its own.
    if (!file.executable && (await files.link(path, to)).ok) return ok(undefined);
    const copied = await files.copyFile(path, to, file.executable ? 0o555 : 0o444);
    return copied.ok ? files.setModified(to, BLOB_MTIME_MS) : copied;
  }
  const wanted = file.executable ? 0o777 : 0o666;
  const written =
    bytes === null
      ? await files.copyFile(path, to, wanted)
      : await files.writeFile(to, bytes, { mode: wanted, lessUmask: true });
  return written.ok ? files.setModified(to, clock.nowMs() - BACKDATED_MS) : written;
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
