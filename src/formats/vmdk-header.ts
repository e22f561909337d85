/** Head and tables of a stream-optimized VMDK: what an OVF descriptor must know of it, and where its grains are. */
import type { ByteSource } from '../model/bytes.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { readPadded } from './disk-source.ts';
import { VMDK_SECTOR_BYTES } from './vmdk-layout.ts';

const FOOTER_FROM_END = 3 * VMDK_SECTOR_BYTES;
const MAGIC = 0x4b444d56;
const FLAG_COMPRESSED = 1 << 16;
const DIRECTORY_AT_END = 0xffffffffffffffffn;
const FOOTER_MARKER = 3;

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
  /** The sectors of the grains of a table, 0 for one that is not there; null for a table without grains. */
  table(index: number): Promise<Uint32Array | null>;
}

/**
 * Reads a stream-optimized VMDK's head and directory. The failure is a part of a sentence that says what the file is
 * instead: another format, another kind of VMDK, or one that breaks off.
 */
export async function readVmdkMap(source: ByteSource): Promise<Result<VmdkMap, string>> {
  const head = await viewAt(source, 0, VMDK_SECTOR_BYTES);
  if (head.getUint32(0) !== MAGIC) return fail('no VMDK');
  if ((head.getUint32(8, true) & FLAG_COMPRESSED) === 0) return fail('a VMDK that is not stream-optimized');
  const atEnd = head.getBigUint64(56, true) === DIRECTORY_AT_END;
  const fields = atEnd ? await footerOf(source) : head;
  if (fields === null) return fail('a VMDK without the footer that its header promises');
  const capacitySectors = Number(fields.getBigUint64(12, true));
  const grainSectors = Number(fields.getBigUint64(20, true));
  const perTable = fields.getUint32(44, true);
  const directorySector = Number(fields.getBigUint64(56, true));
  if (grainSectors < 1 || perTable < 1 || perTable > MOST_PER_TABLE || capacitySectors > MOST_SECTORS)
    return fail('a VMDK whose header makes no sense');
  const tableCount = Math.ceil(capacitySectors / (grainSectors * perTable));
  const directory = await viewAt(source, directorySector * VMDK_SECTOR_BYTES, tableCount * 4);
  return ok({
    capacitySectors,
    grainSectors,
    perTable,
    tableCount,
    async table(index) {
      const sector = index < tableCount ? directory.getUint32(index * 4, true) : 0;
      if (sector === 0) return null;
      const view = await viewAt(source, sector * VMDK_SECTOR_BYTES, perTable * 4);
      const sectors = Uint32Array.from({ length: perTable }, (_, entry) => view.getUint32(entry * 4, true));
      // Sector 1 stands for a grain of zeros, which takes no room.
      return sectors.map((at) => (at === 1 ? 0 : at));
    },
  });
}

/** Reads what an OVF descriptor says of a disk. Fails as `readVmdkMap`. */
export async function readVmdkHead(source: ByteSource): Promise<Result<VmdkHead, string>> {
  const map = await readVmdkMap(source);
  if (!map.ok) return map;
  const { capacitySectors, grainSectors, tableCount } = map.value;
  let grains = 0;
  for (let index = 0; index < tableCount; index++)
    for (const sector of (await map.value.table(index)) ?? []) if (sector > 0) grains += 1;
  const capacityBytes = capacitySectors * VMDK_SECTOR_BYTES;
  const populatedBytes = Math.min(capacityBytes, grains * grainSectors * VMDK_SECTOR_BYTES);
  return ok({ capacityBytes, populatedBytes });
}

// Bounds for what a header may make us read: 512 entries are what everybody writes; 62 TiB is VMware's largest disk.
const MOST_PER_TABLE = 65_536;
const MOST_SECTORS = (62 * 2 ** 40) / VMDK_SECTOR_BYTES;

async function footerOf(source: ByteSource): Promise<DataView | null> {
  if (source.sizeBytes < FOOTER_FROM_END) return null;
  const end = await viewAt(source, source.sizeBytes - FOOTER_FROM_END, FOOTER_FROM_END);
  if (end.getUint32(12, true) !== FOOTER_MARKER || end.getUint32(VMDK_SECTOR_BYTES) !== MAGIC) return null;
  return new DataView(end.buffer, VMDK_SECTOR_BYTES, VMDK_SECTOR_BYTES);
}

async function viewAt(source: ByteSource, offset: number, sizeBytes: number): Promise<DataView> {
  const bytes = new Uint8Array(sizeBytes);
  await readPadded(source, bytes, offset);
  return new DataView(bytes.buffer);
}
