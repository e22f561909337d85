/** The compressed grains of a stream-optimized VMDK, for who writes a newer one of nearly the same disk. */
import type { ByteSource } from '../model/bytes.ts';
import type { CompressedGrains } from './grain-compressor.ts';
import { readVmdkMap } from './vmdk-header.ts';
import { GRAIN_BYTES, GRAIN_SECTORS, VMDK_SECTOR_BYTES } from './vmdk-layout.ts';

const MARKER_BYTES = 12;
// Grains are asked for, and lie, in ascending order: one large read serves many of them.
const WINDOW_BYTES = 4 * 2 ** 20;
/** More than any compressor makes of a grain. */
const MOST_STREAM_BYTES = 2 * GRAIN_BYTES;

/** The grains of an image, and which there are. */
export interface VmdkGrains extends CompressedGrains {
  /** Of the disk; 0 of what cannot be read. */
  readonly capacityBytes: number;
  /** The first from `grain` on that the image holds; infinite when there is none. */
  next(grain: number): Promise<number>;
}

/** Those of no image. */
export const NO_GRAINS: VmdkGrains = {
  capacityBytes: 0,
  stream: async () => null,
  next: async () => Number.POSITIVE_INFINITY,
};

/** Opens an image; what cannot be read as one with our grains holds none. */
export async function openVmdkGrains(source: ByteSource): Promise<VmdkGrains> {
  const map = await readVmdkMap(source);
  if (!map.ok || !map.value.isCompressed || map.value.grainSectors !== GRAIN_SECTORS) return NO_GRAINS;
  const { perTable, tableCount, capacitySectors, table: readTable } = map.value;
  let table: { readonly index: number; readonly sectors: Uint32Array | null } | null = null;
  let window = { offset: 0, bytes: Buffer.alloc(0) };
  let turn: Promise<unknown> = Promise.resolve();

  async function sectorsOf(index: number): Promise<Uint32Array | null> {
    if (table?.index === index) return table.sectors;
    const sectors = await readTable(index);
    table = { index, sectors };
    return sectors;
  }

  async function sectorOf(grain: number): Promise<number> {
    return (await sectorsOf(Math.floor(grain / perTable)))?.[grain % perTable] ?? 0;
  }

  async function nextFrom(grain: number): Promise<number> {
    let first = grain % perTable;
    for (let index = Math.floor(grain / perTable); index < tableCount; index++) {
      const at = (await sectorsOf(index))?.findIndex((sector, entry) => entry >= first && sector > 0) ?? -1;
      if (at >= 0) return index * perTable + at;
      first = 0;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** One after the other: they share the table and the window. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const asked = turn.then(work);
    turn = asked.catch(() => undefined);
    return asked;
  }

  /** Less at the end of the file. What was given out before stays as it is: each window has a buffer of its own. */
  async function bytesAt(offset: number, sizeBytes: number): Promise<Buffer> {
    const from = offset - window.offset;
    if (from < 0 || from + sizeBytes > window.bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES);
      const count = offset < source.sizeBytes ? await source.read(bytes, offset) : 0;
      window = { offset, bytes: bytes.subarray(0, count) };
    }
    return window.bytes.subarray(offset - window.offset, offset - window.offset + sizeBytes);
  }

  async function streamOf(grain: number): Promise<Uint8Array | null> {
    const sector = await sectorOf(grain);
    if (sector === 0) return null;
    const at = sector * VMDK_SECTOR_BYTES;
    const marker = await bytesAt(at, MARKER_BYTES);
    if (marker.length < MARKER_BYTES || marker.readBigUInt64LE() !== BigInt(grain * GRAIN_SECTORS))
      return null;
    const sizeBytes = marker.readUInt32LE(8);
    return sizeBytes > MOST_STREAM_BYTES ? null : await bytesAt(at + MARKER_BYTES, sizeBytes);
  }

  return {
    capacityBytes: capacitySectors * VMDK_SECTOR_BYTES,
    stream: (grain) => inTurn(() => streamOf(grain)),
    next: (grain) => inTurn(() => nextFrom(grain)),
  };
}
