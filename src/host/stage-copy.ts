/** Copies a file for a stage: what it sees is the bytes and the exec bit, the same mode and time whatever the source's are. */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  openSync,
  readSync,
  rmSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { copyWhole } from './copy.ts';

/** Up to here one read and one write cost less than all ways to let the kernel copy. */
const SMALL_BYTES = 64 * 1024;
const buffer = Buffer.allocUnsafe(SMALL_BYTES);
/** A link in its place is not followed, and a pipe there keeps nobody waiting. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Copies `from` to the new file `to`. Throws system errors; leaves nothing behind then. */
export async function copyForStage(from: string, to: string, mode: number, mtimeMs: number): Promise<void> {
  const source = openSync(from, READ);
  try {
    if (copySmall(source, to, mode, mtimeMs / 1000)) return;
  } finally {
    closeSync(source);
  }
  await copyWhole(from, to);
  try {
    chmodSync(to, mode);
    utimesSync(to, mtimeMs / 1000, mtimeMs / 1000);
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  }
}

/** False, and nothing done, when the file is not a small one. */
function copySmall(source: number, to: string, mode: number, seconds: number): boolean {
  const stats = fstatSync(source);
  if (!stats.isFile() || stats.size >= SMALL_BYTES) return false;
  let length = 0;
  for (;;) {
    const read = readSync(source, buffer, length, SMALL_BYTES - length, null);
    if (read === 0) break;
    length += read;
    // It grew meanwhile.
    if (length === SMALL_BYTES) return false;
  }
  const target = openSync(to, 'wx', mode);
  try {
    for (let written = 0; written < length; ) written += writeSync(target, buffer, written, length - written);
    fchmodSync(target, mode);
    futimesSync(target, seconds, seconds);
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  } finally {
    closeSync(target);
  }
  return true;
}
