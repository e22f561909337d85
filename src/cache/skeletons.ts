/** Workspaces whose private directories nobody touched, to be used again: most of what a trivial command costs is making and removing directories. */
import type { Files, Stamp } from '../host/host.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { ok, type Result } from '../model/result.ts';
import { sameStat } from '../model/stat-record.ts';

/** A directory with empty ones in it, and the stamps that those had when they were made. */
export interface Skeleton {
  readonly path: string;
  readonly mode: number;
  readonly empty: ReadonlyMap<string, Stamp>;
}

/** Makes a directory with empty ones in it. */
export async function makeSkeleton(
  files: Files,
  path: string,
  names: readonly string[],
): Promise<Result<Skeleton, HostFailure>> {
  const empty = new Map<string, Stamp>();
  const made = await files.makeDirectory(path);
  if (!made.ok) return made;
  for (const name of names) {
    const below = await files.makeDirectory(`${path}/${name}`);
    if (!below.ok) return below;
    const stamp = files.stamp(`${path}/${name}`);
    if (stamp !== null) empty.set(name, stamp);
  }
  return ok({ path, mode: files.stamp(path)?.mode ?? 0, empty });
}

/**
 * Removes all that is no part of a skeleton but for empty directories: their paths are given back. All of it, and gives
 * null, when its own directories are not as they were made, or it cannot be seen what is in it.
 */
export async function strip(
  files: Files,
  { path, mode, empty }: Skeleton,
): Promise<readonly string[] | null> {
  const { names, trouble } = files.list(path);
  const isUntouched =
    trouble === null &&
    files.stamp(path)?.mode === mode &&
    [...empty].every(([name, made]) => isEmptyStill(files, `${path}/${name}`, made));
  if (!isUntouched) {
    await files.remove(path);
    return null;
  }
  const emptied: string[] = [];
  for (const name of names) {
    if (empty.has(name)) continue;
    const below = `${path}/${name}`;
    const isEmpty = files.stamp(below)?.type === 'directory' && isEmptyDirectory(files, below);
    if (isEmpty) emptied.push(below);
    else if (!(await files.remove(below)).ok) return null;
  }
  return emptied;
}

/** Any file made in it, even one that is gone, would have changed its times; being empty rules out one made within the clock's grain. */
function isEmptyStill(files: Files, path: string, made: Stamp): boolean {
  const stamp = files.stamp(path);
  return stamp !== null && stamp.mode === made.mode && sameStat(stamp, made) && isEmptyDirectory(files, path);
}

/** Of one that cannot be listed nobody knows. */
function isEmptyDirectory(files: Files, path: string): boolean {
  const { names, trouble } = files.list(path);
  return names.length === 0 && trouble === null;
}
