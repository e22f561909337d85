/** The partitions of a disk: MBR with logical ones, GPT, or a disk that is one file system. (UEFI 2.10, 5) */
import type { ByteSource } from '../model/bytes.ts';
import { readPadded } from './disk-source.ts';

/** A stretch of a disk. */
export interface Partition {
  /** As Linux numbers it; 0 for a disk without partitions. */
  readonly number: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

const SECTOR_BYTES = 512;
const GPT_PROTECTION = 0xee;
const EXTENDED: readonly number[] = [0x05, 0x0f, 0x85];
/** No disk has more; a chain of logical partitions may lead in circles. */
const MOST_LOGICAL = 128;
const MOST_GPT_ENTRIES = 1024;
/** An entry has 128 bytes; a header that speaks of much larger ones is damaged. */
const GPT_ENTRY_BYTES = { least: 128, most: 4096 };

/** All partitions in the order of their numbers; a disk without a table is one. */
export async function partitionsOf(disk: ByteSource): Promise<readonly Partition[]> {
  const entries = await mbrEntries(disk, 0);
  if (entries.some(({ type }) => type === GPT_PROTECTION)) return within(disk, await gptPartitions(disk));
  const found: Partition[] = [];
  for (const [index, entry] of entries.entries()) {
    if (entry.type === 0 || entry.sectors === 0) continue;
    if (EXTENDED.includes(entry.type)) found.push(...(await logicalPartitions(disk, entry.start)));
    else found.push(partition(index + 1, entry.start, entry.sectors));
  }
  const inside = within(disk, found);
  if (inside.length === 0) return [{ number: 0, offset: 0, sizeBytes: disk.sizeBytes }];
  return inside.sort((a, b) => a.number - b.number);
}

/** Those that lie in the disk: a table may say anything. */
function within(disk: ByteSource, found: readonly Partition[]): Partition[] {
  return found.filter(({ offset, sizeBytes }) => sizeBytes >= 0 && offset + sizeBytes <= disk.sizeBytes);
}

/** The bytes of a partition alone. */
export function partitionSource(disk: ByteSource, { offset, sizeBytes }: Partition): ByteSource {
  return {
    sizeBytes,
    read: (into, at) =>
      disk.read(into.subarray(0, Math.max(0, Math.min(into.length, sizeBytes - at))), offset + at),
  };
}

function partition(number: number, start: number, sectors: number): Partition {
  return { number, offset: start * SECTOR_BYTES, sizeBytes: sectors * SECTOR_BYTES };
}

interface MbrEntry {
  readonly type: number;
  readonly start: number;
  readonly sectors: number;
}

async function mbrEntries(disk: ByteSource, sector: number): Promise<readonly MbrEntry[]> {
  const bytes = new Uint8Array(SECTOR_BYTES);
  await readPadded(disk, bytes, sector * SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  if (view.getUint16(510, true) !== 0xaa55) return [];
  return [446, 462, 478, 494].map((at) => ({
    type: view.getUint8(at + 4),
    start: view.getUint32(at + 8, true),
    sectors: view.getUint32(at + 12, true),
  }));
}

/** Each logical partition has a table of its own: itself, and where the next table is, seen from the first one. */
async function logicalPartitions(disk: ByteSource, first: number): Promise<readonly Partition[]> {
  const found: Partition[] = [];
  let table = first;
  for (let tables = 0; tables < MOST_LOGICAL; tables++) {
    const [own, next] = await mbrEntries(disk, table);
    if (own && own.sectors > 0) found.push(partition(5 + found.length, table + own.start, own.sectors));
    if (!own || !next || next.sectors === 0) break;
    table = first + next.start;
  }
  return found;
}

async function gptPartitions(disk: ByteSource): Promise<readonly Partition[]> {
  const header = Buffer.alloc(SECTOR_BYTES);
  await readPadded(disk, header, SECTOR_BYTES);
  if (header.toString('latin1', 0, 8) !== 'EFI PART') return [];
  const entryBytes = header.readUInt32LE(84);
  if (entryBytes < GPT_ENTRY_BYTES.least || entryBytes > GPT_ENTRY_BYTES.most) return [];
  const count = Math.min(header.readUInt32LE(80), MOST_GPT_ENTRIES);
  const entries = Buffer.alloc(count * entryBytes);
  await readPadded(disk, entries, Number(header.readBigUInt64LE(72)) * SECTOR_BYTES);
  const found: Partition[] = [];
  for (let index = 0; index < count; index++) {
    const entry = entries.subarray(index * entryBytes, (index + 1) * entryBytes);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const [first, last] = [Number(entry.readBigUInt64LE(32)), Number(entry.readBigUInt64LE(40))];
    found.push(partition(index + 1, first, last - first + 1));
  }
  return found;
}
