/** The fixed structures of a stream-optimized VMDK: header, descriptor, markers. (VMware Virtual Disk Format 5.0, 5 to 5.4) */
import type { AdapterType } from './vmdk-geometry.ts';
import { diskGeometry } from './vmdk-geometry.ts';

export const VMDK_SECTOR_BYTES = 512;
export const GRAIN_SECTORS = 128;
export const GRAIN_BYTES = GRAIN_SECTORS * VMDK_SECTOR_BYTES;
export const GRAINS_PER_TABLE = 512;
export const DESCRIPTOR_SECTOR = 1;
const DESCRIPTOR_SECTORS = 20;
/** Sectors before the first grain: what VMware's own exports have. */
export const HEAD_SECTORS = 128;

/** `gdOffset` of a header whose grain directory is announced by the footer. */
const DIRECTORY_AT_END = 0xffffffffffffffffn;
const FLAGS = {
  /** The four line-end bytes are valid. */ newlineTest: 1,
  compressedGrains: 1 << 16,
  markers: 1 << 17,
};

export const MARKER = { grainTable: 1, grainDirectory: 2, footer: 3 } as const;

/** One sector: header (directory at the end) or footer (with the directory's sector). */
export function vmdkHeader(capacitySectors: number, directorySector: number | null): Uint8Array {
  const bytes = new Uint8Array(VMDK_SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  const put64 = (offset: number, value: number | bigint) => view.setBigUint64(offset, BigInt(value), true);
  bytes.set(Buffer.from('KDMV', 'latin1'));
  // Version 3 since grains are compressed; older readers took version 1 for an old, plain disk.
  view.setUint32(4, 3, true);
  view.setUint32(8, FLAGS.newlineTest | FLAGS.compressedGrains | FLAGS.markers, true);
  put64(12, capacitySectors);
  put64(20, GRAIN_SECTORS);
  put64(28, DESCRIPTOR_SECTOR);
  put64(36, DESCRIPTOR_SECTORS);
  view.setUint32(44, GRAINS_PER_TABLE, true);
  put64(48, 0);
  put64(56, directorySector ?? DIRECTORY_AT_END);
  put64(64, HEAD_SECTORS);
  bytes.set(Buffer.from('\n \r\n', 'latin1'), 73);
  const deflate = 1;
  view.setUint16(77, deflate, true);
  return bytes;
}

interface DescriptorFacts {
  /** Any 32 bits that stand for the content; see `contentId`. */
  readonly contentId: string;
  readonly capacitySectors: number;
  readonly adapter: AdapterType;
  /** `ddb.toolsVersion`, null to leave it out. */
  readonly toolsVersion: string | null;
}

/** The text descriptor, padded to its sectors. The extent's name is fixed, so that it does not depend on a file's. */
export function vmdkDescriptor(facts: DescriptorFacts): Uint8Array {
  const geometry = diskGeometry(facts.adapter, facts.capacitySectors);
  const lines = [
    '# Disk DescriptorFile',
    'version=1',
    `CID=${facts.contentId}`,
    'parentCID=ffffffff',
    'createType="streamOptimized"',
    '',
    '# Extent description',
    `RW ${facts.capacitySectors} SPARSE "disk.vmdk"`,
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    'ddb.virtualHWVersion = "4"',
    `ddb.geometry.cylinders = "${geometry.cylinders}"`,
    `ddb.geometry.heads = "${geometry.heads}"`,
    `ddb.geometry.sectors = "${geometry.sectors}"`,
    `ddb.adapterType = "${facts.adapter}"`,
    ...(facts.toolsVersion === null ? [] : [`ddb.toolsVersion = "${facts.toolsVersion}"`]),
    '',
  ];
  const bytes = new Uint8Array(DESCRIPTOR_SECTORS * VMDK_SECTOR_BYTES);
  bytes.set(Buffer.from(lines.join('\n'), 'latin1'));
  return bytes;
}

/** The content ID out of a digest's hex digits: the first eight, but for the values that mean "no parent" and "none". */
export function contentId(hexDigest: string): string {
  const id = hexDigest.slice(0, 8);
  return id === 'ffffffff' || id === 'fffffffe' ? hexDigest.slice(8, 15).padStart(8, '0') : id;
}

/** The sector that announces a structure of so many sectors. */
export function vmdkMarker(type: (typeof MARKER)[keyof typeof MARKER], sectors: number): Uint8Array {
  const bytes = new Uint8Array(VMDK_SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sectors), true);
  view.setUint32(12, type, true);
  return bytes;
}

/** A compressed grain with its marker, padded to whole sectors. */
export function vmdkGrain(sector: number, compressed: Uint8Array): Uint8Array {
  const used = 12 + compressed.length;
  const bytes = new Uint8Array(Math.ceil(used / VMDK_SECTOR_BYTES) * VMDK_SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, compressed.length, true);
  bytes.set(compressed, 12);
  return bytes;
}
