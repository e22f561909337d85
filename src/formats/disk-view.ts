/** Fields of headers and tables in an image that may lie: bounded reads, and numbers that are checked before they are used. */
import type { ByteSource } from '../model/bytes.ts';
import type { DiskWindow } from '../model/disk-format.ts';
import { readPadded } from './disk-source.ts';

export const SECTOR_BYTES = 512;

/** No format describes a larger disk: VHDX ends here, VMware's disks at 62 TiB. What claims more is damaged or means harm. */
export const MOST_DISK_BYTES = 64 * 2 ** 40;

/** Tables are read in pieces of this size, so that none has to fit into memory. */
const PIECE_BYTES = 2 ** 20;

/** Bytes at an offset; zeros behind the end of the file. Callers bound `sizeBytes` themselves. */
export async function viewAt(source: ByteSource, offset: number, sizeBytes: number): Promise<DataView> {
  const bytes = new Uint8Array(sizeBytes);
  await readPadded(source, bytes, offset);
  return new DataView(bytes.buffer);
}

/** An unsigned 64-bit field as a number; infinite when it is too large for one, so that every bound refuses it. */
export function field64(view: DataView, offset: number, littleEndian: boolean): number {
  const value = Number(view.getBigUint64(offset, littleEndian));
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

/** Latin-1 text of a field, up to its first NUL. */
export function textAt(view: DataView, offset: number, length: number): string {
  const text = Buffer.from(view.buffer, view.byteOffset + offset, length).toString('latin1');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** The size of a disk rounded up to whole sectors, as QEMU and every guest see it. */
export function wholeSectors(sizeBytes: number): number {
  return Math.ceil(sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
}

/** Why a disk of this size is none, as the rest of a sentence about the image; null for one that may be. */
export function sizeProblem(sizeBytes: number): string | null {
  if (sizeBytes === 0) return 'describes an empty disk, of 0 bytes';
  if (sizeBytes > MOST_DISK_BYTES)
    return `claims a disk of ${Number.isFinite(sizeBytes) ? sizeBytes : 'more than 2^53'} bytes; the most is ${MOST_DISK_BYTES} (64 TiB)`;
  return null;
}

/**
 * Looks at every entry of a table that lies in the file; the first problem ends the walk. The table must have been found to
 * lie within the file, so that the work is bounded by what is really there.
 */
export async function eachEntry(
  source: ByteSource,
  table: { readonly offset: number; readonly entries: number; readonly entryBytes: number },
  look: (view: DataView, at: number, index: number) => string | null,
): Promise<string | null> {
  const { offset, entries, entryBytes } = table;
  const atOnce = Math.max(1, Math.floor(PIECE_BYTES / entryBytes));
  for (let first = 0; first < entries; first += atOnce) {
    const count = Math.min(atOnce, entries - first);
    const view = await viewAt(source, offset + first * entryBytes, count * entryBytes);
    for (let index = 0; index < count; index++) {
      const problem = look(view, index * entryBytes, first + index);
      if (problem !== null) return problem;
    }
  }
  return null;
}

/** A part of a file as a file of its own. */
export function windowOf(source: ByteSource, window: DiskWindow | null): ByteSource {
  if (window === null) return source;
  return {
    sizeBytes: window.sizeBytes,
    read(into, offset) {
      const left = Math.max(0, Math.min(into.length, window.sizeBytes - offset));
      return left === 0 ? Promise.resolve(0) : source.read(into.subarray(0, left), window.offset + offset);
    },
  };
}
