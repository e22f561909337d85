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
