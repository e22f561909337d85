/** The header of a qcow2 image, versions 2 and 3, and what in it nobody may follow or our reader cannot serve. (QEMU: docs/interop/qcow2.txt) */
import type { ByteSource } from '../model/bytes.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { readPadded } from './disk-source.ts';
import { field64, MOST_DISK_BYTES } from './disk-view.ts';

export interface Qcow2Header {
  readonly clusterBits: number;
  /** Size of the disk that the image describes. */
  readonly diskBytes: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  /** Whether the header names another image that this one rests on. */
  readonly hasBacking: boolean;
  /** Entries of level 2 tables are of 16 bytes, not 8. */
  readonly extendedEntries: boolean;
  /** What QEMU reads and our reader does not: a part of a sentence; null when there is nothing of the kind. */
  readonly unread: string | null;
}

/** `unsupported`: a sound image that needs another reader. `unusable`: no reader should or could read it. */
export interface DiskProblem {
  readonly reason: 'unsupported' | 'unusable';
  /** A part of a sentence: what it has. */
  readonly problem: string;
}

const MAGIC = 0x514649fb;
const HEADER_BYTES = 112;
const COMPRESSION_TYPE_OFFSET = 104;
const DIRTY = 1n;
const CORRUPT = 2n;
const EXTERNAL_DATA = 4n;
const COMPRESSION_TYPE = 8n;
const EXTENDED_ENTRIES = 16n;
const KNOWN = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_ENTRIES;
const MOST_L1_ENTRIES = (32 << 20) / 8;

/** Whether a file starts as qcow2 images do. */
export async function isQcow2(source: ByteSource): Promise<boolean> {
  const start = new Uint8Array(4);
  await readPadded(source, start, 0);
  return new DataView(start.buffer).getUint32(0) === MAGIC;
}

/** Reads the header. A backing file is for the caller to judge: only the lowest layer's is one that nobody declared. */
export async function readQcow2Header(source: ByteSource): Promise<Result<Qcow2Header, DiskProblem>> {
  const bytes = new Uint8Array(HEADER_BYTES);
  await readPadded(source, bytes, 0);
  const view = new DataView(bytes.buffer);
  const unusable = (problem: string) => fail<DiskProblem>({ reason: 'unusable', problem });
  if (view.getUint32(0) !== MAGIC) return unusable('no qcow2 header');
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) return fail({ reason: 'unsupported', problem: `version ${version}` });
  const features = version >= 3 ? view.getBigUint64(72) : 0n;
  const header = {
    clusterBits: view.getUint32(20),
    diskBytes: field64(view, 24, false),
    l1Offset: field64(view, 40, false),
    l1Entries: view.getUint32(36),
    hasBacking: view.getBigUint64(8) !== 0n,
    extendedEntries: (features & EXTENDED_ENTRIES) !== 0n,
  };
  const damage = flawOf(view, features) ?? damageOf(header);
  if (damage !== null) return unusable(damage);
  const compression = compressionType(view, features);
  if (compression > 1) return unusable(`the unknown compression type ${compression}`);
  const unread =
    compression === 1 ? 'compression with zstd' : header.extendedEntries ? 'extended entries' : null;
  return ok({ ...header, unread });
}

/** What the header says aloud that keeps everybody from reading the image. */
function flawOf(view: DataView, features: bigint): string | null {
  if ((features & EXTERNAL_DATA) !== 0n) return 'its data in another file';
  if (view.getUint32(32) !== 0) return 'encryption';
  if ((features & CORRUPT) !== 0n)
    return 'the mark of a corrupt image; repair a copy with `qemu-img check -r all`';
  if ((features & DIRTY) !== 0n)
    return 'the mark of an image that was not closed; repair a copy with `qemu-img check -r all`';
  if ((features & ~KNOWN) !== 0n) return `unknown incompatible features 0x${features.toString(16)}`;
  return null;
}

function compressionType(view: DataView, features: bigint): number {
  if ((features & COMPRESSION_TYPE) === 0n) return 0;
  // The field is there only if the header says that it is that long.
  return view.getUint32(100) > COMPRESSION_TYPE_OFFSET ? view.getUint8(COMPRESSION_TYPE_OFFSET) : 0;
}

function damageOf(header: Omit<Qcow2Header, 'unread'>): string | null {
  const { clusterBits, diskBytes, l1Offset, l1Entries } = header;
  if (clusterBits < 9 || clusterBits > 21) return `clusters of 2^${clusterBits} bytes`;
  if (header.extendedEntries && clusterBits < 14)
    return 'extended entries for clusters that are too small for them';
  if (diskBytes > MOST_DISK_BYTES) return `a disk of ${diskBytes} bytes, where 64 TiB are the most`;
  const perL1Entry = 2 ** (2 * clusterBits - (header.extendedEntries ? 4 : 3));
  if (l1Entries > MOST_L1_ENTRIES || l1Entries < Math.ceil(diskBytes / perL1Entry))
    return `${l1Entries} level 1 entries`;
  if (l1Entries > 0 && (l1Offset % 2 ** clusterBits !== 0 || l1Offset === Number.POSITIVE_INFINITY))
    return 'a level 1 table at no place for one';
  return null;
}
