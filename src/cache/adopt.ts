/** Takes files and directories of a workspace over into the store: hashed in place, made read-only, renamed; never copied without need. */
import type { Files, Stamp } from '../host/host.ts';
import type { Content, Extras, TreeEntry } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { sameStat } from '../model/stat-record.ts';
import type { AdoptOptions } from './cache.ts';
import { blobKey, moveInto, putEntry } from './index-store.ts';
import type { Layout } from './layout.ts';
import { BLOB_MTIME_MS, SMALL_BYTES } from './limits.ts';
import { putSmall } from './put-small.ts';
import type { Soundness } from './soundness.ts';
import type { Store } from './store.ts';
import { encodeTree, isAttributeName } from './tree.ts';

/** Owner's permission to read. */
const READABLE = 0o400;

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
  { keep: stays }: AdoptOptions,
): Promise<Result<Content, Failure>> {
  const stamp = store.host.files.stamp(path);
  if (stamp?.type === 'directory') return adoptTree(store, soundness, { root: path, stamp, stays });
  if (stamp?.type !== 'file') return fail(notStorable(path, stamp));
  const file = await adoptFile(store, soundness, { path, before: stamp, stays });
  if (!file.ok) return file;
  return ok({ type: 'file', ...file.value, executable: isExecutable(stamp), ...extrasOf(stamp) });
}

interface Directory {
  readonly root: string;
  readonly stamp: Stamp;
  readonly stays: boolean;
}

type Surveyed = readonly { readonly path: string; readonly stamp: Stamp }[];

async function adoptTree(
  store: Store,
  soundness: Soundness,
  { root, stamp: own, stays }: Directory,
): Promise<Result<Content, Failure>> {
  const { files } = store.host;
  // All are looked at before the first is moved: what cannot be stored leaves the directory as it was.
  const survey = files.survey(root, { unlock: !stays });
  if (!survey.ok) return fail(asNotStorable(survey.failure));
  const found: Surveyed = survey.value;
  const refused = found.find(({ stamp }) => !STORABLE.includes(stamp.type));
  if (refused) return fail(notStorable(`${root}/${refused.path}`, refused.stamp));
  const links = linkTargets(files, root, found);
  if (!links.ok) return links;
  const adopted = await adoptEntries(store, soundness, { root, stamp: own, stays }, found, links.value);
  if (!adopted.ok) return adopted;
  // Somebody who still writes there would lose a file without a word.
  const after = stays ? files.survey(root, { unlock: false }) : null;
  const late = after?.ok ? after.value.find(({ path }, at) => path !== found[at]?.path) : undefined;
  if (late) return fail(changing(`${root}/${late.path}`));
  const manifest = await putSmall(store, Buffer.from(encodeTree(adopted.value), 'utf8'));
  if (!manifest.ok) return manifest;
  if (!stays) await files.remove(root);
  return ok({ type: 'tree', digest: manifest.value.digest, sizeBytes: totalOf(adopted.value) });
}

/** Adopts the files among what was found; the manifest's entries for all of it. */
async function adoptEntries(
  store: Store,
  soundness: Soundness,
  { root, stamp: own, stays }: Directory,
  found: Surveyed,
  links: ReadonlyMap<string, string>,
): Promise<Result<readonly TreeEntry[], Failure>> {
  const entries: TreeEntry[] = [];
  const attributes = await store.host.attributes.read([root, ...found.map(({ path }) => `${root}/${path}`)]);
  const extras = (place: string, stamp: Stamp) => ({
    ...extrasOf(stamp),
    ...attributesOf(attributes.get(place)),
  });
  const ownExtras = extras(root, own);
  if (Object.keys(ownExtras).length > 0) entries.push({ path: '', type: 'directory', ...ownExtras });
  const firstNames = new Map<string, TreeEntry & { readonly type: 'file' }>();
  for (const { path, stamp } of found) {
    const place = `${root}/${path}`;
    if (stamp.type === 'directory') entries.push({ path, type: 'directory', ...extras(place, stamp) });
    if (stamp.type === 'link') entries.push({ path, type: 'link', target: links.get(path) ?? '' });
    if (stamp.type !== 'file') continue;
    const inode = `${stamp.device}:${stamp.inode}`;
    const first = stamp.links > 1 ? firstNames.get(inode) : undefined;
    if (first !== undefined) {
      entries.push({ ...first, path, sameAs: first.path });
      continue;
    }
    const file = await adoptFile(store, soundness, { path: place, before: stamp, stays });
    if (!file.ok) return file;
    const executable = isExecutable(stamp);
    const entry = { path, type: 'file', ...file.value, executable, ...extras(place, stamp) } as const;
    if (stamp.links > 1) firstNames.set(inode, entry);
    entries.push(entry);
  }
  return ok(entries);
}

function totalOf(entries: readonly TreeEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.sizeBytes : 0), 0);
}

/** What the links among them say. */
function linkTargets(
  files: Files,
  root: string,
  found: Surveyed,
): Result<ReadonlyMap<string, string>, Failure> {
  const targets = new Map<string, string>();
  for (const { path, stamp } of found) {
    if (stamp.type !== 'link') continue;
    const target = files.readLink(`${root}/${path}`);
    if (!target.ok) return fail(asNotStorable(target.failure));
    targets.set(path, target.value);
  }
  return ok(targets);
}

interface FileToAdopt {
  readonly path: string;
  readonly before: Stamp;
  readonly stays: boolean;
}

async function adoptFile(
  store: Store,
  soundness: Soundness,
  { path, before, stays }: FileToAdopt,
): Promise<Result<AdoptedFile, Failure>> {
  const { files } = store.host;
  // Another name of the same file could be written to later; a file of another user cannot be made read-only: take a copy.
  const own = !stays && before.links === 1 && (await files.chmod(path, 0o444)).ok;
  if (!own) return adoptCopy(store, soundness, { path, before, stays });
  if (files.stamp(path)?.mtimeMs !== before.mtimeMs) return fail(changing(path));
  return hashAndKeep(store, soundness, path, path);
}

/**
 * Dated back first: then a write shows in the mtime, even one within the same tick as our own changes of the ctime. `path`:
 * what is told of.
 */
async function hashAndKeep(
  store: Store,
  soundness: Soundness,
  file: string,
  path: string,
): Promise<Result<AdoptedFile, Failure>> {
  const { files, hashing } = store.host;
  const dated = await files.setModified(file, BLOB_MTIME_MS);
  if (!dated.ok) return dated;
  const held = files.stamp(file);
  const hashed = await hashing.digestFile(file);
  if (!hashed.ok) return hashed;
  const after = files.stamp(file);
  if (after === null || !sameStat(after, held) || after.sizeBytes !== hashed.value.sizeBytes)
    return fail(changing(path));
  return keep(store, soundness, { path: file, stamp: after }, hashed.value);
}

/** Copies first and hashes the copy, which nobody else can change. */
async function adoptCopy(
  store: Store,
  soundness: Soundness,
  { path, before, stays }: FileToAdopt,
): Promise<Result<AdoptedFile, Failure>> {
  const { files } = store.host;
  if (!stays && (before.mode & READABLE) === 0) await files.chmod(path, 0o600);
  const held = files.stamp(path);
  const copied = await store.write(async (layout) => {
    const copy = store.temporaryPath(layout);
    // Readable for everyone who shares the cache, whatever the source and the umask say.
    const made = await files.copyFile(path, copy, 0o444, true);
    return made.ok ? ok(copy) : made;
  });
  if (!copied.ok) return copied;
  const isStill = sameStat(held, files.stamp(path)) && held?.mtimeMs === before.mtimeMs;
  const kept = isStill ? await hashAndKeep(store, soundness, copied.value, path) : fail(changing(path));
  if (!kept.ok) await files.remove(copied.value);
  else if (!stays) await files.remove(path);
  return kept;
}

/** Moves a read-only file into its place by digest. */
async function keep(
  store: Store,
  soundness: Soundness,
  { path, stamp }: { readonly path: string; readonly stamp: Stamp },
  file: AdoptedFile,
): Promise<Result<AdoptedFile, Failure>> {
  // Where naming it fails, it stays where it is: the temporary cache that names it then is looked into together with this one.
  let isMoved = false;
  const kept = await store.write(async (layout) => {
    if (!isMoved) {
      // Replaces the same content: whoever has the old one open or linked keeps it, and the new one is seen to be in use.
      const moved = await moveAcross(store, layout, path, layout.blob(file.digest));
      if (!moved.ok) return moved;
      isMoved = true;
    }
    if (file.sizeBytes > SMALL_BYTES) {
      await soundness.noteStored(layout, file, stamp);
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
  // Already 0444; a copy keeps that, not the time.
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

/** What others may not read is its owner's alone, whatever else they may do; so is what nobody may. */
function extrasOf({ mode }: Stamp): Extras {
  const special = (mode & 0o7000) >> 9;
  return {
    ...((mode & 0o004) === 0 ? { private: true } : {}),
    ...(special === 0 ? {} : { special }),
  };
}

function attributesOf(attributes: { readonly [name: string]: string } | undefined): Extras {
  const kept = Object.entries(attributes ?? {}).filter(([name]) => isAttributeName(name));
  return kept.length === 0 ? {} : { attributes: Object.fromEntries(kept) };
}

function changing(path: string): Failure {
  return { code: 'not-storable', path, problem: 'it changed while it was being stored' };
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

function asNotStorable(failure: HostFailure): Failure {
  if (failure.code !== 'file-trouble') return failure;
  const problem =
    failure.errno === 'EILSEQ'
      ? 'its name, or the target of the link, is not valid UTF-8'
      : `it cannot be looked through (${failure.errno})`;
  return { code: 'not-storable', path: failure.path, problem };
}
