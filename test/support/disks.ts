/** Disk images for tests: reproducible content with holes, made without any tool. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/** Bytes that look random, compress a little, and are the same in every run. */
export function noise(sizeBytes: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = seed >>> 0 || 1;
  for (let index = 0; index < sizeBytes; index++) {
    // xorshift32
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    bytes[index] = state & 0x3f;
  }
  return bytes;
}

export interface Stretch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A sparse raw image with these stretches of content. */
export function rawImage(path: string, sizeBytes: number, stretches: readonly Stretch[]): string {
  const descriptor = openSync(path, 'w');
  ftruncateSync(descriptor, sizeBytes);
  for (const { offset, bytes } of stretches) writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
  return path;
}
