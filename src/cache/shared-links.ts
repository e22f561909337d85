/** Blobs given to stages for reading: blocks shared where the file system can, else hard links that are taken back one by one. */
import type { Digest } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { ok, type Result } from '../model/result.ts';
import { settledAtMs } from '../model/stat-record.ts';
import { BLOB_MTIME_MS, SMALL_BYTES } from './limits.ts';
import type { Store } from './store.ts';

export interface SharedLinks {
  /** Puts a blob that is sound at a path that is free, for reading. */
  put(file: SharedFile, to: string): Promise<Result<void, HostFailure>>;
  /**
   * Waits until whatever a stage does to a link from now on gives it another ctime: within one tick of the clock a write
   * could be undone to the eye.
   */
  settle(): Promise<void>;
  /** Removes the links below a directory, so that what it was is known of each blob afterwards. */
  removeBelow(directory: string): Promise<void>;
}

interface SharedFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly executable: boolean;
}

/** Up to here a copy takes no longer than waiting until a link can be watched, and a stage that writes into it harms nobody. */
const COPIED_BYTES = 16 * 1024 * 1024;

/** A blob whose time lies further ahead is of another clock: its digest is taken again when the stage has ended. */
const LONGEST_WAIT_MS = 50;

/** Does something to the links of a blob. */
type Relink = <T>(digest: Digest, change: () => Promise<T>) => Promise<T>;

/** The links that one process gives out. */
export function sharedLinks(store: Store, relink: Relink): SharedLinks {
  const { files, clock } = store.host;
  /** Path → the large blob that is linked there. */
  const given = new Map<string, Digest>();
  let canClone: boolean | null = null;
  let settledMs = 0;

  const clone = async (from: string, to: string, mode: number): Promise<boolean> => {
    if (canClone === false) return false;
    const cloned = await files.clone(from, to, mode);
    canClone ??= cloned.ok;
    return cloned.ok && (await files.setModified(to, BLOB_MTIME_MS)).ok;
  };

  /** A link shows the blob's own mode, 0444: an executable one needs an inode of its own. */
  const link = async ({ digest, sizeBytes, executable }: SharedFile, from: string, to: string) => {
    if (executable || (sizeBytes > SMALL_BYTES && sizeBytes <= COPIED_BYTES)) return false;
    if (sizeBytes <= SMALL_BYTES) return (await files.link(from, to)).ok;
    const linked = await relink(digest, () => files.link(from, to));
    if (!linked.ok) return false;
    given.set(to, digest);
    const stamp = files.stamp(to);
    if (stamp !== null) settledMs = Math.max(settledMs, settledAtMs(stamp));
    return true;
  };

  return {
    async put(file, to) {
      const { path } = store.locate(file.digest);
      const mode = file.executable ? 0o555 : 0o444;
      if ((await clone(path, to, mode)) || (await link(file, path, to))) return ok(undefined);
      // A clone that could not be dated would be in the way.
      const free = await files.remove(to);
      const copied = free.ok ? await files.copyFile(path, to, mode) : free;
      return copied.ok ? files.setModified(to, BLOB_MTIME_MS) : copied;
    },

    async settle() {
      const waitMs = settledMs - clock.nowMs();
      if (waitMs > 0 && waitMs <= LONGEST_WAIT_MS) await clock.sleep(Math.ceil(waitMs));
    },

    async removeBelow(directory) {
      for (const [path, digest] of given) {
        if (!path.startsWith(`${directory}/`)) continue;
        given.delete(path);
        // The stage may have put something else there: that goes with the directory.
        if (files.stamp(path)?.inode !== store.locate(digest).stamp?.inode) continue;
        await relink(digest, () => files.remove(path));
      }
    },
  };
}
