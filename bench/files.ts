/** Files for measuring: large ones without holes or repetition at the scale of a block, and many small ones. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const PIECE_BYTES = 8 << 20;

/** Writes `sizeBytes` of bytes that no tool can shorten, on the disk when it returns; dated back. */
export function writeLarge(path: string, sizeBytes: number): void {
  const piece = randomBytes(PIECE_BYTES);
  const total = Math.floor(sizeBytes);
  const file = openSync(path, 'w');
  for (let at = 0; at < total; at += PIECE_BYTES) {
    piece.writeBigUInt64LE(BigInt(at));
    writeSync(file, piece, 0, Math.min(PIECE_BYTES, total - at));
  }
  fsyncSync(file);
  closeSync(file);
  utimesSync(path, 1_600_000_000, 1_600_000_000);
}

/** Files of a KiB each, a hundred to a directory; dated back. */
export function writeSmall(directory: string, count: number): void {
  for (let index = 0; index < count; index++) {
    const parent = join(directory, String(Math.floor(index / 100)));
    if (index % 100 === 0) mkdirSync(parent, { recursive: true });
    const path = join(parent, `${index}.txt`);
    writeFileSync(path, `${index}\n`.padEnd(1024, '.'));
    utimesSync(path, 1_600_000_000, 1_600_000_000);
  }
}

/** The file with this inode somewhere below a directory; null when there is none. */
export function findInode(directory: string, inode: number): string | null {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (statSync(path).ino === inode) return path;
  }
  return null;
}
