/** Looking at files without opening them: stamps, names, walks. Synchronous, because that is several times faster for many files. */
import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { byCodeUnit } from '../model/json.ts';
import { errnoOf } from './errno.ts';
import type { Stamp } from './host.ts';
import { nearPath } from './near-path.ts';

function typeOf(stats: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}): Stamp['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'link' : 'other';
}

function stampOf(stats: Stats | null | undefined): Stamp | null {
  if (!stats) return null;
  return {
    type: typeOf(stats),
    device: stats.dev,
    inode: stats.ino,
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    ctimeMs: stats.ctimeMs,
    mode: stats.mode,
    links: stats.nlink,
    allocatedBytes: (stats.blocks ?? 0) * 512,
  };
}

/** What cannot be looked at (no permission on a parent, a parent that is a file, a loop of links) counts as not there. */
function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** The stamp of what is at `path` itself; null when nothing is. */
export function stamp(path: string): Stamp | null {
  return stampOf(rawStamp(nearPath(path)));
}

const NO_ERROR_WHEN_ABSENT = { throwIfNoEntry: false } as const;

/** All that Node says of `path`, without an object of ours; null when nothing is there. */
export function rawStamp(path: string): Stats | null {
  try {
    return lstatSync(path, NO_ERROR_WHEN_ABSENT) ?? null;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** The stamp of what `path` leads to; null when it leads nowhere. */
export function stampTarget(path: string): Stamp | null {
  return orNull(() => stampOf(statSync(path, { throwIfNoEntry: false })));
}

/** Names in a directory, sorted by code unit; empty when there is none. */
export function list(path: string): readonly string[] {
  return (orNull(() => readdirSync(path)) ?? []).sort(byCodeUnit);
}

/** Every path below a directory, sorted by code unit; links are not followed. */
export function walk(path: string): readonly { readonly path: string; readonly type: Stamp['type'] }[] {
  const found: { path: string; type: Stamp['type'] }[] = [];
  const pending = [''];
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    const directory = prefix === '' ? path : `${path}/${prefix}`;
    for (const entry of orNull(() => readdirSync(directory, { withFileTypes: true })) ?? []) {
      const below = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
      const type = typeOf(entry);
      found.push({ path: below, type });
      if (type === 'directory') pending.push(below);
    }
  }
  return found.sort((a, b) => byCodeUnit(a.path, b.path));
}

/** The path without links; null when it leads nowhere. */
export function realPath(path: string): string | null {
  return orNull(() => realpathSync(path));
}
