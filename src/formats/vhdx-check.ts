/** Whether a VHDX image is whole, was closed, and rests on no other. (MS-VHDX 2.2 to 2.6) */
import type { ByteSource } from '../model/bytes.ts';
import { crc32c } from './crc32c.ts';
import { eachEntry, field64, SECTOR_BYTES, sizeProblem, textAt, viewAt, wholeSectors } from './disk-view.ts';

const HEADERS = [64 * 1024, 128 * 1024];
const HEADER_BYTES = 4096;
const REGION_TABLE = 192 * 1024;
const TABLE_BYTES = 64 * 1024;
const ENTRY_BYTES = 32;
// GUIDs as they lie in the file: the first three fields little-endian.
const REGIONS = { map: '6677c22d23f600429d64115e9bfd4a08', metadata: '06a27c8b90479a4bb8fe575f050f886e' };
const ITEMS = {
  parameters: '3767a1ca36fa434db3b633f0aa44e76b',
  size: '2442a52f1bcd7648b2115dbed83bf4b8',
  sector: '1dbf41816fa90947ba47f233a8faab5f',
  parent: '2d5fd3a80bb34d45abf7d3d84834ab0c',
};
const HAS_PARENT = 2;
const FULLY_PRESENT = 6;
const MIB = 2 ** 20;

/** What is wrong, as the rest of a sentence about the image, or the bytes of the disk that it holds. */
export async function checkVhdx(source: ByteSource): Promise<string | { readonly sizeBytes: number }> {
  if (textAt(await viewAt(source, 0, 8), 0, 8) !== 'vhdxfile') return 'is no VHDX image';
  const header = await currentHeader(source);
  if (header === null) return 'is a VHDX image without a sound header';
  if (!isZero(header, 48)) return 'is a VHDX image that was not closed: its log waits to be replayed';
  const regions = await viewAt(source, REGION_TABLE, TABLE_BYTES);
  if (textAt(regions, 0, 4) !== 'regi') return 'is a VHDX image without a table of regions';
  const regionCount = regions.getUint32(8, true);
  const [map, metadata] = [REGIONS.map, REGIONS.metadata].map((guid) =>
    entry(regions, 16, regionCount, guid),
  );
  if (!map || !metadata) return 'is a VHDX image without its tables';
  const items = await metadataItems(source, field64(metadata, 16, true));
  if (items === null) return 'is a VHDX image without its facts';
  if (items.hasParent) return 'is a VHDX image that rests on a parent, which is no part of it';
  const problem = sizeProblem(items.sizeBytes);
  if (problem !== null) return problem;
  return (await mapDamage(source, map, items)) ?? { sizeBytes: wholeSectors(items.sizeBytes) };
}

/** The header that counts: of the sound ones that with the higher number. */
async function currentHeader(source: ByteSource): Promise<DataView | null> {
  let current: DataView | null = null;
  for (const offset of HEADERS) {
    const header = await viewAt(source, offset, HEADER_BYTES);
    const bytes = new Uint8Array(header.buffer).slice();
    new DataView(bytes.buffer).setUint32(4, 0, true);
    if (textAt(header, 0, 4) !== 'head' || crc32c(bytes) !== header.getUint32(4, true)) continue;
    if (current === null || header.getBigUint64(8, true) > current.getBigUint64(8, true)) current = header;
  }
  return current;
}

interface Items {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly hasParent: boolean;
}

async function metadataItems(source: ByteSource, offset: number): Promise<Items | null> {
  if (offset + TABLE_BYTES > source.sizeBytes) return null;
  const table = await viewAt(source, offset, TABLE_BYTES);
  if (textAt(table, 0, 8) !== 'metadata') return null;
  const count = table.getUint16(10, true);
  const itemAt = (guid: string) => {
    const found = entry(table, 32, count, guid);
    return found === null ? null : viewAt(source, offset + found.getUint32(16, true), 16);
  };
  const [parameters, size, sector] = [
    await itemAt(ITEMS.parameters),
    await itemAt(ITEMS.size),
    await itemAt(ITEMS.sector),
  ];
  if (parameters === null || size === null || sector === null) return null;
  const blockBytes = parameters.getUint32(0, true);
  const isBlock = blockBytes >= MIB && blockBytes <= 256 * MIB && (blockBytes & (blockBytes - 1)) === 0;
  if (!isBlock || ![SECTOR_BYTES, 4096].includes(sector.getUint32(0, true))) return null;
  const hasParent =
    (parameters.getUint32(4, true) & HAS_PARENT) !== 0 || entry(table, 32, count, ITEMS.parent) !== null;
  return { sizeBytes: field64(size, 0, true), blockBytes, hasParent };
}

/** Whether the table of blocks and all blocks lie in the file. */
async function mapDamage(source: ByteSource, map: DataView, items: Items): Promise<string | null> {
  const { sizeBytes, blockBytes } = items;
  const [offset, length] = [field64(map, 16, true), map.getUint32(24, true)];
  const cutOff = `is a VHDX image that is cut off at ${source.sizeBytes} bytes`;
  if (offset + length > source.sizeBytes) return cutOff;
  if (Math.ceil(sizeBytes / blockBytes) * 8 > length)
    return 'is a VHDX image whose table is too small for its disk';
  let blocks = 0;
  const table = { offset, entries: Math.floor(length / 8), entryBytes: 8 };
  const damage = await eachEntry(source, table, (view, at) => {
    if ((view.getUint32(at, true) & 7) !== FULLY_PRESENT) return null;
    blocks += 1;
    const low = view.getUint32(at, true) >>> 20;
    const place = (view.getUint32(at + 4, true) * 2 ** 12 + low) * MIB;
    // The last block may be shorter in images of some makers.
    const used = Math.min(blockBytes, MIB);
    return place + used > wholeSectors(source.sizeBytes) ? cutOff : null;
  });
  if (damage !== null) return damage;
  const most = Math.ceil(source.sizeBytes / blockBytes) + 1;
  return blocks > most ? `is a VHDX image with ${blocks} blocks in a file that has no room for them` : null;
}

function entry(view: DataView, first: number, count: number, guid: string): DataView | null {
  for (let at = first; at < first + count * ENTRY_BYTES; at += ENTRY_BYTES) {
    if (at + ENTRY_BYTES > view.byteLength) break;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, 16);
    if (Buffer.from(bytes).toString('hex') === guid)
      return new DataView(view.buffer, view.byteOffset + at, ENTRY_BYTES);
  }
  return null;
}

function isZero(view: DataView, offset: number): boolean {
  return new Uint8Array(view.buffer, view.byteOffset + offset, 16).every((byte) => byte === 0);
}
