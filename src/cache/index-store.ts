/** Reading and writing the index of a cache: one small file per key, replaced whole. */
import type { Digest } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { ok, type Result } from '../model/result.ts';
import { decodeEntry, encodeEntry, type IndexEntry } from './index-entry.ts';
import type { Layout } from './layout.ts';
import type { Store } from './store.ts';

/** Names a blob in the index, so that cacache's own tools see it in use; its metadata says whether it reached the disk. */
export function blobKey(digest: Digest): string {
  return `blob:${digest}`;
}

/** The entry of a key in any layout, or null. */
export async function findEntry(store: Store, key: string): Promise<IndexEntry | null> {
  for (const layout of store.layouts()) {
    const entry = await entryIn(store, layout, key);
    if (entry !== null) return entry;
  }
  return null;
}

/** The entry of a key in one layout, or null. */
export async function entryIn(store: Store, layout: Layout, key: string): Promise<IndexEntry | null> {
  const path = layout.bucket(key);
  // Most misses are absent: a look costs a tenth of a read that throws.
  if (store.isHidden(path) || store.host.files.stamp(path) === null) return null;
  const bucket = await store.host.files.readText(path, { noFollow: true });
  return bucket.ok ? decodeEntry(bucket.value, key) : null;
}

/** Replaces the entry of a key. Not flushed: a torn line fails its checksum and counts as absent. */
export async function putEntry(
  store: Store,
  layout: Layout,
  entry: IndexEntry,
): Promise<Result<void, HostFailure>> {
  return placeFile(store, layout, encodeEntry(entry), layout.bucket(entry.key), 0o644);
}

/** Writes a small file under a temporary name and renames it to `path`, whose directory is made when it is not there. */
export async function placeFile(
  store: Store,
  layout: Layout,
  data: string | Uint8Array,
  path: string,
  mode: number,
): Promise<Result<void, HostFailure>> {
  const temporary = store.temporaryPath(layout);
  const written = await store.host.files.writeFile(temporary, data, { mode });
  const placed = written.ok ? await moveInto(store, layout, temporary, path) : written;
  if (!placed.ok) await store.host.files.remove(temporary);
  return placed;
}

/** Renames to `path`; an existing file there is replaced. */
export async function moveInto(
  store: Store,
  layout: Layout,
  from: string,
  path: string,
): Promise<Result<void, HostFailure>> {
  const { files } = store.host;
  const directory = path.slice(0, path.lastIndexOf('/'));
  // In a young cache it is most often absent: a look costs a tenth of a move that throws.
  if (files.stampTarget(directory) !== null) {
    const moved = await files.rename(from, path);
    if (moved.ok) store.unhide(path);
    if (moved.ok || moved.failure.code !== 'file-trouble' || moved.failure.errno !== 'ENOENT') return moved;
  }
  const made = await store.makeDirectory(layout, directory);
  const moved = made.ok ? await files.rename(from, path) : made;
  if (moved.ok) store.unhide(path);
  return moved;
}

/** Removes the entry of a key, from every layout unless some are given. Where it may not be removed, this process does not see it any more. */
export async function removeEntry(
  store: Store,
  key: string,
  layouts: readonly Layout[] = store.layouts(),
): Promise<Result<void, HostFailure>> {
  let result: Result<void, HostFailure> = ok(undefined);
  for (const layout of layouts) {
    const path = layout.bucket(key);
    const removed = store.isWritten(layout) ? await store.host.files.remove(path) : null;
    if (removed?.ok !== true) store.hide(path);
    if (removed?.ok === false) result = removed;
  }
  return result;
}
