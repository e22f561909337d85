/** Ways to damage a file while its times stay, and what is done with every file of a place in each. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';

const BY_ANYBODY = ['empty', 'half', 'bit', 'junk', 'gone', 'directory', 'pipe', 'link'] as const;

export type Way = (typeof BY_ANYBODY)[number] | 'other owner';

/** Only root can give files away. */
export const WAYS: readonly Way[] =
  process.getuid?.() === 0 ? [...BY_ANYBODY, 'other owner'] : [...BY_ANYBODY];

const STRANGER = 12_345;

/** Damages a file; what takes its place has its times, mode and owner. */
export function harm(path: string, way: Way): void {
  const { atimeMs, mtimeMs, mode, uid, gid } = lstatSync(path);
  if (way === 'other owner') {
    chownSync(path, STRANGER, STRANGER);
    return;
  }
  const bytes = readFileSync(path);
  rmSync(path);
  const at = bytes.length >> 1;
  if (way === 'bit') bytes[at] = (bytes[at] ?? 0) ^ 4;
  if (way === 'gone') return;
  if (way === 'directory') mkdirSync(join(path, 'x'), { recursive: true });
  else if (way === 'pipe') execFileSync('mkfifo', [path]);
  else if (way === 'link') symlinkSync('/etc/hostname', path);
  else {
    const junk = Buffer.alloc(Math.max(1, bytes.length), 'junk');
    const left = { empty: Buffer.alloc(0), half: bytes.subarray(0, at), bit: bytes, junk }[way];
    writeFileSync(path, left);
    chmodSync(path, mode & 0o777);
  }
  if (process.getuid?.() === 0) execFileSync('chown', ['-Rh', `${uid}:${gid}`, path]);
  if (way !== 'link') utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}

/** Every file below a directory, relative to it. */
export function filesBelow(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes('quarantine'))
    .sort();
}

/** So many of all, spread evenly; all of them with BAKE_DAMAGE_POINTS=all. */
export function spread<T>(all: readonly T[], fewer: number): readonly T[] {
  const asked = process.env['BAKE_DAMAGE_POINTS'] ?? String(fewer);
  const many = asked === 'all' ? all.length : Math.min(Number(asked), all.length);
  let step = Math.max(1, Math.floor(all.length / many));
  // Without a divisor in common, so that it meets every way.
  while (many < all.length && gcd(step, all.length) > 1) step += 1;
  return Array.from({ length: many }, (_, at) => all[(at * step) % all.length] as T);
}

function gcd(one: number, other: number): number {
  return other === 0 ? one : gcd(other, one % other);
}
