/** Copies a file: shares its blocks where the file system can, else keeps its holes; never shares a writable inode. */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  lstatSync,
  openSync,
  rmSync,
} from 'node:fs';
import { copyFile, type FileHandle, open } from 'node:fs/promises';
import { errnoOf } from './errno.ts';
import { userUmask } from './umask.ts';

const CHUNK_BYTES = 1024 * 1024;
/** What a hole is counted in: the block size of nearly every file system. */
const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/**
 * Copies `from` to the new file `to` (an existing one is an error, EEXIST), with the mode of the source or `mode` less
 * the user's umask. Throws system errors; leaves nothing behind then.
 */
export async function copyWhole(from: string, to: string, mode?: number): Promise<void> {
  const stats = lstatSync(from);
  const asked = mode ?? stats.mode & 0o777;
  // Writable while it is being made: only root may write to a file that is born read-only.
  const left = modeLeft(to, asked | 0o200);
  try {
    if (!sharesBlocks(from, to)) {
      // A file that occupies less than its size has holes: the kernel's copy would fill them.
      if (stats.size > BLOCK_BYTES && stats.blocks * 512 < stats.size) await copySparse(from, to, stats.size);
      else await copyFile(from, to);
    }
    chmodSync(to, mode === undefined ? asked : left & asked & ~userUmask());
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  }
}

/** Shares the blocks of `from` with the new file `to`; throws where that cannot be, and leaves nothing behind then. */
export function cloneWhole(from: string, to: string, mode: number): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  chmodSync(to, mode);
}

/** Makes an empty file and sees what the umask left of its mode: every way of copying would bring the source's. */
function modeLeft(path: string, mode: number): number {
  const descriptor = openSync(path, 'wx', mode);
  try {
    return fstatSync(descriptor).mode & 0o777;
  } finally {
    closeSync(descriptor);
  }
}

/** Whether the copy was made by sharing blocks (btrfs, xfs): instantly, whatever the size. */
function sharesBlocks(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null || errno === 'ENOENT') throw error;
    // ENOTSUP, EXDEV, EINVAL…: another way may do. libuv removes a target that it could not fill.
    return false;
  }
}

async function copySparse(from: string, to: string, sizeBytes: number): Promise<void> {
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'w', 0o600);
    try {
      await target.truncate(sizeBytes);
      await copyData(source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Node has no SEEK_HOLE: zeros are found by comparing, at memory speed, and skipped. */
async function copyData(source: FileHandle, target: FileHandle): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let offset = 0; ; ) {
    const { bytesRead } = await source.read(buffer, 0, CHUNK_BYTES, offset);
    if (bytesRead === 0) return;
    for (const [start, end] of dataRanges(buffer, bytesRead)) {
      await target.write(buffer, start, end - start, offset + start);
    }
    offset += bytesRead;
  }
}

/** The runs of whole blocks that are not all zeros. */
function dataRanges(buffer: Buffer, length: number): [number, number][] {
  if (isZero(buffer, 0, length)) return [];
  const ranges: [number, number][] = [];
  for (let start = 0; start < length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, length);
    if (isZero(buffer, start, end)) continue;
    const last = ranges.at(-1);
    if (last && last[1] === start) last[1] = end;
    else ranges.push([start, end]);
  }
  return ranges;
}

function isZero(buffer: Buffer, start: number, end: number): boolean {
  return buffer[start] === 0 && buffer.compare(ZEROS, 0, end - start, start, end) === 0;
}
