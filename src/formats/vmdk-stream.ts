/** Writes stream-optimized VMDK images: the disk format of OVF appliances. docs/design/formats.md says why it is laid out so. */
import { createHash } from 'node:crypto';
import type { ByteSink } from '../model/bytes.ts';
import type { DiskSource } from './disk-source.ts';
import { readPadded } from './disk-source.ts';
import type { GrainCompressor } from './grain-compressor.ts';
import { inOrder } from './in-order.ts';
import type { Ranges } from './ranges.ts';
import { union } from './ranges.ts';
import type { AdapterType } from './vmdk-geometry.ts';
import type { VmdkGrains } from './vmdk-grains.ts';
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
  /** An image whose grains are taken over without a look at the disk. */
  readonly earlier?: EarlierVmdk | null;
  /** Called with the part of the disk that is done, from 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
  /** Rejects with its reason when it fires. */
  readonly signal?: AbortSignal;
}

/** An image of a disk that is known to hold the same bytes outside of `touched`, written by the same compressor, and whole. */
interface EarlierVmdk {
  readonly grains: VmdkGrains;
  readonly touched: Ranges;
}

interface VmdkFacts {
  readonly capacityBytes: number;
  readonly grains: number;
  /** Of them, taken over without a look at the disk. */
  readonly untouched: number;
  readonly sizeBytes: number;
}

// 32 grains of 64 KiB in hand keep four threads busy and cost a few MiB.
const GRAINS_IN_HAND = 32;
const READ_BYTES = 16 * GRAIN_BYTES;
/** What is written at once, and digested: a call for each grain would cost more than its bytes. */
const BATCH_BYTES = 2 ** 20;
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
  let untouched = 0;
  let batch: Uint8Array[] = [];
  let batchBytes = 0;

  async function flush(): Promise<void> {
    const bytes = Buffer.concat(batch, batchBytes);
    [batch, batchBytes] = [[], 0];
    content.update(bytes);
    await sink.write(bytes);
  }

  async function append(bytes: Uint8Array): Promise<number> {
    const sector = nextSector;
    batch.push(bytes);
    batchBytes += bytes.length;
    nextSector += bytes.length / VMDK_SECTOR_BYTES;
    if (nextSector > MOST_SECTORS) throw new RangeError('a VMDK ends at 2 TiB of compressed grains');
    if (batchBytes >= BATCH_BYTES) await flush();
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

  const compressed = inOrder(grainsOf(disk, options), GRAINS_IN_HAND, async ({ index, bytes, stream }) => ({
    index,
    bytes: stream ?? (await options.compressor.compress(bytes, index)),
    isUntouched: stream !== null,
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
    if (grain.isUntouched) untouched += 1;
  }
  await closeTable();

  const directoryBytes = littleEndian(directory);
  await append(vmdkMarker(MARKER.grainDirectory, directoryBytes.length / VMDK_SECTOR_BYTES));
  const directorySector = await append(directoryBytes);
  await append(vmdkMarker(MARKER.footer, 1));
  await append(vmdkHeader(capacitySectors, directorySector));
  await append(new Uint8Array(VMDK_SECTOR_BYTES));
  await flush();

  const descriptor = vmdkDescriptor({
    contentId: contentId(content.digest('hex')),
    capacitySectors,
    adapter: options.adapter,
    toolsVersion: options.toolsVersion,
  });
  await sink.writeAt(vmdkHeader(capacitySectors, null), 0);
  await sink.writeAt(descriptor, DESCRIPTOR_SECTOR * VMDK_SECTOR_BYTES);
  const sizeBytes = nextSector * VMDK_SECTOR_BYTES;
  return { capacityBytes: capacitySectors * VMDK_SECTOR_BYTES, grains, untouched, sizeBytes };
}

/** A grain by its bytes, or by its stream. */
type Grain =
  | { readonly index: number; readonly bytes: Uint8Array; readonly stream: null }
  | { readonly index: number; readonly bytes: null; readonly stream: Uint8Array };

/** The grains that hold something, in ascending order: those that may have changed out of the disk, the others as they were. */
async function* grainsOf(disk: DiskSource, options: VmdkOptions): AsyncGenerator<Grain> {
  const endGrain = Math.ceil(disk.sizeBytes / GRAIN_BYTES);
  const earlier = isOfSize(options.earlier, disk.sizeBytes) ? options.earlier : null;
  let told = 0;
  const look = (at: number): void => {
    options.signal?.throwIfAborted();
    if (at / disk.sizeBytes < told + PROGRESS_STEP) return;
    told = at / disk.sizeBytes;
    options.onProgress?.(told);
  };
  let next = 0;
  for (const [from, to] of earlier === null ? [[0, endGrain] as const] : wholeGrains(earlier.touched)) {
    if (earlier !== null) yield* takenOver(earlier.grains, next, Math.min(from, endGrain), look);
    yield* readGrains(disk, from, Math.min(to, endGrain), look);
    next = to;
  }
  if (earlier !== null) yield* takenOver(earlier.grains, next, endGrain, look);
  options.onProgress?.(1);
}

/** The last grain of a disk of another size would be another one. */
function isOfSize(earlier: EarlierVmdk | null | undefined, sizeBytes: number): earlier is EarlierVmdk {
  const capacityBytes = Math.ceil(sizeBytes / VMDK_SECTOR_BYTES) * VMDK_SECTOR_BYTES;
  return earlier?.grains.capacityBytes === capacityBytes;
}

/** Stretches of bytes as stretches of the grains that they reach into. */
function wholeGrains(ranges: Ranges): Ranges {
  return union([
    ranges.map(([from, to]) => [Math.floor(from / GRAIN_BYTES), Math.ceil(to / GRAIN_BYTES)] as const),
  ]);
}

async function* takenOver(
  grains: VmdkGrains,
  from: number,
  to: number,
  look: (at: number) => void,
): AsyncGenerator<Grain> {
  for (let index = await grains.next(from); index < to; index = await grains.next(index + 1)) {
    look(index * GRAIN_BYTES);
    const stream = await grains.stream(index);
    if (stream === null) throw new Error('an image that was found whole lacks a grain that it names');
    yield { index, bytes: null, stream };
  }
}

/** Grains from one to before another out of the disk; the last one is filled up with zeros. */
async function* readGrains(
  disk: DiskSource,
  from: number,
  to: number,
  look: (at: number) => void,
): AsyncGenerator<Grain> {
  const end = to * GRAIN_BYTES;
  let buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  for (let at = from * GRAIN_BYTES; at < end; at += READ_BYTES) {
    look(at);
    const data = await disk.nextData(at);
    if (data >= end || data >= disk.sizeBytes) break;
    at = data - (data % GRAIN_BYTES);
    const piece = buffer.subarray(0, Math.min(READ_BYTES, end - at));
    await readPadded(disk, piece, at);
    let given = false;
    for (let offset = 0; offset < piece.length; offset += GRAIN_BYTES) {
      const bytes = piece.subarray(offset, offset + GRAIN_BYTES);
      if (bytes.equals(ZEROS)) continue;
      given = true;
      yield { index: (at + offset) / GRAIN_BYTES, bytes, stream: null };
    }
    // Grains that were given out are still being compressed while the next ones are read: they keep their buffer.
    if (given) buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  }
}

/** Numbers as little-endian bytes, filled up to whole sectors. */
function littleEndian(numbers: Uint32Array): Uint8Array {
  const sectors = Math.ceil(numbers.byteLength / VMDK_SECTOR_BYTES);
  const bytes = new Uint8Array(sectors * VMDK_SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, number] of numbers.entries()) view.setUint32(index * 4, number, true);
  return bytes;
}
