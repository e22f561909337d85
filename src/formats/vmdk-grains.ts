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

/** Opens an image; what cannot be read as one with our grains holds none. */
export async function openVmdkGrains(source: ByteSource): Promise<CompressedGrains> {
  const map = await readVmdkMap(source);
  if (!map.ok || map.value.grainSectors !== GRAIN_SECTORS) return { stream: async () => null };
  const { perTable, table: readTable } = map.value;
  let table: { readonly index: number; readonly sectors: Uint32Array | null } | null = null;
  let window = { offset: 0, bytes: Buffer.alloc(0) };
  let turn: Promise<unknown> = Promise.resolve();

  async function sectorOf(grain: number): Promise<number> {
    const index = Math.floor(grain / perTable);
    if (table?.index !== index) table = { index, sectors: await readTable(index) };
    return table.sectors?.[grain % perTable] ?? 0;
  }

  /** Less at the end of the file. What was given out before stays as it is: each window has a buffer of its own. */
  async function bytesAt(offset: number, sizeBytes: number): Promise<Buffer> {
    const from = offset - window.offset;
    if (from < 0 || from + sizeBytes > window.bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES);
      window = { offset, bytes: bytes.subarray(0, await source.read(bytes, offset)) };
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
    stream(grain) {
      const asked = turn.then(() => streamOf(grain));
      turn = asked.catch(() => undefined);
      return asked;
    },
  };
}
