/** What must hold of every image that is given to a reader, whatever its bytes are: an end, bounded reads, and no failure but the declared ones. */
import { crc32c } from '../../src/formats/crc32c.ts';
import { checkDisk } from '../../src/formats/disk-check.ts';
import { diffDisks } from '../../src/formats/disk-diff.ts';
import { detectFormat } from '../../src/formats/disk-magic.ts';
import { DamagedDisk } from '../../src/formats/disk-source.ts';
import { type ExtFileSystem, openExt } from '../../src/formats/ext/filesystem.ts';
import { partitionSource, partitionsOf } from '../../src/formats/partitions.ts';
import { openDisk } from '../../src/formats/qcow2-reader.ts';
import { writtenRanges } from '../../src/formats/ranges.ts';
import { openVmdkGrains } from '../../src/formats/vmdk-grains.ts';
import { readVmdkHead } from '../../src/formats/vmdk-header.ts';
import type { ByteSource } from '../../src/model/bytes.ts';
import type { DiskFormat } from '../../src/model/disk-format.ts';
import { bytesAt, imageSource, type Patch } from './sparse-image.ts';

const PIECE_BYTES = 2 ** 16;
const MOST_PIECES = 16;
const MOST_FILES = 64;

/** Runs a reader that may say in the middle of its work that the image contradicts itself. */
async function orDamaged(read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof DamagedDisk)) throw error;
  }
}

async function checked(source: ByteSource, format: DiskFormat): Promise<boolean> {
  const found = await checkDisk(source, format);
  if (!found.ok) return false;
  const { sizeBytes, window } = found.value;
  if (!(sizeBytes >= 0 && sizeBytes <= 64 * 2 ** 40)) throw new Error(`a disk of ${sizeBytes} bytes`);
  if (window !== null && window.offset + window.sizeBytes > source.sizeBytes)
    throw new Error('a window that is larger than the file');
  return true;
}

/** Checks an image, and reads it through as a stage does, checked before or not. */
export async function qcow2(input: Uint8Array): Promise<void> {
  await detectFormat(imageSource(input), null);
  await checked(imageSource(input), 'qcow2');
  await writtenRanges(imageSource(input));
  await orDamaged(async () => {
    const disk = await openDisk([{ source: imageSource(input), format: 'qcow2' }]);
    if (!disk.ok) return;
    const piece = new Uint8Array(PIECE_BYTES);
    let offset = await disk.value.nextData(0);
    for (let pieces = 0; pieces < MOST_PIECES && offset < disk.value.sizeBytes; pieces++) {
      await disk.value.read(piece, offset);
      const next = await disk.value.nextData(offset + piece.length);
      if (next <= offset) throw new Error(`the data after ${offset} is at ${next}`);
      offset = next;
    }
  });
}

/** Checks an image, and looks for the grains of one that is stream-optimized. */
export async function vmdk(input: Uint8Array): Promise<void> {
  await detectFormat(imageSource(input), 'disk.vmdk');
  const isWhole = await checked(imageSource(input), 'vmdk');
  // Of an image that nobody checked the tables may be many times as large as the file.
  if (isWhole) await readVmdkHead(imageSource(input));
  const grains = await openVmdkGrains(imageSource(input));
  let grain = await grains.next(0);
  for (let count = 0; count < MOST_PIECES && Number.isFinite(grain); count++) {
    await grains.stream(grain);
    const next = await grains.next(grain + 1);
    if (next <= grain) throw new Error(`the grain after ${grain} is ${next}`);
    grain = next;
  }
}

/** A VHD, given sums that fit, since no mutation would find them: and the copy of its footer, if it had one. */
export async function vhd(input: Uint8Array): Promise<void> {
  const source = imageSource(input);
  await detectFormat(source, 'disk.vhd');
  await checked(source, 'vpc');
  const offset = source.sizeBytes - 512;
  const footer = await bytesAt(source, offset, 512);
  footer.writeUInt32BE(0, 64);
  footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
  const hasCopy = (await bytesAt(source, 0, 8)).toString('latin1') === 'conectix';
  const patches = [{ offset, bytes: footer }, ...(hasCopy ? [{ offset: 0, bytes: footer }] : [])];
  await checked(imageSource(input, patches), 'vpc');
}

/** A VHDX, as it is and with the sums of its headers put right. */
export async function vhdx(input: Uint8Array): Promise<void> {
  const source = imageSource(input);
  await detectFormat(source, 'disk.vhdx');
  await checked(source, 'vhdx');
  const patches: Patch[] = [];
  for (const offset of [2 ** 16, 2 ** 17]) {
    const header = await bytesAt(source, offset, 4096);
    header.writeUInt32LE(0, 4);
    header.writeUInt32LE(crc32c(header), 4);
    patches.push({ offset, bytes: header });
  }
  await checked(imageSource(input, patches), 'vhdx');
}

/** A VDI. */
export async function vdi(input: Uint8Array): Promise<void> {
  await detectFormat(imageSource(input), 'disk.vdi');
  await checked(imageSource(input), 'vdi');
}

/** The partitions of a disk lie in it, and a reader of one stays in it. */
export async function partitions(input: Uint8Array): Promise<void> {
  const source = imageSource(input);
  for (const partition of await partitionsOf(source)) {
    const { offset, sizeBytes } = partition;
    if (!(offset >= 0 && sizeBytes >= 0 && offset + sizeBytes <= source.sizeBytes))
      throw new Error(`a partition at ${offset} of ${sizeBytes} bytes`);
    await partitionSource(source, partition).read(new Uint8Array(512), 0);
  }
}

/** Walks a file system and reads the beginning of its files; then compares it with itself. */
export async function ext(input: Uint8Array): Promise<void> {
  await orDamaged(async () => {
    const opened = await openExt(imageSource(input));
    if (opened.ok) await walked(opened.value);
  });
  const everything = [[0, Number.POSITIVE_INFINITY]] as const;
  await orDamaged(async () => {
    for (const { changes } of await diffDisks(imageSource(input), imageSource(input), everything))
      if (changes && changes.added.length + changes.removed.length + changes.changed.length > 0)
        throw new Error('it differs from itself');
  });
}

async function walked(system: ExtFileSystem): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES);
  let files = 0;
  for await (const { path, inode } of system.walk()) {
    if (!path.startsWith('/')) throw new Error(`the path ${path}`);
    if (inode.type === 'link') await system.target(inode);
    if (inode.type !== 'file' || files++ > MOST_FILES) continue;
    const extents = await system.extents(inode);
    for (const { block, count } of extents) if (block !== null) system.isReplayed(block, count);
    await system.read(extents, piece, Math.max(0, inode.sizeBytes - 1));
    await system.read(extents, piece, 0);
  }
}
