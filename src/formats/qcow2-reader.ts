/** The disk that a chain of qcow2 layers describes, read without QEMU; the lowest layer may be a raw image. */
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import type { ByteSource } from '../model/bytes.ts';
import type { DiskFormat } from '../model/disk-format.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { DiskSource } from './disk-source.ts';
import { DamagedDisk, rawDisk, readPadded } from './disk-source.ts';
import type { DiskProblem } from './qcow2-header.ts';
import { readQcow2Header } from './qcow2-header.ts';
import type { ClusterPlace, Qcow2Layer } from './qcow2-layer.ts';
import { openQcow2Layer } from './qcow2-layer.ts';

/** Whoever looks for data mostly asks again a little further on: looking at a whole table each time would be for nothing. */
const CLUSTERS_AT_ONCE = 64;

const inflate = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw);

/** A file of a disk, and what it is known to be. */
export interface OpenedFile {
  readonly source: ByteSource;
  readonly format: DiskFormat;
}

/**
 * Opens a chain of layers, lowest first. Nothing is guessed: what each is has been found or stated before. Images that need
 * another reader (other formats, zstd, extended entries) are `unsupported`; those that reach for files that are not in the
 * chain are `unusable`.
 */
export async function openDisk(layers: readonly OpenedFile[]): Promise<Result<DiskSource, DiskProblem>> {
  let disk: DiskSource | null = null;
  for (const { source, format } of layers) {
    if (format !== 'qcow2') {
      if (disk !== null) return fail({ reason: 'unusable', problem: 'a layer that is no qcow2 image' });
      if (format !== 'raw') return fail({ reason: 'unsupported', problem: `the format ${format}` });
      disk = rawDisk(source);
      continue;
    }
    const header = await readQcow2Header(source);
    if (!header.ok) return header;
    if (header.value.unread !== null) return fail({ reason: 'unsupported', problem: header.value.unread });
    if (header.value.hasBacking && disk === null)
      // Following it would read a file that nobody declared.
      return fail({ reason: 'unusable', problem: 'a backing file, which is no part of it' });
    disk = layeredDisk(await openQcow2Layer(source, header.value), disk);
  }
  return disk === null ? fail({ reason: 'unusable', problem: 'no layers' }) : ok(disk);
}

/** One layer over the disk below it. */
function layeredDisk(layer: Qcow2Layer, below: DiskSource | null): DiskSource {
  const { clusterBits, diskBytes } = layer.header;
  const clusterBytes = 2 ** clusterBits;
  // The deflated cluster that was read last: a caller that reads in smaller pieces would inflate it again and again.
  let inflated: { readonly cluster: number; readonly bytes: Uint8Array } | null = null;

  async function readPiece(into: Uint8Array, offset: number, place: ClusterPlace): Promise<void> {
    const inCluster = offset % clusterBytes;
    switch (place.type) {
      case 'plain':
        return readPadded(layer.source, into, place.offset + inCluster);
      case 'zeros':
        into.fill(0);
        return;
      case 'absent':
        if (below === null) into.fill(0);
        else await readPadded(below, into, offset);
        return;
      case 'deflated': {
        const cluster = Math.floor(offset / clusterBytes);
        if (inflated?.cluster !== cluster) inflated = { cluster, bytes: await inflateCluster(place) };
        into.set(inflated.bytes.subarray(inCluster, inCluster + into.length));
        return;
      }
    }
  }

  async function inflateCluster(place: { readonly offset: number; readonly sizeBytes: number }) {
    const packed = new Uint8Array(place.sizeBytes);
    await readPadded(layer.source, packed, place.offset);
    // What follows the stream in its last sector belongs to others; the cluster is whole when its bytes are there.
    const bytes = await inflate(packed, { maxOutputLength: clusterBytes }).catch(() => null);
    if (bytes?.length !== clusterBytes)
      throw new DamagedDisk(`the compressed cluster at ${place.offset} does not give ${clusterBytes} bytes`);
    return bytes;
  }

  return {
    sizeBytes: diskBytes,
    async read(into, offset) {
      const wanted = Math.max(0, Math.min(into.length, diskBytes - offset));
      for (let done = 0; done < wanted; ) {
        const at = offset + done;
        const left = wanted - done;
        const { place, clusters } = await layer.run(
          Math.floor(at / clusterBytes),
          Math.ceil(left / clusterBytes) + 1,
        );
        const length = Math.min(left, clusters * clusterBytes - (at % clusterBytes));
        await readPiece(into.subarray(done, done + length), at, place);
        done += length;
      }
      return wanted;
    },
    async nextData(offset) {
      for (let at = offset; at < diskBytes; ) {
        const cluster = Math.floor(at / clusterBytes);
        const { place, clusters } = await layer.run(cluster, CLUSTERS_AT_ONCE);
        if (place.type === 'plain' || place.type === 'deflated') return at;
        const end = (cluster + clusters) * clusterBytes;
        if (place.type === 'absent') {
          const lower = below === null ? end : await below.nextData(at);
          if (lower < end && lower < (below?.sizeBytes ?? 0)) return Math.min(lower, diskBytes);
        }
        at = end;
      }
      return diskBytes;
    },
  };
}
