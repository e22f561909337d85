/** Writes stream-optimized VMDK images: the disk format of OVF appliances. docs/design/formats.md says why it is laid out so. */
import { createHash } from 'node:crypto';
import type { ByteSink } from '../model/bytes.ts';
import type { DiskSource } from './disk-source.ts';
import { readPadded } from './disk-source.ts';
import type { GrainCompressor } from './grain-compressor.ts';
import { inOrder } from './in-order.ts';
import type { AdapterType } from './vmdk-geometry.ts';
import {
  contentId,
  DESCRIPTOR_SECTOR,
  GRAIN_BYTES,
  GRAIN_SECTORS,
  GRAINS_PER_TABLE,
  HEAD_SECTORS,
  MARKER,
  VMDK_SECTOR_BYTES,
  vmdkDescriptor,
  vmdkGrain,
  vmdkHeader,
  vmdkMarker,
} from './vmdk-layout.ts';

interface VmdkOptions {
  readonly adapter: AdapterType;
  readonly toolsVersion: string | null;
  readonly compressor: GrainCompressor;
  /** Called with the part of the disk that is done, from 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
  /** Rejects with its reason when it fires. */
  readonly signal?: AbortSignal;
}

interface VmdkFacts {
  readonly capacityBytes: number;
  readonly grains: number;
  readonly sizeBytes: number;
}

// 32 grains of 64 KiB in hand keep four threads busy and cost a few MiB.
const GRAINS_IN_HAND = 32;
const READ_BYTES = 16 * GRAIN_BYTES;
const PROGRESS_STEP = 0.005;
const ZEROS = Buffer.alloc(GRAIN_BYTES);
// Grain offsets are 32-bit sector numbers.
const MOST_SECTORS = 2 ** 32 - 1;

/**
 * Writes the whole image: head, grains in ascending order with a table after each 512 of them, directory, footer, and the
 * one zero sector at which VMware's readers stop. The same disk gives the same bytes, whatever the order in which threads
 * finish.
 */
export async function writeVmdkStream(
  disk: DiskSource,
  sink: ByteSink,
  options: VmdkOptions,
): Promise<VmdkFacts> {
  const capacitySectors = Math.ceil(disk.sizeBytes / VMDK_SECTOR_BYTES);
  const content = createHash('sha256');
  await sink.write(new Uint8Array(HEAD_SECTORS * VMDK_SECTOR_BYTES));
  let nextSector = HEAD_SECTORS;
  let grains = 0;

  async function append(bytes: Uint8Array): Promise<number> {
    const sector = nextSector;
    content.update(bytes);
    await sink.write(bytes);
    nextSector += bytes.length / VMDK_SECTOR_BYTES;
    if (nextSector > MOST_SECTORS) throw new RangeError('a VMDK ends at 2 TiB of compressed grains');
    return sector;
  }

  const tableCount = Math.ceil(capacitySectors / (GRAIN_SECTORS * GRAINS_PER_TABLE));
  const directory = new Uint32Array(tableCount);
  let table = new Uint32Array(GRAINS_PER_TABLE);
  let tableIndex = -1;

  async function closeTable(): Promise<void> {
    if (tableIndex < 0) return;
    const bytes = littleEndian(table);
    await append(vmdkMarker(MARKER.grainTable, bytes.length / VMDK_SECTOR_BYTES));
    directory[tableIndex] = await append(bytes);
  }

  const compressed = inOrder(grainsOf(disk, options), GRAINS_IN_HAND, async (grain) => ({
    index: grain.index,
    bytes: await options.compressor.compress(grain.bytes, grain.index),
  }));
  for await (const grain of compressed) {
    const owner = Math.floor(grain.index / GRAINS_PER_TABLE);
    if (owner !== tableIndex) {
      await closeTable();
      table = new Uint32Array(GRAINS_PER_TABLE);
      tableIndex = owner;
    }
    table[grain.index % GRAINS_PER_TABLE] = await append(vmdkGrain(grain.index * GRAIN_SECTORS, grain.bytes));
    grains += 1;
  }
  await closeTable();

  const directoryBytes = littleEndian(directory);
  await append(vmdkMarker(MARKER.grainDirectory, directoryBytes.length / VMDK_SECTOR_BYTES));
  const directorySector = await append(directoryBytes);
  await append(vmdkMarker(MARKER.footer, 1));
  await append(vmdkHeader(capacitySectors, directorySector));
  await append(new Uint8Array(VMDK_SECTOR_BYTES));

  const descriptor = vmdkDescriptor({
    contentId: contentId(content.digest('hex')),
    capacitySectors,
    adapter: options.adapter,
    toolsVersion: options.toolsVersion,
  });
  await sink.writeAt(vmdkHeader(capacitySectors, null), 0);
  await sink.writeAt(descriptor, DESCRIPTOR_SECTOR * VMDK_SECTOR_BYTES);
  const sizeBytes = nextSector * VMDK_SECTOR_BYTES;
  return { capacityBytes: capacitySectors * VMDK_SECTOR_BYTES, grains, sizeBytes };
}

interface Grain {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** The grains that hold something, in ascending order; the last one is filled up with zeros. */
async function* grainsOf(disk: DiskSource, options: VmdkOptions): AsyncGenerator<Grain> {
  let at = 0;
  let told = 0;
  let buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  while (at < disk.sizeBytes) {
    options.signal?.throwIfAborted();
    if (at / disk.sizeBytes >= told + PROGRESS_STEP) {
      told = at / disk.sizeBytes;
      options.onProgress?.(told);
    }
    const data = await disk.nextData(at);
    if (data >= disk.sizeBytes) break;
    at = data - (data % GRAIN_BYTES);
    await readPadded(disk, buffer, at);
    let given = false;
    for (let offset = 0; offset < READ_BYTES; offset += GRAIN_BYTES) {
      const bytes = buffer.subarray(offset, offset + GRAIN_BYTES);
      if (bytes.equals(ZEROS)) continue;
      given = true;
      yield { index: (at + offset) / GRAIN_BYTES, bytes };
    }
    // Grains that were given out are still being compressed while the next ones are read: they keep their buffer.
    if (given) buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    at += READ_BYTES;
  }
  options.onProgress?.(1);
}

/** Numbers as little-endian bytes, filled up to whole sectors. */
function littleEndian(numbers: Uint32Array): Uint8Array {
  const sectors = Math.ceil(numbers.byteLength / VMDK_SECTOR_BYTES);
  const bytes = new Uint8Array(sectors * VMDK_SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, number] of numbers.entries()) view.setUint32(index * 4, number, true);
  return bytes;
}
