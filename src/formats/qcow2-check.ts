/** Whether everything that a qcow2 image points at lies in its file, once: before a program gets it that would follow. */
import type { ByteSource } from '../model/bytes.ts';
import { eachEntry, wholeSectors } from './disk-view.ts';
import type { Qcow2Header } from './qcow2-header.ts';
import { placeOf, plainOffset } from './qcow2-layer.ts';

const L1_ENTRY_BYTES = 8;

/** A part of a sentence: what the image has; null when it is whole. The work is bounded by the size of the file. */
export async function qcow2Damage(source: ByteSource, header: Qcow2Header): Promise<string | null> {
  const { clusterBits, diskBytes, l1Offset, extendedEntries } = header;
  const clusterBytes = 2 ** clusterBits;
  const entryBytes = extendedEntries ? 16 : 8;
  const perTable = clusterBytes / entryBytes;
  const fileBytes = wholeSectors(source.sizeBytes);
  // Those beyond the end of the disk are looked at by nobody.
  const l1Entries = Math.min(header.l1Entries, Math.ceil(diskBytes / (perTable * clusterBytes)));
  if (l1Offset + l1Entries * L1_ENTRY_BYTES > source.sizeBytes) return truncated('its level 1 table', source);
  const tables = await tablesOf(source, l1Offset, l1Entries);
  const twice = sharedTable(tables);
  if (twice !== null) return `one level 2 table, at ${twice}, for two parts of the disk`;
  let plain = 0;
  for (const [index, offset] of tables.entries()) {
    if (offset === 0) continue;
    if (offset % clusterBytes !== 0) return `a level 2 table at ${offset}, which is no place for one`;
    if (offset + clusterBytes > fileBytes) return truncated('a level 2 table', source);
    const firstByte = index * perTable * clusterBytes;
    const entries = Math.min(perTable, Math.ceil((diskBytes - firstByte) / clusterBytes));
    const problem = await eachEntry(source, { offset, entries, entryBytes }, (view, at, entry) => {
      const place = placeOf(view, at, clusterBits, extendedEntries);
      if (place.type === 'absent' || place.type === 'zeros') return null;
      if (place.type === 'deflated')
        return place.offset + place.sizeBytes > fileBytes ? truncated('a compressed cluster', source) : null;
      plain += 1;
      if (place.offset % clusterBytes !== 0) return `a cluster at ${place.offset}, which is no place for one`;
      const written = extendedEntries ? writtenBytes(view.getUint32(at + 12), clusterBytes) : clusterBytes;
      const used = Math.min(written, diskBytes - firstByte - entry * clusterBytes);
      return place.offset + used > fileBytes ? truncated('a cluster', source) : null;
    });
    if (problem !== null) return problem;
  }
  return plain * clusterBytes > source.sizeBytes + clusterBytes
    ? `${plain} clusters in a file that has room for ${Math.ceil(source.sizeBytes / clusterBytes)}`
    : null;
}

/** Of a cluster in 32 parts: a bit for each that was written. Behind the last of them the file may end. */
function writtenBytes(bitmap: number, clusterBytes: number): number {
  return ((32 - Math.clz32(bitmap)) * clusterBytes) / 32;
}

function truncated(what: string, { sizeBytes }: ByteSource): string {
  return `${what} beyond the end of the file, which is cut off at ${sizeBytes} bytes`;
}

/** Offsets of the level 2 tables, 0 for one that is not there. At most 32 MiB. */
async function tablesOf(source: ByteSource, offset: number, entries: number): Promise<Float64Array> {
  const tables = new Float64Array(entries);
  await eachEntry(source, { offset, entries, entryBytes: L1_ENTRY_BYTES }, (view, at, index) => {
    tables[index] = plainOffset(view, at);
    return null;
  });
  return tables;
}

/** A table that is named twice would make a small file a lot of work, and no sound image has one. */
function sharedTable(tables: Float64Array): number | null {
  const sorted = tables.toSorted();
  for (let index = 1; index < sorted.length; index++)
    if (sorted[index] !== 0 && sorted[index] === sorted[index - 1]) return sorted[index] as number;
  return null;
}
