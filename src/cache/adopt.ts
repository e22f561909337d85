/** Takes files and directories of a workspace over into the store: hashed in place, made read-only, renamed; never copied without need. */
import type { Stamp } from '../host/host.ts';
import type { Content, TreeEntry } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { blobKey, moveInto, putEntry } from './index-store.ts';
import type { Layout } from './layout.ts';
import { putSmall } from './put-small.ts';
import { BLOB_MTIME_MS, SMALL_BYTES, type Soundness } from './soundness.ts';
import type { Store } from './store.ts';
import { encodeTree } from './tree.ts';

/** What a tree can hold. */
const STORABLE: readonly Stamp['type'][] = ['file', 'directory', 'link'];

interface AdoptedFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** See `BlobStore.adopt`. */
export async function adoptPath(
  store: Store,
  soundness: Soundness,
  path: string,
): Promise<Result<Content, Failure>> {
  const stamp = store.host.files.stamp(path);
  if (stamp?.type === 'directory') return adoptTree(store, soundness, path);
  if (stamp?.type !== 'file') return fail(notStorable(path, stamp));
  const file = await adoptFile(store, soundness, path, stamp);
  if (!file.ok) return file;
  return ok({ type: 'file', ...file.value, executable: isExecutable(stamp) });
}

async function adoptTree(
  store: Store,
  soundness: Soundness,
  root: string,
): Promise<Result<Content, Failure>> {
  const { files } = store.host;
  const entries: TreeEntry[] = [];
  let total = 0;
  // All are looked at before the first is moved: what cannot be stored leaves the directory as it was.
  const walked = files.walk(root);
  if (walked.trouble !== null) return fail(walked.trouble);
  const found = walked.entries.map(({ path }) => ({ path, stamp: files.stamp(`${root}/${path}`) }));
  const refused = found.find(({ stamp }) => stamp === null || !STORABLE.includes(stamp.type));
  if (refused) return fail(notStorable(`${root}/${refused.path}`, refused.stamp));
  for (const { path, stamp } of found) {
    const place = `${root}/${path}`;
    if (stamp?.type === 'directory') entries.push({ path, type: 'directory' });
    if (stamp?.type === 'link') {
      const target = files.readLink(place);
      if (!target.ok) return target;
      entries.push({ path, type: 'link', target: target.value });
    }
    if (stamp?.type !== 'file') continue;
    const file = await adoptFile(store, soundness, place, stamp);
    if (!file.ok) return file;
    total += file.value.sizeBytes;
    entries.push({ path, type: 'file', ...file.value, executable: isExecutable(stamp) });
  }
  const manifest = await putSmall(store, Buffer.from(encodeTree(entries), 'utf8'));
  if (!manifest.ok) return manifest;
  await files.remove(root);
  return ok({ type: 'tree', digest: manifest.value.digest, sizeBytes: total });
}

async function adoptFile(
  store: Store,
  soundness: Soundness,
  path: string,
  before: Stamp,
): Promise<Result<AdoptedFile, Failure>> {
  const { files, hashing } = store.host;
  // Another name of the same file could be written to later; a file of another user cannot be made read-only: take a copy.
  const own = before.links === 1 && (await files.chmod(path, 0o444)).ok;
  if (!own) return adoptCopy(store, soundness, path);
  const hashed = await hashing.digestFile(path);
  if (!hashed.ok) return hashed;
  const after = files.stamp(path);
  if (after === null || after.mtimeMs !== before.mtimeMs || after.sizeBytes !== hashed.value.sizeBytes)
    return fail({ code: 'not-storable', path, problem: 'it changed while it was being stored' });
  return keep(store, soundness, path, hashed.value);
}

/** Copies first and hashes the copy, which nobody else can change. */
async function adoptCopy(
  store: Store,
  soundness: Soundness,
  path: string,
): Promise<Result<AdoptedFile, Failure>> {
  const { files, hashing } = store.host;
  const copied = await store.write(async (layout) => {
    const copy = store.temporaryPath(layout);
    const made = await files.copyFile(path, copy);
    // Readable for everyone who shares the cache, whatever the source and the umask say.
    const opened = made.ok ? await files.chmod(copy, 0o444) : made;
    return opened.ok ? ok(copy) : opened;
  });
  if (!copied.ok) return copied;
  const hashed = await hashing.digestFile(copied.value);
  if (!hashed.ok) return hashed;
  const kept = await keep(store, soundness, copied.value, hashed.value);
  await files.remove(kept.ok ? path : copied.value);
  return kept;
}

/** Moves a read-only file into its place by digest. */
async function keep(
  store: Store,
  soundness: Soundness,
  path: string,
  file: AdoptedFile,
): Promise<Result<AdoptedFile, Failure>> {
  const { files } = store.host;
  const kept = await store.write(async (layout) => {
    await files.setModified(path, BLOB_MTIME_MS);
    // Replaces the same content: whoever has the old one open or linked keeps it, and the new one is seen to be in use.
    const moved = await moveAcross(store, layout, path, layout.blob(file.digest));
    if (!moved.ok) return moved;
    if (file.sizeBytes > SMALL_BYTES) {
      await soundness.noteStored(layout, file.digest, file.sizeBytes);
      return ok(undefined);
    }
    const time = store.host.clock.nowMs();
    return putEntry(store, layout, { key: blobKey(file.digest), ...file, time, metadata: null });
  });
  return kept.ok ? ok(file) : kept;
}

/** Renames, or copies where that cannot be: a workspace on another file system. */
async function moveAcross(store: Store, layout: Layout, from: string, to: string) {
  const { files } = store.host;
  const moved = await moveInto(store, layout, from, to);
  if (moved.ok || moved.failure.code !== 'file-trouble' || moved.failure.errno !== 'EXDEV') return moved;
  const temporary = store.temporaryPath(layout);
  // Already 0444 and of the right time; a copy keeps the one, not the other.
  const copied = await files.copyFile(from, temporary);
  if (!copied.ok) return copied;
  await files.setModified(temporary, BLOB_MTIME_MS);
  const placed = await moveInto(store, layout, temporary, to);
  await files.remove(placed.ok ? from : temporary);
  return placed;
}

function isExecutable(stamp: Stamp): boolean {
  return (stamp.mode & 0o100) !== 0;
}

function notStorable(path: string, stamp: Stamp | null): Failure {
  const problem =
    stamp === null
      ? 'it is not there'
      : stamp.type === 'unknown'
        ? `it cannot be looked at (${stamp.errno ?? 'trouble'})`
        : stamp.type === 'link'
          ? 'it is a symbolic link'
          : 'it is a socket, a pipe or a device';
  return { code: 'not-storable', path, problem };
}
