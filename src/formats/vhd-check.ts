/** Whether a VHD image is whole and rests on no other: a fixed one is a raw disk before its footer. (Virtual Hard Disk Image Format Specification 1.0) */
import type { ByteSource } from '../model/bytes.ts';
import type { DiskWindow } from '../model/disk-format.ts';
import { eachEntry, field64, SECTOR_BYTES, sizeProblem, textAt, viewAt, wholeSectors } from './disk-view.ts';

const TYPES = { fixed: 2, dynamic: 3 };
const CHECKSUM_AT = 64;
const NO_BLOCK = 0xffffffff;
const MOST_BLOCK_BYTES = 2 ** 28;

/** What is wrong, as the rest of a sentence about the image, or its disk; of a fixed one where in the file that lies. */
export async function checkVhd(
  source: ByteSource,
): Promise<string | { readonly sizeBytes: number; readonly window: DiskWindow | null }> {
  if (source.sizeBytes < SECTOR_BYTES) return 'is no VHD image: it has no footer';
  const footer = await viewAt(source, source.sizeBytes - SECTOR_BYTES, SECTOR_BYTES);
  if (textAt(footer, 0, 8) !== 'conectix')
    return 'is no VHD image, or cut off: it does not end with the footer of one';
  if (footer.getUint32(CHECKSUM_AT) !== checksum(footer)) return 'is a VHD image whose footer is damaged';
  const sizeBytes = field64(footer, 48, false);
  const problem =
    sizeProblem(sizeBytes) ?? (sizeBytes % SECTOR_BYTES === 0 ? null : 'is a VHD image of part of a sector');
  if (problem !== null) return problem;
  switch (footer.getUint32(60)) {
    case TYPES.fixed:
      if (sizeBytes > source.sizeBytes - SECTOR_BYTES) return cutOff(source);
      return { sizeBytes, window: { offset: 0, sizeBytes } };
    case TYPES.dynamic: {
      const damage = await dynamicDamage(source, footer, sizeBytes);
      return damage ?? { sizeBytes: dynamicBytes(footer, sizeBytes), window: null };
    }
    default:
      return 'is a VHD image that rests on a parent, which is no part of it';
  }
}

async function dynamicDamage(
  source: ByteSource,
  footer: DataView,
  sizeBytes: number,
): Promise<string | null> {
  const copy = await viewAt(source, 0, SECTOR_BYTES);
  if (!Buffer.from(copy.buffer).equals(Buffer.from(footer.buffer)))
    return 'is a VHD image whose two footers contradict each other';
  const at = field64(footer, 16, false);
  if (at + 1024 > source.sizeBytes) return cutOff(source);
  const header = await viewAt(source, at, 1024);
  if (textAt(header, 0, 8) !== 'cxsparse') return 'is a VHD image without the header of a dynamic one';
  const [tableAt, entries, blockBytes] = [
    field64(header, 16, false),
    header.getUint32(28),
    header.getUint32(32),
  ];
  if (blockBytes < SECTOR_BYTES || blockBytes > MOST_BLOCK_BYTES || (blockBytes & (blockBytes - 1)) !== 0)
    return `is a VHD image with blocks of ${blockBytes} bytes`;
  if (entries * blockBytes < sizeBytes) return 'is a VHD image whose table is too small for its disk';
  if (tableAt + entries * 4 > source.sizeBytes) return cutOff(source);
  const bitmapBytes = wholeSectors(blockBytes / SECTOR_BYTES / 8);
  const fileBytes = wholeSectors(source.sizeBytes);
  let blocks = 0;
  const damage = await eachEntry(source, { offset: tableAt, entries, entryBytes: 4 }, (table, offset) => {
    const sector = table.getUint32(offset);
    if (sector === NO_BLOCK) return null;
    blocks += 1;
    return sector * SECTOR_BYTES + bitmapBytes + blockBytes > fileBytes ? cutOff(source) : null;
  });
  if (damage !== null) return damage;
  return blocks * blockBytes > fileBytes
    ? `is a VHD image with ${blocks} blocks in a file that has no room for them`
    : null;
}

/** Makers whose size counts, where that of others is what their geometry makes of it; as QEMU has it. */
const EXACT_MAKERS = ['win ', 'qem2', 'd2v ', 'tap', 'CTXS'];
/** A geometry that says no more than that the disk is large. */
const MOST_GEOMETRY_BYTES = 65_535 * 16 * 255 * SECTOR_BYTES;

function dynamicBytes(footer: DataView, sizeBytes: number): number {
  const geometry = footer.getUint16(56) * footer.getUint8(58) * footer.getUint8(59) * SECTOR_BYTES;
  const isExact = geometry === MOST_GEOMETRY_BYTES || EXACT_MAKERS.includes(textAt(footer, 28, 4));
  return isExact ? sizeBytes : geometry;
}

function cutOff({ sizeBytes }: ByteSource): string {
  return `is a VHD image that is cut off at ${sizeBytes} bytes`;
}

/** One's complement of the sum of all bytes but the checksum's own. */
function checksum(footer: DataView): number {
  let sum = 0;
  for (let at = 0; at < SECTOR_BYTES; at++)
    if (at < CHECKSUM_AT || at >= CHECKSUM_AT + 4) sum += footer.getUint8(at);
  return ~sum >>> 0;
}
