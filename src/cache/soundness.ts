/** Whether a blob still is what its name says: small ones are read and hashed, large ones judged by marks that damage destroys. */
import type { Stamp } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import { blobKey, findEntry, putEntry } from './index-store.ts';
import type { Layout } from './layout.ts';
import { putAside } from './put-aside.ts';
import type { Store } from './store.ts';

/** Up to here reading and hashing costs less than remembering whether it is needed. */
export const SMALL_BYTES = 1024 * 1024;

/**
 * When every blob was "last written": 2020-01-01, the SOURCE_DATE_EPOCH that stages see. Whoever writes to a blob, through
 * a hard link and as root too, changes it; and a stage that archives its inputs with their times gives the same bytes everywhere.
 */
export const BLOB_MTIME_MS = 1_577_836_800_000;

/** Linux writes dirty pages back after 30 s: then flushing is a formality, before it can take as long as the write. */
const WRITTEN_BACK_MS = 35_000;

export interface Soundness {
  /** The bytes of a blob of any size, verified; null when it is absent, or was damaged and is now put aside. */
  readSmall(digest: Digest): Promise<Uint8Array | null>;
  /** Whether a blob can be used without reading it; what is in doubt is hashed, what is damaged put aside. */
  isSound(digest: Digest, sizeBytes: number): Promise<boolean>;
  /** Notes a blob that was just stored: its bytes may not have reached the disk yet. */
  noteStored(layout: Layout, digest: Digest, sizeBytes: number): Promise<void>;
  /** Whether shared blobs are as they were, however small: those that are not are put aside. */
  damagedAmong(digests: Iterable<Digest>): Promise<readonly Digest[]>;
  /** Marks what has reached the disk by now. */
  close(): Promise<void>;
}

/** Judges the blobs of a store. */
export function soundnessOf(store: Store): Soundness {
  const { host } = store;
  const unflushed = new Map<Digest, { readonly sizeBytes: number; readonly sinceMs: number }>();
  /** Stamps of blobs that were hashed by this process: once is enough while they stay. */
  const hashed = new Map<Digest, string>();

  const isRight = async (digest: Digest, path: string, stamp: Stamp): Promise<boolean> => {
    if (hashed.get(digest) === markOf(stamp)) return true;
    const found = await host.hashing.digestFile(path);
    if (!found.ok || found.value.digest !== digest) return false;
    hashed.set(digest, markOf(stamp));
    return true;
  };

  /** A large blob whose time is as it was set has not been written to; a small one is simply read. */
  const isUnharmed = async (digest: Digest, path: string, stamp: Stamp): Promise<boolean> => {
    if (stamp.sizeBytes > SMALL_BYTES)
      return stamp.mtimeMs === BLOB_MTIME_MS || (await isRight(digest, path, stamp));
    const bytes = await host.files.readBytes(path);
    return bytes.ok && host.hashing.digestBytes(bytes.value) === digest;
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
    const { path, stamp } = store.locate(digest);
    if (store.lookOnly || stamp === null || stamp.sizeBytes !== sizeBytes) return;
    const layout = store.layouts().find((candidate) => candidate.blob(digest) === path);
    if (layout === undefined) return;
    const flushed = await host.files.flush(path);
    if (flushed.ok) await mark(layout, digest, sizeBytes, null);
  };

  const soundness: Soundness = {
    async readSmall(digest) {
      const { path, stamp } = store.locate(digest);
      if (stamp === null) return null;
      const bytes = await host.files.readBytes(path);
      if (!bytes.ok) return null;
      if (host.hashing.digestBytes(bytes.value) === digest) return bytes.value;
      await putAside(store, digest);
      return null;
    },

    async isSound(digest, sizeBytes) {
      const { path, stamp } = store.locate(digest);
      if (stamp === null) return false;
      if (stamp.sizeBytes !== sizeBytes) {
        await putAside(store, digest);
        return false;
      }
      if (stamp.mtimeMs === BLOB_MTIME_MS && (await isKnownWhole(store, digest))) return true;
      if (!(await isRight(digest, path, stamp))) {
        await putAside(store, digest);
        return false;
      }
      // A cache that was copied without its times, or survived a power cut: from now on it is known to be right.
      if (stamp.links === 1 && stamp.mtimeMs !== BLOB_MTIME_MS && !store.lookOnly)
        await host.files.setModified(path, BLOB_MTIME_MS);
      await settle(digest, sizeBytes);
      return true;
    },

    async noteStored(layout, digest, sizeBytes) {
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
        if (stamp === null || (await isUnharmed(digest, path, stamp))) continue;
        await putAside(store, digest);
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
async function isKnownWhole(store: Store, digest: Digest): Promise<boolean> {
  const metadata = (await findEntry(store, blobKey(digest)))?.metadata;
  if (!metadata) return false;
  return (
    metadata['onDisk'] === true || (metadata['bootId'] === store.host.bootId && store.host.bootId !== '')
  );
}

function markOf(stamp: Stamp): string {
  return `${stamp.device}:${stamp.inode}:${stamp.sizeBytes}:${stamp.mtimeMs}`;
}
