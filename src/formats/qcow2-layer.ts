/** One qcow2 file: where each cluster of the disk lies in it, through its two levels of tables. */
import type { ByteSource } from '../model/bytes.ts';
import { readPadded } from './disk-source.ts';
import type { Qcow2Header } from './qcow2-header.ts';

/** Where a cluster is: nowhere in this layer, all zeros, plain bytes at an offset, or deflated ones. */
export type ClusterPlace =
  | { readonly type: 'absent' }
  | { readonly type: 'zeros' }
  | { readonly type: 'plain'; readonly offset: number }
  | { readonly type: 'deflated'; readonly offset: number; readonly sizeBytes: number };

export interface Qcow2Layer {
  readonly header: Qcow2Header;
  readonly source: ByteSource;
  /** Where a cluster is and how many from it on, at least 1, go on in the same way; no more than `most` entries are looked at. */
  run(cluster: number, most: number): Promise<ClusterRun>;
}

/** Clusters that follow each other on the disk and, if plain, in the file. */
export interface ClusterRun {
  readonly place: ClusterPlace;
  readonly clusters: number;
}

const ABSENT: ClusterPlace = { type: 'absent' };
const ZEROS: ClusterPlace = { type: 'zeros' };
const SECTOR_BYTES = 512;
const ENTRY_BYTES = 8;
// Images are read mostly from front to back; a few tables serve the odd jump.
const TABLES_KEPT = 4;
const OFFSET_HIGH = 0x00ffffff;
const OFFSET_LOW = 0xfffffe00;

/** Opens a layer by reading its level 1 table (at most 32 MiB, 8 bytes for every 512 MiB of disk in the usual case). */
export async function openQcow2Layer(source: ByteSource, header: Qcow2Header): Promise<Qcow2Layer> {
  const l1 = await readTable(source, header.l1Offset, header.l1Entries);
  const { clusterBits } = header;
  const perTable = 2 ** clusterBits / ENTRY_BYTES;
  const tables = new Map<number, DataView>();

  async function tableAt(offset: number): Promise<DataView> {
    const table = await readTable(source, offset, perTable);
    if (tables.size >= TABLES_KEPT) tables.delete(tables.keys().next().value as number);
    tables.set(offset, table);
    return table;
  }

  /** The first cluster, from the one behind a table that is not there on, whose table is. */
  function nextMapped(tableIndex: number): number {
    let index = tableIndex;
    while (index < header.l1Entries && plainOffset(l1, index * ENTRY_BYTES) === 0) index++;
    return index < header.l1Entries ? index * perTable : Number.POSITIVE_INFINITY;
  }

  return {
    header,
    source,
    async run(cluster, most) {
      const index = Math.floor(cluster / perTable);
      const offset = index < header.l1Entries ? plainOffset(l1, index * ENTRY_BYTES) : 0;
      if (offset === 0) return { place: ABSENT, clusters: nextMapped(index) - cluster };
      // A table at hand is not waited for: there are many layers, and many runs in each.
      const table = tables.get(offset) ?? (await tableAt(offset));
      return runOf(table, cluster % perTable, Math.min(most, perTable - (cluster % perTable)), clusterBits);
    },
  };
}

/** From an entry of a table on. Deflated clusters stand alone. */
function runOf(table: DataView, first: number, most: number, clusterBits: number): ClusterRun {
  const place = placeOf(table, first * ENTRY_BYTES, clusterBits, false);
  let clusters = 1;
  if (place.type !== 'deflated')
    while (clusters < most) {
      const next = placeOf(table, (first + clusters) * ENTRY_BYTES, clusterBits, false);
      if (next.type !== place.type) break;
      if (next.type === 'plain' && place.type === 'plain')
        if (next.offset !== place.offset + clusters * 2 ** clusterBits) break;
      clusters += 1;
    }
  return { place, clusters };
}

async function readTable(source: ByteSource, offset: number, entries: number): Promise<DataView> {
  const bytes = new Uint8Array(entries * ENTRY_BYTES);
  await readPadded(source, bytes, offset);
  return new DataView(bytes.buffer);
}

/** Bits 9 to 55 of the entry at `at`. Split in two halves, since they do not fit JavaScript's 32-bit operators. */
export function plainOffset(table: DataView, at: number): number {
  const high = table.getUint32(at) & OFFSET_HIGH;
  const low = (table.getUint32(at + 4) & OFFSET_LOW) >>> 0;
  return high * 2 ** 32 + low;
}

/** What the entry at `at` of a level 2 table says. In extended ones the bitmap that follows tells of zeros, part by part. */
export function placeOf(table: DataView, at: number, clusterBits: number, extended: boolean): ClusterPlace {
  const high = table.getUint32(at);
  const low = table.getUint32(at + 4);
  if ((high & 0x40000000) !== 0) return deflatedPlace(high, low, clusterBits);
  // Version 2 has no zero flag; there the bit is reserved and 0.
  if (!extended && (low & 1) !== 0) return ZEROS;
  const offset = plainOffset(table, at);
  return offset === 0 ? ABSENT : { type: 'plain', offset };
}

/** A compressed cluster's offset has 70 - clusterBits bits; the bits above count the further sectors that it reaches into. */
function deflatedPlace(high: number, low: number, clusterBits: number): ClusterPlace {
  const highBits = 70 - clusterBits - 32;
  const offset = (high & (2 ** highBits - 1)) * 2 ** 32 + low;
  const furtherSectors = (high & 0x3fffffff) >>> highBits;
  const sizeBytes = (furtherSectors + 1) * SECTOR_BYTES - (offset % SECTOR_BYTES);
  return { type: 'deflated', offset, sizeBytes };
}
