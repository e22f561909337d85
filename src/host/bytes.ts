/** Readers and writers of whole files: random access for formats, new files that follow no link, atomic replacement. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ByteSink, ByteSource } from '../model/bytes.ts';
import { closeAnyway, errnoOf } from './errno.ts';
import type { OpenFile } from './host.ts';
import { insistOnFile, type ReadLimits, readFlags } from './read-regular.ts';
import { userUmask } from './umask.ts';

/** A part of a name that nobody can foretell. */
export function randomName(): string {
  return randomBytes(12).toString('hex');
}

/** A name beside `path` that nobody else uses; hidden, so that a listing does not show it. */
function temporaryName(path: string): string {
  return `${dirname(path)}/.${randomName()}.tmp`;
}

/** Opens a regular file for reading while `use` runs. Throws system errors. */
export async function readThrough<T>(
  path: string,
  use: (source: ByteSource) => Promise<T>,
  limits: Pick<ReadLimits, 'noFollow'> = {},
): Promise<T> {
  const file = await open(path, readFlags(limits));
  try {
    const stats = await file.stat();
    insistOnFile(stats, path);
    return await use({ sizeBytes: stats.size, read: (into, offset) => readFully(file, into, offset) });
  } finally {
    await file.close();
  }
}

/** The system may give less than asked for: ask again until the buffer is full or the file ends. */
async function readFully(file: FileHandle, into: Uint8Array, offset: number): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** Makes the new file `path`, lets `use` write it. Throws system errors; no half file stays. */
export async function writeThrough<T>(path: string, use: (sink: ByteSink) => Promise<T>): Promise<T> {
  const file = await open(path, 'wx');
  try {
    const value = await use({
      write: (bytes) => writeFully(file, bytes, null),
      writeAt: (bytes, offset) => writeFully(file, bytes, offset),
    });
    await file.close();
    return value;
  } catch (error) {
    // The first error is the one to tell; a second one while giving up says nothing new.
    await file.close().catch(() => undefined);
    await rm(path, { force: true });
    throw error;
  }
}

/** For a name that is free. */
const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** For a file that may be there; a pipe without a reader is trouble, not a wait. */
const OVER = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface WriteOptions {
  readonly mode?: number;
  readonly lessUmask?: boolean;
  /** The file may be there already: then it gets these bytes. Otherwise that is trouble (`EEXIST`). */
  readonly over?: boolean;
}

/** Writes a file. Never through a link. Throws system errors. */
export function writeWhole(path: string, data: string | Uint8Array, options: WriteOptions = {}): void {
  const { mode, lessUmask = false, over = false } = options;
  const asked = lessUmask ? (mode ?? 0o666) & ~userUmask() : (mode ?? 0o666);
  const descriptor = openSync(path, over ? OVER : NEW, asked);
  try {
    if (over) ftruncateSync(descriptor);
    writeFileSync(descriptor, data);
    if (mode !== undefined && !lessUmask) fchmodSync(descriptor, mode);
  } finally {
    closeSync(descriptor);
  }
}

/** Adds to a file, which is made with this mode when it is not there. Throws system errors. */
export function appendWhole(
  path: string,
  data: string | Uint8Array,
  { mode = 0o666, follow = false }: AppendOptions = {},
): void {
  const flags = follow ? constants.O_WRONLY | constants.O_CREAT : OVER;
  const descriptor = openSync(path, flags | constants.O_APPEND, mode);
  try {
    writeFileSync(descriptor, data);
  } finally {
    closeSync(descriptor);
  }
}

export interface AppendOptions {
  /** Less the umask. */
  readonly mode?: number;
  /** Also through a link: for a file that the user named. */
  readonly follow?: boolean;
}

/** Makes a new file of exactly this mode, to add to while it is open, whatever becomes of its name. Throws system errors. */
export function createOpen(path: string, mode: number): OpenFile {
  const descriptor = openSync(path, NEW | constants.O_APPEND, mode);
  fchmodSync(descriptor, mode);
  return {
    append(data) {
      try {
        writeFileSync(descriptor, data);
        return null;
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === null) throw error;
        return errno;
      }
    },
    close: () => closeAnyway(descriptor),
  };
}

/** At `offset`, or with null where the last such write ended. */
async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number | null): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const position = offset === null ? null : offset + written;
    written += (await file.write(bytes, written, bytes.length - written, position)).bytesWritten;
  }
}

/**
 * Gives `path` new content under a temporary name that is then renamed: readers see the old or the new bytes. `mode` null
 * leaves it to the umask; otherwise it is exact. Throws system errors.
 */
export function replaceWhole(
  path: string,
  data: string | Uint8Array,
  mode: number | null,
  flush: boolean,
): void {
  const temporary = temporaryName(path);
  try {
    const descriptor = openSync(temporary, 'wx', mode ?? 0o666);
    try {
      writeFileSync(descriptor, data);
      if (mode !== null) fchmodSync(descriptor, mode);
      if (flush) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
