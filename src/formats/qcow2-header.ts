/** The header of a qcow2 image, versions 2 and 3, and what in it our reader cannot serve. (QEMU: docs/interop/qcow2.txt) */
import type { ByteSource } from '../model/bytes.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { readPadded } from './disk-source.ts';

export interface Qcow2Header {
  readonly clusterBits: number;
  /** Size of the disk that the image describes. */
  readonly diskBytes: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  /** Whether the header names another image that this one rests on. */
  readonly hasBacking: boolean;
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
const DIRTY = 1;
const EXTERNAL_DATA = 4;
const COMPRESSION_TYPE = 8;
const MOST_L1_ENTRIES = (32 << 20) / 8;

/** Whether a file starts as qcow2 images do. */
export async function isQcow2(source: ByteSource): Promise<boolean> {
  const start = new Uint8Array(4);
  await readPadded(source, start, 0);
  return new DataView(start.buffer).getUint32(0) === MAGIC;
}

/** Reads the header. */
export async function readQcow2Header(source: ByteSource): Promise<Result<Qcow2Header, DiskProblem>> {
  const bytes = new Uint8Array(HEADER_BYTES);
  await readPadded(source, bytes, 0);
  const view = new DataView(bytes.buffer);
  const version = view.getUint32(4);
  const header = {
    clusterBits: view.getUint32(20),
    diskBytes: Number(view.getBigUint64(24)),
    l1Offset: Number(view.getBigUint64(40)),
    l1Entries: view.getUint32(36),
    hasBacking: view.getBigUint64(8) !== 0n,
  };
  const damage = damageOf(header) ?? (hasExternalData(view, version) ? 'its data in another file' : null);
  if (damage !== null) return fail({ reason: 'unusable', problem: damage });
  const unsupported =
    version !== 2 && version !== 3 ? `version ${version}` : unsupportedFeature(view, version);
  return unsupported === null ? ok(header) : fail({ reason: 'unsupported', problem: unsupported });
}

function hasExternalData(view: DataView, version: number): boolean {
  return version >= 3 && (view.getBigUint64(72) & BigInt(EXTERNAL_DATA)) !== 0n;
}

function unsupportedFeature(view: DataView, version: number): string | null {
  if (view.getUint32(32) !== 0) return 'encryption';
  if (version === 2) return null;
  const features = view.getBigUint64(72);
  const known = BigInt(DIRTY | COMPRESSION_TYPE);
  if ((features & ~known) !== 0n) return `incompatible features 0x${features.toString(16)}`;
  // The field is there only if the header says that it is that long.
  const headerBytes = view.getUint32(100);
  const compressionType = headerBytes > COMPRESSION_TYPE_OFFSET ? view.getUint8(COMPRESSION_TYPE_OFFSET) : 0;
  return (features & BigInt(COMPRESSION_TYPE)) !== 0n && compressionType !== 0
    ? `compression type ${compressionType}`
    : null;
}

function damageOf(header: Qcow2Header): string | null {
  if (header.clusterBits < 9 || header.clusterBits > 21) return `clusters of 2^${header.clusterBits} bytes`;
  if (!Number.isSafeInteger(header.diskBytes)) return `a disk of ${header.diskBytes} bytes`;
  const perL1Entry = 2 ** (2 * header.clusterBits - 3);
  if (header.l1Entries > MOST_L1_ENTRIES || header.l1Entries < Math.ceil(header.diskBytes / perL1Entry))
    return `${header.l1Entries} level 1 entries`;
  return null;
}
