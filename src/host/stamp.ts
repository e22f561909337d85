/** Looking at files without opening them: stamps, names, walks. Synchronous, because that is several times faster for many files. */
import { lstatSync, readdirSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import type { HostFailure } from '../model/failure-host.ts';
import { byCodeUnit } from '../model/json.ts';
import type { Result } from '../model/result.ts';
import { attempt, errnoOf } from './errno.ts';
import type { Names, Stamp, Walk } from './host.ts';
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

/** What errors say that nothing is there: the name itself, or a parent of it that is no directory. All others are trouble. */
const ABSENT = ['ENOENT', 'ENOTDIR'];

/** Says that nothing can be said: no number in it equals any other, nor itself, so that it never counts as unchanged. */
const NOTHING_KNOWN = {
  dev: Number.NaN,
  ino: Number.NaN,
  size: Number.NaN,
  mtimeMs: Number.NaN,
  ctimeMs: Number.NaN,
} as const;

/** The stamp of what cannot be looked at. */
function unknownStamp(errno: string): Stamp {
  return {
    type: 'unknown',
    errno,
    device: Number.NaN,
    inode: Number.NaN,
    sizeBytes: Number.NaN,
    mtimeMs: Number.NaN,
    ctimeMs: Number.NaN,
    mode: 0,
    links: 0,
    allocatedBytes: 0,
  };
}

/** The error's code, or null where it says that nothing is there. Anything but a system error is thrown on. */
function troubleIn(error: unknown): string | null {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  return ABSENT.includes(errno) ? null : errno;
}

function look(path: string, at: typeof lstatSync): Stamp | null {
  try {
    return stampOf(at(path, NO_ERROR_WHEN_ABSENT));
  } catch (error) {
    const errno = troubleIn(error);
    return errno === null ? null : unknownStamp(errno);
  }
}

/** The stamp of what is at `path` itself; null when nothing is, of the type `unknown` when that cannot be seen. */
export function stamp(path: string): Stamp | null {
  return look(nearPath(path), lstatSync);
}

const NO_ERROR_WHEN_ABSENT = { throwIfNoEntry: false } as const;

/** Of what `lstat` says of `path` the part that shows a change, without an object of ours; null when nothing is there. */
export function rawStamp(path: string): Pick<Stats, keyof typeof NOTHING_KNOWN> | null {
  try {
    return lstatSync(path, NO_ERROR_WHEN_ABSENT) ?? null;
  } catch (error) {
    return troubleIn(error) === null ? null : NOTHING_KNOWN;
  }
}

/** The stamp of what `path` leads to; null when it leads nowhere, of the type `unknown` when that cannot be seen. */
export function stampTarget(path: string): Stamp | null {
  return look(path, statSync);
}

/** What UTF-8 has no place for is read as this: then the bytes themselves must be looked at. */
const REPLACEMENT = '\u{fffd}';

/** Bytes of a name as text; null when they are no UTF-8. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** A name that is no UTF-8, for a message: each of its bytes that is no printable ASCII as `\xe9`. */
function escaped(bytes: Uint8Array): string {
  return [...bytes]
    .map((byte) => {
      const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
      return isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

/** The first name in a directory that is no UTF-8; null when all are. */
function strangeName(path: string): HostFailure | null {
  const strange = readdirSync(path, 'buffer').find((name) => textOf(name) === null);
  if (strange === undefined) return null;
  return {
    code: 'file-trouble',
    action: 'read the name of',
    path: `${path}/${escaped(strange)}`,
    errno: NO_TEXT,
  };
}

/** What the C library calls bytes that are no text. */
const NO_TEXT = 'EILSEQ';

/** Names in a directory, sorted by code unit; none when there is no such directory. */
export function list(path: string): Names {
  try {
    const names = readdirSync(path).sort(byCodeUnit);
    const trouble = names.some((name) => name.includes(REPLACEMENT)) ? strangeName(path) : null;
    return { names, trouble };
  } catch (error) {
    return { names: [], trouble: listTrouble(path, error) };
  }
}

function listTrouble(path: string, error: unknown): HostFailure | null {
  const errno = troubleIn(error);
  return errno === null ? null : { code: 'file-trouble', action: 'list', path, errno };
}

/** Every path below a directory, sorted by code unit; links are not followed. */
export function walk(path: string): Walk {
  const entries: { path: string; type: Stamp['type'] }[] = [];
  let trouble: HostFailure | null = null;
  const pending = [''];
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    const directory = prefix === '' ? path : `${path}/${prefix}`;
    try {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        const below = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
        const type = typeOf(entry);
        if (entry.name.includes(REPLACEMENT)) trouble ??= strangeName(directory);
        entries.push({ path: below, type });
        if (type === 'directory') pending.push(below);
      }
    } catch (error) {
      trouble ??= listTrouble(directory, error);
    }
  }
  return { entries: entries.sort((a, b) => byCodeUnit(a.path, b.path)), trouble };
}

/** The path without links; null when it leads nowhere, or to where it cannot be followed. */
export function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** The text of a link; trouble when its bytes are no UTF-8, for no other text leads there. */
export function readLink(path: string): Result<string, HostFailure> {
  return attempt('read the link', path, () => {
    const bytes = readlinkSync(path, 'buffer');
    const text = textOf(bytes);
    if (text !== null) return text;
    throw Object.assign(new Error(`no UTF-8: ${escaped(bytes)}`), { code: NO_TEXT });
  });
}
