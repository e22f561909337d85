/** Which parts of a disk a layer holds, so that what two disks share need not be read to be known as equal. */
import type { ByteSource } from '../model/bytes.ts';
import { isQcow2, readQcow2Header } from './qcow2-header.ts';
import { openQcow2Layer } from './qcow2-layer.ts';

/** Stretches of a disk from the first to before the second offset, ascending, none touching the next. */
export type Ranges = readonly (readonly [number, number])[];

const WHOLE: Ranges = [[0, Number.POSITIVE_INFINITY]];

/** What a layer says of the disk, be it that there are zeros. Everything, for what is no qcow2 image that we can read. */
export async function writtenRanges(layer: ByteSource): Promise<Ranges> {
  const header = (await isQcow2(layer)) ? await readQcow2Header(layer) : null;
  if (!header?.ok) return WHOLE;
  const { diskBytes, clusterBits } = header.value;
  const clusterBytes = 2 ** clusterBits;
  const opened = await openQcow2Layer(layer, header.value);
  const found: [number, number][] = [];
  for (let cluster = 0; cluster * clusterBytes < diskBytes; ) {
    const { place, clusters } = await opened.run(cluster, Number.POSITIVE_INFINITY);
    const [from, to] = [cluster * clusterBytes, Math.min(diskBytes, (cluster + clusters) * clusterBytes)];
    if (place.type !== 'absent') found.push([from, to]);
    cluster += clusters;
  }
  return union([found]);
}

/**
 * Where two disks can differ that have their lowest `shared` layers in common: what the others of them say something of.
 * Everything, if they share none, or one of the others is of another size: below its end it hides what lies under it.
 */
export async function touchedRanges(
  before: readonly ByteSource[],
  after: readonly ByteSource[],
  shared: number,
): Promise<Ranges> {
  if (shared === 0) return WHOLE;
  const own = [...before.slice(shared), ...after.slice(shared)];
  const sizes = await Promise.all([...own, before.at(-1), after.at(-1)].map(diskSize));
  if (new Set(sizes).size > 1) return WHOLE;
  return union(await Promise.all(own.map(writtenRanges)));
}

/** Of the disk that ends with this layer; null for a qcow2 image that we cannot read. */
async function diskSize(layer: ByteSource | undefined): Promise<number | null> {
  if (layer === undefined) return null;
  if (!(await isQcow2(layer))) return layer.sizeBytes;
  const header = await readQcow2Header(layer);
  return header.ok ? header.value.diskBytes : null;
}

/** What is in any of them. */
export function union(all: readonly Ranges[]): Ranges {
  const sorted = all.flat().sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** Whether a stretch has anything in common with them. */
export function touches(ranges: Ranges, from: number, to: number): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as readonly [number, number])[1] <= from) low = middle + 1;
    else high = middle;
  }
  const first = ranges[low];
  return first !== undefined && first[0] < to;
}

/** How many bytes they are. */
export function sizeOf(ranges: Ranges): number {
  return ranges.reduce((sum, [from, to]) => sum + (to - from), 0);
}
