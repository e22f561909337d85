/** Head and tables of a VMDK that is one file: what an OVF descriptor must know of it, and where its grains are. */
import type { ByteSource } from '../model/bytes.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { field64, sizeProblem, viewAt } from './disk-view.ts';
import { VMDK_SECTOR_BYTES } from './vmdk-layout.ts';

const FOOTER_FROM_END = 3 * VMDK_SECTOR_BYTES;
const MAGIC = 0x4b444d56;
const FLAG_COMPRESSED = 1 << 16;
const DIRECTORY_AT_END = 0xffffffffffffffffn;
const FOOTER_MARKER = 3;
/** Offsets of fields. */
const [CAPACITY, GRAIN_SECTORS, DESCRIPTOR_SECTOR, DESCRIPTOR_SECTORS] = [12, 20, 28, 36];
// Bounds for what a header may make us read: grains of 64 KiB and tables of 512 are what everybody writes; a disk of 64 TiB has two million of these.
const GRAINS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];
const MOST_PER_TABLE = 512;
const MOST_TABLES = 4 * 2 ** 20;

interface VmdkHead {
  readonly capacityBytes: number;
  /** Bytes of the grains that the image holds, uncompressed. */
  readonly populatedBytes: number;
}

/** Where the grains of an image are. */
export interface VmdkMap {
  readonly capacitySectors: number;
  readonly grainSectors: number;
  readonly perTable: number;
  readonly tableCount: number;
  /** Grains are deflated, each behind a marker of its own: the image is stream-optimized. */
  readonly isCompressed: boolean;
  /** Where the header says that the text descriptor is. */
  readonly descriptorSector: number;
  readonly descriptorSectors: number;
  /** Where a table is; 0 and 1 for one that is not there. */
  tableSector(index: number): number;
  /** The sectors of the grains of a table, 0 for one that is not there; null for a table without grains. */
  table(index: number): Promise<Uint32Array | null>;
}

/**
 * Reads the head and the directory of a sparse VMDK, stream-optimized or not. The failure is a part of a sentence that says
 * what the file is instead: another format, or one that breaks off. Tables and grains are not looked at.
 */
export async function readVmdkMap(source: ByteSource): Promise<Result<VmdkMap, string>> {
  const head = await viewAt(source, 0, VMDK_SECTOR_BYTES);
  if (head.getUint32(0) !== MAGIC) return fail('no VMDK');
  const atEnd = head.getBigUint64(56, true) === DIRECTORY_AT_END;
  const fields = atEnd ? await footerOf(source) : head;
  if (fields === null) return fail('a VMDK without the footer that its header promises');
  const problem = headProblem(head) ?? headProblem(fields);
  if (problem !== null) return fail(problem);
  for (const offset of [CAPACITY, GRAIN_SECTORS, DESCRIPTOR_SECTOR, DESCRIPTOR_SECTORS])
    if (head.getBigUint64(offset, true) !== fields.getBigUint64(offset, true))
      return fail('a VMDK whose header and footer contradict each other');
  const capacitySectors = field64(fields, CAPACITY, true);
  const grainSectors = field64(fields, GRAIN_SECTORS, true);
  const perTable = fields.getUint32(44, true);
  const directoryOffset = field64(fields, 56, true) * VMDK_SECTOR_BYTES;
  const tableCount = Math.ceil(capacitySectors / (grainSectors * perTable));
  if (tableCount > MOST_TABLES) return fail(`a VMDK with ${tableCount} tables`);
  if (directoryOffset + tableCount * 4 > source.sizeBytes)
    return fail('a VMDK that is cut off: its directory lies beyond its end');
  const directory = await viewAt(source, directoryOffset, tableCount * 4);
  const tableSector = (index: number) => (index < tableCount ? directory.getUint32(index * 4, true) : 0);
  return ok({
    capacitySectors,
    grainSectors,
    perTable,
    tableCount,
    isCompressed: (fields.getUint32(8, true) & FLAG_COMPRESSED) !== 0,
    descriptorSector: field64(fields, DESCRIPTOR_SECTOR, true),
    descriptorSectors: field64(fields, DESCRIPTOR_SECTORS, true),
    tableSector,
    async table(index) {
      const sector = tableSector(index);
      // Sector 1 stands for zeros, which take no room.
      if (sector <= 1) return null;
      const view = await viewAt(source, sector * VMDK_SECTOR_BYTES, perTable * 4);
      const sectors = Uint32Array.from({ length: perTable }, (_, entry) => view.getUint32(entry * 4, true));
      return sectors.map((at) => (at === 1 ? 0 : at));
    },
  });
}

/** What makes no sense in a header or a footer. A capacity of 0 would make QEMU read the descriptor as one that names other files. */
function headProblem(fields: DataView): string | null {
  const version = fields.getUint32(4, true);
  if (version < 1 || version > 3) return `a VMDK of version ${version}`;
  const capacityBytes = field64(fields, CAPACITY, true) * VMDK_SECTOR_BYTES;
  const problem = sizeProblem(capacityBytes);
  if (problem !== null) return `a VMDK that ${problem}`;
  const grainSectors = field64(fields, GRAIN_SECTORS, true);
  const perTable = fields.getUint32(44, true);
  if (!GRAINS.includes(grainSectors) || perTable < 1 || perTable > MOST_PER_TABLE)
    return 'a VMDK whose header makes no sense';
  const isCompressed = (fields.getUint32(8, true) & FLAG_COMPRESSED) !== 0;
  if (isCompressed && fields.getUint16(77, true) !== 1) return 'a VMDK with another compression than deflate';
  return null;
}

/** Reads what an OVF descriptor says of a stream-optimized disk. Fails as `readVmdkMap`. */
export async function readVmdkHead(source: ByteSource): Promise<Result<VmdkHead, string>> {
  const map = await readVmdkMap(source);
  if (!map.ok) return map;
  const { capacitySectors, grainSectors, tableCount, isCompressed } = map.value;
  if (!isCompressed) return fail('a VMDK that is not stream-optimized');
  let grains = 0;
  for (let index = 0; index < tableCount; index++)
    for (const sector of (await map.value.table(index)) ?? []) if (sector > 0) grains += 1;
  const capacityBytes = capacitySectors * VMDK_SECTOR_BYTES;
  const populatedBytes = Math.min(capacityBytes, grains * grainSectors * VMDK_SECTOR_BYTES);
  return ok({ capacityBytes, populatedBytes });
}

async function footerOf(source: ByteSource): Promise<DataView | null> {
  if (source.sizeBytes < FOOTER_FROM_END) return null;
  const end = await viewAt(source, source.sizeBytes - FOOTER_FROM_END, FOOTER_FROM_END);
  if (end.getUint32(12, true) !== FOOTER_MARKER || end.getUint32(VMDK_SECTOR_BYTES) !== MAGIC) return null;
  return new DataView(end.buffer, VMDK_SECTOR_BYTES, VMDK_SECTOR_BYTES);
}
