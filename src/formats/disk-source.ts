/** The content of a disk, whatever format holds it: random access, and where there is nothing but zeros. */
import type { ByteSource } from '../model/bytes.ts';

export interface DiskSource extends ByteSource {
  /** The first offset, not before `offset`, at which there may be something other than zeros; `sizeBytes` when there is none. */
  nextData(offset: number): Promise<number>;
}

/** A raw image: its bytes are the disk's. Holes are not known, zeros are read. */
export function rawDisk(source: ByteSource): DiskSource {
  return {
    sizeBytes: source.sizeBytes,
    read: (into, offset) => source.read(into, offset),
    nextData: (offset) => Promise.resolve(Math.min(offset, source.sizeBytes)),
  };
}

/** Reads that must not come up short: what lies behind the end of the source is zeros. */
export async function readPadded(source: ByteSource, into: Uint8Array, offset: number): Promise<void> {
  const count = offset < source.sizeBytes ? await source.read(into, offset) : 0;
  into.fill(0, count);
}

/** Thrown in the middle of reading, where a ByteSource has no other way to say it: the image contradicts itself. Kinds turn it into a failure. */
export class DamagedDisk extends Error {}
