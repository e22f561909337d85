/** Removes results and then the blobs that nobody names any more; never what a running build rests on. */
import type { Host } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { type Contents, type ListedResult, namedBlobs, readContents } from './contents.ts';
import { inUse } from './in-use.ts';
import { blobKey } from './index-store.ts';
import { ownLayout } from './own-place.ts';
import { latestKey, resultKey, tracedKey, tracedKeyOf } from './results.ts';
import { type ListedSides, listSides } from './sides.ts';
import { temporaryPrefix } from './store.ts';

interface Removal {
  readonly removed: readonly ListedResult[];
  /** Results that a running build rests on: left as they are. */
  readonly spared: readonly ListedResult[];
  readonly blobs: number;
  /** Contents whose side files were removed. */
  readonly sides: number;
  readonly freedBytes: number;
}

/**
 * Removes the results that `pick` chooses. Results go first: whoever is interrupted leaves unnamed blobs, never a result
 * without them. Stops at the first thing that cannot be removed, or cannot be read: nobody knows what that needs.
 */
export async function removeResults(
  host: Host,
  directory: string,
  pick: (result: ListedResult) => boolean,
): Promise<Result<Removal, HostFailure>> {
  const contents = await readContents(host, directory);
  const { layout } = contents;
  if (contents.trouble !== null) return fail(contents.trouble);
  const isEmpty = [contents.results, contents.blobs, contents.sides].every((part) => part.length === 0);
  if (isEmpty) return ok({ removed: [], spared: [], blobs: 0, sides: 0, freedBytes: 0 });
  const startMs = await fileSystemTime(host, contents);
  if (!startMs.ok) return startMs;
  const running = await inUse(host, layout);
  if (!running.ok) return running;
  const { fingerprints, sinceMs } = running.value;
  const picked = contents.results.filter(pick);
  const spared = picked.filter(({ result }) => fingerprints.has(result.fingerprint));
  const removed = picked.filter(({ result }) => !fingerprints.has(result.fingerprint));
  if (removed.length > 0) {
    const noted = await host.files.replaceFile(layout.removals, `${host.clock.nowMs()}\n`, { flush: false });
    if (!noted.ok) return noted;
  }
  const gone = new Set(removed.map(({ result }) => result.fingerprint));
  const left = contents.results.filter(({ result }) => !gone.has(result.fingerprint));
  const traced = new Set(left.map(({ result }) => tracedKeyOf(result.manifest)));
  for (const { result } of removed) {
    const { fingerprint, origin } = result;
    const keys = [resultKey(fingerprint)];
    const work = tracedKeyOf(result.manifest);
    if (work !== null && !traced.has(work)) keys.push(tracedKey(work));
    const latest = latestKey(origin.pipeline, origin.action);
    if (contents.records.get(latest) === contents.records.get(resultKey(fingerprint))) keys.push(latest);
    for (const key of keys) {
      const unnamed = await host.files.remove(layout.bucket(key));
      if (!unnamed.ok) return unnamed;
    }
  }
  // What was stored after the oldest running build began, or since we looked, may be needed though nobody names it yet.
  const swept = await sweep(host, directory, Math.min(startMs.value, sinceMs ?? startMs.value));
  return swept.ok ? ok({ removed, spared, ...swept.value }) : swept;
}

async function sweep(
  host: Host,
  directory: string,
  beforeMs: number,
): Promise<Result<Pick<Removal, 'blobs' | 'sides' | 'freedBytes'>, HostFailure>> {
  const contents = await readContents(host, directory);
  if (contents.trouble !== null) return fail(contents.trouble);
  const named = namedBlobs(contents);
  let blobs = 0;
  let freedBytes = 0;
  for (const { digest, stamp } of contents.blobs) {
    if (named.has(digest) || stamp.ctimeMs >= beforeMs) continue;
    const gone = await removeBlob(host, contents, digest, stamp.inode);
    if (!gone.ok) return gone;
    blobs += 1;
    freedBytes += stamp.allocatedBytes;
  }
  const kept = new Set(
    contents.results.flatMap(({ result }) => result.artifacts.map(({ content }) => content.digest)),
  );
  const sides = contents.sides.filter(({ digest, stamp }) => !kept.has(digest) && stamp.ctimeMs < beforeMs);
  const removed = await removeAll(host, sides);
  return removed.ok ? ok({ blobs, sides: sides.length, freedBytes: freedBytes + removed.value }) : removed;
}

/** Removes all side files: nothing rests on them, and whoever reads one just now has it open. */
export async function removeSides(
  host: Host,
  directory: string,
): Promise<Result<Pick<Removal, 'sides' | 'freedBytes'>, HostFailure>> {
  const own = ownLayout(host, directory);
  const sides = own === null ? [] : listSides(host, own);
  const removed = await removeAll(host, sides);
  return removed.ok ? ok({ sides: sides.length, freedBytes: removed.value }) : removed;
}

/** How many bytes that gave back. */
async function removeAll(host: Host, sides: readonly ListedSides[]): Promise<Result<number, HostFailure>> {
  let freedBytes = 0;
  for (const { path, allocatedBytes } of sides) {
    const gone = await host.files.remove(path);
    if (!gone.ok) return gone;
    freedBytes += allocatedBytes;
  }
  return ok(freedBytes);
}

/** Moved away first and looked at again: another process may just have stored the same content anew. */
async function removeBlob(
  host: Host,
  { layout }: Contents,
  digest: Digest,
  inode: number,
): Promise<Result<void, HostFailure>> {
  const path = layout.blob(digest);
  const aside = `${layout.temporary}/${temporaryPrefix(host.identity)}${host.files.randomName()}`;
  const moved = await host.files.rename(path, aside);
  if (!moved.ok) return moved;
  if (host.files.stamp(aside)?.inode !== inode) return host.files.rename(aside, path);
  const unnamed = await host.files.remove(layout.bucket(blobKey(digest)));
  return unnamed.ok ? host.files.remove(aside) : unnamed;
}

/** Where time stamps are coarser than this, what was stored just now is left for the next removal. */
const TICK_MS = 50;

/**
 * The clock of the file system, which need not be that of this host, at its first tick after the call. Stamps come in
 * ticks of some milliseconds: without the wait, a blob stored just before would look like one stored since.
 */
async function fileSystemTime(host: Host, { layout }: Contents): Promise<Result<number, HostFailure>> {
  const mark = `${layout.temporary}/${temporaryPrefix(host.identity)}${host.files.randomName()}`;
  const giveUpMs = host.clock.monotonicMs() + TICK_MS;
  let firstMs: number | null = null;
  for (;;) {
    const written = await host.files.writeFile(mark, '', { over: true });
    if (!written.ok) return written;
    const nowMs = host.files.stamp(mark)?.ctimeMs ?? 0;
    firstMs ??= nowMs;
    if (nowMs > firstMs || host.clock.monotonicMs() > giveUpMs) {
      await host.files.remove(mark);
      return ok(nowMs);
    }
    await host.clock.sleep(1);
  }
}
