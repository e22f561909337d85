/** Files that several processes agree by, in a directory that others may write too: made exclusively, read with suspicion, renewed by their time. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import type { HostFailure } from '../model/failure-host.ts';
import type { Result } from '../model/result.ts';
import { attempt, errnoOf } from './errno.ts';

/** Which file it is, whatever it is called. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** What lies at a path. */
export interface LockLook extends FileIdentity {
  /** Another whenever somebody wrote it, renewed it or put something else there. */
  readonly version: string;
  readonly changedAtMs: number;
  /** The user whose file it is; NaN when that cannot be seen. */
  readonly uid: number;
  /** Null when it is no regular file, longer than it may be, or cannot be read. */
  readonly text: string | null;
}

export interface LockFiles {
  /** Makes a file that was not there, readable for everyone whatever the umask says; what is there, a link too, is refused (EEXIST). */
  create(path: string, text: string): Result<FileIdentity, HostFailure>;
  /** Looks without following a link or waiting for a writer. Reads only what is not as `known` was. Null: nothing is there. */
  look(path: string, known: LockLook | null): LockLook | null;
  /** Gives the file at `path` the present time if it still is `own`; null when that cannot be seen. */
  renew(path: string, own: FileIdentity): 'renewed' | 'absent' | 'replaced' | null;
}

/** Whoever writes more than this is no builder. */
const LONGEST_RECORD = 64 * 1024;
const TO_LOOK = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export const realLockFiles: LockFiles = {
  create: (path, text) =>
    attempt('write', path, () => {
      const file = openSync(path, 'wx', 0o644);
      try {
        fchmodSync(file, 0o644);
        writeSync(file, text);
        return identityOf(fstatSync(file));
      } finally {
        closeSync(file);
      }
    }),

  look(path, known) {
    try {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return null;
      const { mode, size, mtimeMs, ctimeMs, uid } = stats;
      const identity = identityOf(stats);
      const version = [identity.device, identity.inode, mode, size, mtimeMs, ctimeMs].join(' ');
      if (version === known?.version) return known;
      const isReadable = stats.isFile() && size <= LONGEST_RECORD;
      return {
        ...identity,
        version,
        changedAtMs: ctimeMs,
        uid,
        text: isReadable ? readBounded(path, identity) : null,
      };
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === null) throw error;
      const unseen = { device: Number.NaN, inode: Number.NaN, changedAtMs: Number.NaN, uid: Number.NaN };
      return { ...unseen, version: errno, text: null };
    }
  },

  renew(path, own) {
    try {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return 'absent';
      if (!isSameFile(own, identityOf(stats))) return 'replaced';
      const file = openSync(path, TO_LOOK);
      try {
        // By the open file: whatever takes its place in this moment keeps its own time.
        if (!isSameFile(own, identityOf(fstatSync(file)))) return 'replaced';
        const now = new Date();
        futimesSync(file, now, now);
        return 'renewed';
      } finally {
        closeSync(file);
      }
    } catch (error) {
      if (errnoOf(error) === null) throw error;
      return null;
    }
  },
};

/** Whether two are one file. Holds only while somebody keeps it: the number of a removed file is given to the next. */
export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return one.device === other.device && one.inode === other.inode;
}

function identityOf({ dev, ino }: { readonly dev: number; readonly ino: number }): FileIdentity {
  return { device: dev, inode: ino };
}

/** The whole text of a regular file that is not too long; null for everything else, and when it was exchanged meanwhile. */
function readBounded(path: string, seen: FileIdentity): string | null {
  try {
    const file = openSync(path, TO_LOOK);
    try {
      if (!isSameFile(seen, identityOf(fstatSync(file)))) return null;
      const bytes = Buffer.alloc(LONGEST_RECORD + 1);
      const length = readSync(file, bytes, 0, bytes.length, 0);
      return length > LONGEST_RECORD ? null : bytes.toString('utf8', 0, length);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
