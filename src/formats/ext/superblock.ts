/** The superblock of an ext2, ext3 or ext4 file system, and what in it our reader cannot serve. (Linux: Documentation/filesystems/ext4) */
import type { ByteSource } from '../../model/bytes.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { readPadded } from '../disk-source.ts';

export interface ExtSuperblock {
  readonly blockBytes: number;
  readonly inodes: number;
  readonly inodeBytes: number;
  readonly inodesPerGroup: number;
  readonly groupBytes: number;
  /** The block with the first group descriptor. */
  readonly groupsBlock: number;
  /** The inode that holds the journal; 0 when there is none. */
  readonly journalInode: number;
}

const SUPERBLOCK_AT = 1024;
const MAGIC = 0xef53;
const HAS_JOURNAL = 0x4;
const WIDE = 0x80;
/** Names in entries, recovery, extents, 64 bits, multiple mounts, flexible groups, long attributes, checksum seeds, large directories, folded case. */
const KNOWN = 0x2 | 0x4 | 0x40 | WIDE | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x20000;

/** Reads it. The failure is a part of a sentence: what the partition holds instead, or what about it is too much. */
export async function readSuperblock(source: ByteSource): Promise<Result<ExtSuperblock, string>> {
  const bytes = new Uint8Array(1024);
  await readPadded(source, bytes, SUPERBLOCK_AT);
  const view = new DataView(bytes.buffer);
  const u32 = (at: number) => view.getUint32(at, true);
  if (view.getUint16(0x38, true) !== MAGIC) return fail('no ext file system');
  const features = u32(0x60);
  const unknown = features & ~KNOWN;
  if (unknown !== 0) return fail(`an ext file system with features 0x${(unknown >>> 0).toString(16)}`);
  const blockBytes = 1024 << u32(0x18);
  const inodeBytes = u32(0x4c) === 0 ? 128 : view.getUint16(0x58, true);
  const groupBytes = (features & WIDE) === 0 ? 32 : view.getUint16(0xfe, true);
  // Inodes and descriptors of groups fill their blocks: none reaches into the next one.
  const isAligned = blockBytes % inodeBytes === 0 && blockBytes % groupBytes === 0;
  if (u32(0x18) > 6 || inodeBytes < 128 || groupBytes < 32 || !isAligned || u32(0x28) === 0)
    return fail('an ext file system whose superblock makes no sense');
  return ok({
    blockBytes,
    inodes: u32(0),
    inodeBytes,
    inodesPerGroup: u32(0x28),
    groupBytes,
    groupsBlock: u32(0x14) + 1,
    journalInode: (u32(0x5c) & HAS_JOURNAL) === 0 ? 0 : u32(0xe0),
  });
}
