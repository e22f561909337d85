/** Readers and writers of whole files: random access for formats, atomic replacement. */
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ByteSink, ByteSource } from '../model/bytes.ts';

let temporaryNames = 0;

/** A name beside `path` that nobody else uses; hidden, so that a listing does not show it. */
function temporaryName(path: string): string {
  temporaryNames += 1;
  return `${dirname(path)}/.${process.pid.toString(36)}-${Date.now().toString(36)}-${temporaryNames.toString(36)}.tmp`;
}

/** Opens `path` for reading while `use` runs. Throws system errors. */
export async function readThrough<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return await use({ sizeBytes: size, read: (into, offset) => readFully(file, into, offset) });
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
