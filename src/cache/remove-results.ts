/** Removes results and then the blobs that nobody names any more; never what a running build rests on. */
import type { Host } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { ok, type Result } from '../model/result.ts';
import { type Contents, type ListedResult, namedBlobs, readContents } from './contents.ts';
import { blobKey } from './index-store.ts';
import { latestKey, resultKey } from './results.ts';
import { inUse } from './workspaces.ts';

interface Removal {
  readonly removed: readonly ListedResult[];
  /** Results that a running build rests on: left as they are. */
  readonly spared: readonly ListedResult[];
  readonly blobs: number;
  readonly freedBytes: number;
}

/**
 * Removes the results that `pick` chooses. Results go first: whoever is interrupted leaves unnamed blobs, never a result
 * without them. Stops at the first thing that cannot be removed.
 */
export async function removeResults(
  host: Host,
  directory: string,
  pick: (result: ListedResult) => boolean,
): Promise<Result<Removal, HostFailure>> {
  const contents = await readContents(host, directory);
  const { layout } = contents;
  if (contents.results.length === 0 && contents.blobs.length === 0)
    return ok({ removed: [], spared: [], blobs: 0, freedBytes: 0 });
  const startMs = await fileSystemTime(host, contents);
  if (!startMs.ok) return startMs;
  const { fingerprints, sinceMs } = await inUse(host, layout);
  const picked = contents.results.filter(pick);
  const spared = picked.filter(({ result }) => fingerprints.has(result.fingerprint));
  const removed = picked.filter(({ result }) => !fingerprints.has(result.fingerprint));
  if (removed.length > 0) {
    const noted = await host.files.writeFile(layout.removals, `${host.clock.nowMs()}\n`);
    if (!noted.ok) return noted;
  }
  for (const { result } of removed) {
    const { fingerprint, origin } = result;
    const keys = [resultKey(fingerprint)];
    const latest = latestKey(origin.pipeline, origin.action);
    if (contents.records.get(latest) === contents.records.get(resultKey(fingerprint))) keys.push(latest);
    for (const key of keys) {
      const gone = await host.files.remove(layout.bucket(key));
      if (!gone.ok) return gone;
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
): Promise<Result<{ readonly blobs: number; readonly freedBytes: number }, HostFailure>> {
  const contents = await readContents(host, directory);
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
  return ok({ blobs, freedBytes });
}

/** Moved away first and looked at again: another process may just have stored the same content anew. */
async function removeBlob(
  host: Host,
  { layout }: Contents,
  digest: Digest,
  inode: number,
): Promise<Result<void, HostFailure>> {
  const path = layout.blob(digest);
  const aside = `${layout.temporary}/${host.identity.pid.toString(36)}-${host.identity.startedAt}-sweep`;
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
  const mark = `${layout.temporary}/${host.identity.pid.toString(36)}-${host.identity.startedAt}-now`;
  const giveUpMs = host.clock.monotonicMs() + TICK_MS;
  let firstMs: number | null = null;
  for (;;) {
    const written = await host.files.writeFile(mark, '');
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
