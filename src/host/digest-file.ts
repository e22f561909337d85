/** sha256 of one file, read in large pieces into one buffer: as fast as the processor hashes, whatever the size. */
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';

/** Larger reads gain nothing, smaller ones lose a tenth (docs/design/cache.md, "Figures"). */
const READ_BYTES = 1024 * 1024;
/** One for all files: a MiB of memory for each of a hundred thousand small ones would cost far more than hashing them. */
let shared: Buffer | null = null;
/** Of a pipe that has taken a file's place nobody waits for the other end. */
export const TO_READ = constants.O_RDONLY | constants.O_NONBLOCK;
/** How often progress is told. */
const REPORT_BYTES = 64 * READ_BYTES;

export interface FileDigest {
  readonly hex: string;
  readonly sizeBytes: number;
}

/** Reads to the end of the file, synchronously. Throws system errors. */
export function digestFileSync(path: string, onProgress?: (bytes: number) => void): FileDigest {
  const descriptor = openSync(path, TO_READ);
  try {
    const hash = createHash('sha256');
    shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
    const buffer = shared;
    let sizeBytes = 0;
    for (let reported = 0; ; ) {
      const length = readSync(descriptor, buffer, 0, READ_BYTES, null);
      if (length === 0) break;
      hash.update(length === READ_BYTES ? buffer : buffer.subarray(0, length));
      sizeBytes += length;
      if (sizeBytes - reported < REPORT_BYTES) continue;
      reported = sizeBytes;
      onProgress?.(sizeBytes);
    }
    return { hex: hash.digest('hex'), sizeBytes };
  } finally {
    closeSync(descriptor);
  }
}
