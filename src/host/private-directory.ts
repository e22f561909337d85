/** A directory of this user alone, reached by directories that nobody else can have tampered with; loads nothing but `node:fs`, for the quick check. */
import { accessSync, chmodSync, constants, lstatSync, mkdirSync, realpathSync, type Stats } from 'node:fs';
import { errnoOf } from './errno.ts';

const PERMISSIONS = 0o7777;
const OTHER_WRITERS = 0o022;
const STICKY = 0o1000;
const OURS_ALONE = 0o700;

/** `absent`: it could be made. `unsafe`: somebody else could put something in its place, or it cannot be made. */
export type PrivateState = 'there' | 'absent' | 'unsafe';

function ownUid(): number {
  return process.getuid?.() ?? 0;
}

/** Whether a file is of this user. */
export function isOwn(path: string): boolean {
  try {
    return lstatSync(path).uid === ownUid();
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return false;
  }
}

/**
 * Looks at a chain of directories, each in the one before, without following a link in it. The last is for us alone; whoever
 * owns one of the others must be we or root, and if others may write to it, it must be sticky. `repair`: what is ours is
 * given the mode that it should have, unless others could write to the last.
 */
export function lookAtPrivate(chain: readonly string[], repair: boolean): PrivateState {
  let parent: string | null = null;
  try {
    for (const [at, path] of chain.entries()) {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return parent === null || isWritable(parent) ? 'absent' : 'unsafe';
      const isSafe = at === chain.length - 1 ? isOurs(path, stats, repair) : isGuarded(path, stats, repair);
      if (!isSafe) return 'unsafe';
      parent = path;
    }
    return 'there';
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return 'unsafe';
  }
}

/** Makes what is missing of such a chain. `shared`: the mode of all but the last, where they are to be of others too. Throws system errors. */
export function makePrivate(chain: readonly string[], shared: number | null): PrivateState {
  for (const [at, path] of chain.entries()) {
    const mode = at === chain.length - 1 ? OURS_ALONE : at === 0 ? null : shared;
    try {
      mkdirSync(path, { recursive: at === 0, mode: mode === OURS_ALONE ? mode : 0o777 });
      // The umask, and the set-group-id bit of the parent, had their say.
      if (mode !== null) chmodSync(path, mode);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
  return lookAtPrivate(chain, true);
}

function isOurs(path: string, stats: Stats, repair: boolean): boolean {
  if (!stats.isDirectory() || stats.uid !== ownUid()) return false;
  if ((stats.mode & PERMISSIONS) === OURS_ALONE) return true;
  // Whoever could write there may have done so, or have a directory in it open still: closing it now makes nothing of it ours again.
  if (!repair || (stats.mode & OTHER_WRITERS) !== 0) return false;
  chmodSync(path, OURS_ALONE);
  return true;
}

function isGuarded(path: string, stats: Stats, repair: boolean): boolean {
  if (!stats.isDirectory() || (stats.uid !== ownUid() && stats.uid !== 0)) return false;
  if ((stats.mode & OTHER_WRITERS) === 0 || (stats.mode & STICKY) !== 0) return true;
  if (!repair || stats.uid !== ownUid()) return false;
  chmodSync(path, (stats.mode & PERMISSIONS) | STICKY);
  return true;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return false;
  }
}

/** The path without links, by one question to the C library; null when it leads nowhere. */
export function realDirectory(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
