/** Copies a file: shares its blocks where the file system can, else keeps its holes; never shares a writable inode. */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
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
 * the user's umask; `exact`: with that mode, whatever the umask. Throws system errors; leaves nothing behind then.
 */
export async function copyWhole(from: string, to: string, mode?: number, exact = false): Promise<void> {
  const stats = lstatSync(from);
  const asked = mode ?? stats.mode & 0o777;
  // Writable while it is being made: only root may write to a file that is born read-only.
  const made = openSync(to, 'wx', asked | 0o200);
  try {
    // What the umask left of its mode: every way of copying would bring the source's.
    const left = fstatSync(made).mode & 0o777;
    const target = whileOpen(made, to);
    if (!sharesBlocks(from, target)) {
      // The attempt may have brought the source's mode already.
      fchmodSync(made, asked | 0o200);
      // A file that occupies less than its size has holes: the kernel's copy would fill them.
      if (stats.size > BLOCK_BYTES && stats.blocks * 512 < stats.size)
        await copySparse(from, target, stats.size);
      else await copyFile(from, target);
    }
    fchmodSync(made, mode === undefined || exact ? asked : left & asked & ~userUmask());
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  } finally {
    closeSync(made);
  }
}

/**
 * A path of an open file by which nothing else is opened, whatever somebody puts at its name meanwhile: the directory for
 * temporary files of a shared cache belongs to whoever came first. Its name where the system has no such path.
 */
function whileOpen(descriptor: number, name: string): string {
  const path = `/proc/self/fd/${descriptor}`;
  return existsSync(path) ? path : name;
}

/** Shares the blocks of `from` with the new file `to`; throws where that cannot be, and leaves nothing behind then. */
export function cloneWhole(from: string, to: string, mode: number): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  chmodSync(to, mode);
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
