/** Whether a blob still is what its name says: small ones are read and hashed, of large ones this user remembers having hashed them as they lie there. */
import type { Stamp } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import { isFineGrained, isRacy, sameStat, settledAtMs } from '../model/stat-record.ts';
import { blobKey, findEntry, putEntry } from './index-store.ts';
import type { Layout } from './layout.ts';
import { BLOB_MTIME_MS, SMALL_BYTES } from './limits.ts';
import type { Memo } from './memo.ts';
import { putAside } from './put-aside.ts';
import { type SharedLinks, sharedLinks } from './shared-links.ts';
import type { Store } from './store.ts';

/** Linux writes dirty pages back after 30 s: then flushing is a formality, before it can take as long as the write. */
const WRITTEN_BACK_MS = 35_000;

export interface Soundness {
  /** The bytes of a blob of any size, verified; null when it is absent, or was damaged and is now put aside. */
  readSmall(digest: Digest): Promise<Uint8Array | null>;
  /** Whether a blob can be used without reading it; what is in doubt is hashed, what is damaged put aside. */
  isSound(digest: Digest, sizeBytes: number): Promise<boolean>;
  /**
   * Notes a large blob that was just stored, right after the move to its place: its bytes may not have reached the disk yet.
   * `hashed`: the stamp under which all of it was read; null when it may have been written to since.
   */
  noteStored(layout: Layout, file: StoredFile, hashed: Stamp | null): Promise<void>;
  /** Blobs that stages have for reading. */
  readonly links: SharedLinks;
  /** Whether shared blobs are as they were, however small: those that are not are put aside. */
  damagedAmong(digests: Iterable<Digest>): Promise<readonly Digest[]>;
  /** Marks what has reached the disk by now. */
  close(): Promise<void>;
}

/** Trouble with reading says nothing of the bytes. */
type Verdict = 'right' | 'wrong' | 'unreadable';

interface StoredFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Judges the blobs of a store by what this user's memo knows, and nobody else could have told it. */
export function soundnessOf(store: Store, memo: Memo): Soundness {
  const { host } = store;
  const unflushed = new Map<Digest, { readonly sizeBytes: number; readonly sinceMs: number }>();
  /** Stamps with which this process knows blobs to be whole. */
  const known = new Map<Digest, Stamp>();
  const reading = new Map<string, Promise<Verdict>>();

  const isTrusted = async (digest: Digest, stamp: Stamp): Promise<boolean> => {
    const own = known.get(digest);
    if (own !== undefined && isSameFile(own, stamp)) return true;
    if ((await memo.recall(stamp)) !== digest) return false;
    known.set(digest, stamp);
    return true;
  };

  /** `readAtMs`: when reading all of it began. What could have changed since without another stamp is not remembered. */
  const trust = async (digest: Digest, stamp: Stamp, readAtMs: number): Promise<void> => {
    if (isRacy(stamp, readAtMs)) known.delete(digest);
    else known.set(digest, stamp);
    await memo.remember(stamp, digest, readAtMs);
  };

  const read = async (digest: Digest, path: string): Promise<Verdict> => {
    const dated = await datedBack(path);
    const before = host.files.stamp(path);
    if (before?.type !== 'file') return before === null || before.type === 'unknown' ? 'unreadable' : 'wrong';
    const startedAtMs = dated ? settledAtMs(before) : host.clock.nowMs();
    const found = await host.hashing.digestFile(path);
    if (!found.ok) return 'unreadable';
    if (found.value.digest !== digest) return 'wrong';
    const after = host.files.stamp(path);
    const isStill = after !== null && isSameFile(before, after) && (!dated || isFineGrained(after));
    // Nobody else notes here that what lies below has reached the disk: what is remembered of it must have.
    const isKept = !store.isBelow(path) || (await host.files.flush(path)).ok;
    if (isStill && isKept) await trust(digest, before, startedAtMs);
    return 'right';
  };

  /** Whether it had to be: a cache that was copied without its times. A later write shows then, as after `noteStored`. */
  const datedBack = async (path: string): Promise<boolean> => {
    const stamp = host.files.stamp(path);
    const isOurs = store.layouts().some((layout) => store.isWritten(layout) && path.startsWith(layout.root));
    if (!isOurs || stamp?.type !== 'file' || stamp.links > 1 || stamp.mtimeMs === BLOB_MTIME_MS) return false;
    return (await host.files.setModified(path, BLOB_MTIME_MS)).ok;
  };

  /** Reads all of it, once for all who ask at the same time. */
  const judge = (digest: Digest, path: string): Promise<Verdict> => {
    const underway = reading.get(path) ?? read(digest, path).finally(() => reading.delete(path));
    reading.set(path, underway);
    return underway;
  };

  /** A large blob that has the stamp of before has not been written to; a small one is simply read. */
  const judgeShared = async (digest: Digest, path: string, stamp: Stamp): Promise<Verdict> => {
    if (stamp.type !== 'file' || stamp.sizeBytes > SMALL_BYTES)
      return (await isTrusted(digest, stamp)) ? 'right' : judge(digest, path);
    const bytes = await host.files.readBytes(path, { noFollow: true });
    if (!bytes.ok) return 'unreadable';
    return host.hashing.digestBytes(bytes.value) === digest ? 'right' : 'wrong';
  };

  const mark = (layout: Layout, digest: Digest, sizeBytes: number, bootId: string | null) =>
    putEntry(store, layout, {
      key: blobKey(digest),
      digest,
      sizeBytes,
      time: host.clock.nowMs(),
      metadata: bootId === null ? { onDisk: true } : { onDisk: false, bootId },
    });

  /** Flushes and says so in the index; a cache that cannot be written is left as it is: then it is hashed again next time. */
  const settle = async (digest: Digest, sizeBytes: number): Promise<void> => {
    const { path, stamp, layout } = store.locate(digest);
    if (!store.isWritten(layout) || stamp === null || stamp.sizeBytes !== sizeBytes) return;
    const flushed = await host.files.flush(path);
    if (flushed.ok) await mark(layout, digest, sizeBytes, null);
  };

  /** Does what changes nothing of a blob but its number of links, and goes on trusting it if that is all that changed. */
  const relink = async <T>(digest: Digest, change: () => Promise<T>): Promise<T> => {
    const before = store.locate(digest);
    // Nothing is awaited between the two looks: what else this process does to the blob is told apart.
    const changing = change();
    const after = host.files.stamp(before.path);
    const trusted = known.get(digest);
    known.delete(digest);
    const wasTrusted = trusted !== undefined && before.stamp !== null && isSameFile(trusted, before.stamp);
    if (wasTrusted && after !== null && isButRelinked(trusted, after) && isFineGrained(after))
      await trust(digest, after, settledAtMs(after));
    return changing;
  };

  const soundness: Soundness = {
    links: sharedLinks(store, relink),

    async readSmall(digest) {
      const { path, stamp } = store.locate(digest);
      // What cannot be read may be read by others.
      if (stamp === null || stamp.type === 'unknown') return null;
      const bytes = stamp.type === 'file' ? await host.files.readBytes(path, { noFollow: true }) : null;
      if (bytes !== null && !bytes.ok) return null;
      if (bytes !== null && host.hashing.digestBytes(bytes.value) === digest) return bytes.value;
      await putAside(store, digest);
      return soundness.readSmall(digest);
    },

    async isSound(digest, sizeBytes) {
      const { path, stamp } = store.locate(digest);
      if (stamp === null || stamp.type === 'unknown') return false;
      if (stamp.sizeBytes !== sizeBytes) {
        await putAside(store, digest);
        return soundness.isSound(digest, sizeBytes);
      }
      const isFlushed = async () => store.isBelow(path) || (await isOnDisk(store, digest));
      if ((await isTrusted(digest, stamp)) && (await isFlushed())) return true;
      const verdict = await judge(digest, path);
      if (verdict === 'wrong') {
        await putAside(store, digest);
        // Another copy may lie in the cache below.
        return soundness.isSound(digest, sizeBytes);
      }
      if (verdict === 'unreadable') return false;
      // A cache that was copied, or survived a power cut: from now on it is known to be right.
      await settle(digest, sizeBytes);
      return true;
    },

    async noteStored(layout, { digest, sizeBytes }, hashed) {
      const stamp = host.files.stamp(layout.blob(digest));
      // The move alone changed the ctime. Dated back before it was hashed, it shows any later write, if the grain is a fine one.
      if (hashed !== null && stamp !== null && isButRelinked(hashed, stamp) && isFineGrained(stamp))
        await trust(digest, stamp, settledAtMs(stamp));
      const { bootId } = host;
      // Without a boot to tell by, only what is on the disk can be trusted later.
      if (bootId === '') return settle(digest, sizeBytes);
      await mark(layout, digest, sizeBytes, bootId);
      unflushed.set(digest, { sizeBytes, sinceMs: host.clock.monotonicMs() });
    },

    async damagedAmong(digests) {
      const damaged: Digest[] = [];
      for (const digest of new Set(digests)) {
        const { path, stamp } = store.locate(digest);
        // Gone is not damaged: whoever needs it again will notice.
        const verdict = stamp === null ? 'right' : await judgeShared(digest, path, stamp);
        if (verdict === 'right') continue;
        // What cannot be read now may be whole; nobody can say so of what the stage made of it.
        if (verdict === 'wrong') await putAside(store, digest);
        damaged.push(digest);
      }
      return damaged;
    },

    async close() {
      for (const [digest, { sizeBytes, sinceMs }] of unflushed) {
        if (host.clock.monotonicMs() - sinceMs > WRITTEN_BACK_MS) await settle(digest, sizeBytes);
      }
    },
  };
  return soundness;
}

/** Whether the index says that all bytes are on the disk, or at least were written since the machine started. */
async function isOnDisk(store: Store, digest: Digest): Promise<boolean> {
  const metadata = (await findEntry(store, blobKey(digest)))?.metadata;
  if (!metadata) return false;
  return (
    metadata['onDisk'] === true || (metadata['bootId'] === store.host.bootId && store.host.bootId !== '')
  );
}

function isSameFile(a: Stamp, b: Stamp): boolean {
  return a.device === b.device && sameStat(a, b);
}

/** Whether nothing changed but the name, the number of links, and with them the ctime. */
function isButRelinked(before: Stamp, after: Stamp): boolean {
  return after.type === 'file' && isSameFile(before, { ...after, ctimeMs: before.ctimeMs });
}
