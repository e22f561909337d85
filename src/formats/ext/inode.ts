/** An inode of an ext file system: what it is, and where its bytes lie. */
import { DamagedDisk } from '../disk-source.ts';

/** Blocks that follow each other in a file and on the disk; `block` null where there is nothing but zeros. */
export interface Extent {
  readonly first: number;
  readonly count: number;
  readonly block: number | null;
}

export type InodeType = 'file' | 'directory' | 'link' | 'pipe' | 'socket' | 'device';

export interface Inode {
  readonly type: InodeType;
  /** Permission bits, with set-user-id and its kin. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** The sixty bytes that hold the map of its blocks, a short link's target, or a device's number. */
  readonly map: DataView;
  readonly hasExtents: boolean;
}

const TYPES: Readonly<Record<number, InodeType>> = {
  4096: 'pipe',
  8192: 'device',
  16384: 'directory',
  24576: 'device',
  32768: 'file',
  40960: 'link',
  49152: 'socket',
};
const EXTENTS = 0x80000;
const EXTENT_MAGIC = 0xf30a;
/** Longer extents are reserved, not written: they read as zeros. */
const MOST_WRITTEN = 32_768;
const MOST_DEPTH = 5;
const DIRECT_BLOCKS = 12;

/** Reads an inode out of its record; null when the record is of none. */
export function parseInode(record: DataView): Inode | null {
  const u16 = (at: number) => record.getUint16(at, true);
  const u32 = (at: number) => record.getUint32(at, true);
  const type = TYPES[u16(0) & 0xf000];
  if (type === undefined) return null;
  return {
    type,
    mode: u16(0) & 0x0fff,
    uid: u16(0x02) | (u16(0x78) << 16),
    gid: u16(0x18) | (u16(0x7a) << 16),
    sizeBytes: u32(0x04) + u32(0x6c) * 2 ** 32,
    map: new DataView(record.buffer, record.byteOffset + 0x28, 60),
    hasExtents: (u32(0x20) & EXTENTS) !== 0,
  };
}

/** The blocks of a file system. */
export interface Blocks {
  readonly blockBytes: number;
  /** How many there are. */
  readonly total: number;
  read(number: number): Promise<DataView>;
}

/**
 * Where the blocks of a file are, in the order of the file; holes are left out. Throws a DamagedDisk where the map leads in
 * circles, out of the disk, or to more blocks than there are: no sound one does, and following it might never end.
 */
export async function extentsOf(inode: Inode, blocks: Blocks): Promise<readonly Extent[]> {
  const map = new BlockMap(blocks);
  if (inode.hasExtents) await fromTree(inode.map, map, MOST_DEPTH);
  else await fromPointers(inode, map);
  return map.found;
}

/** What was found of a file's map, and what was looked at for it. */
class BlockMap {
  readonly found: Extent[] = [];
  readonly blocks: Blocks;
  readonly #seen = new Set<number>();
  #mapped = 0;

  constructor(blocks: Blocks) {
    this.blocks = blocks;
  }

  /** A block of the map itself. */
  node(number: number): Promise<DataView> {
    if (number >= this.blocks.total) throw new DamagedDisk(`the map of a file leads to block ${number}`);
    if (this.#seen.has(number)) throw new DamagedDisk(`the map of a file uses block ${number} twice`);
    this.#seen.add(number);
    return this.blocks.read(number);
  }

  add(extent: Extent): void {
    this.#count(extent);
    this.found.push(extent);
  }

  /** One block, which may lengthen the last extent. */
  addBlock(first: number, block: number): void {
    const last = this.found.at(-1);
    if (
      !last ||
      last.block === null ||
      last.first + last.count !== first ||
      last.block + last.count !== block
    ) {
      this.add({ first, count: 1, block });
      return;
    }
    this.#count({ first, count: 1, block });
    this.found[this.found.length - 1] = { ...last, count: last.count + 1 };
  }

  #count({ block, count }: Extent): void {
    if (block === null) return;
    this.#mapped += count;
    if (block + count > this.blocks.total || this.#mapped > this.blocks.total)
      throw new DamagedDisk(`a file lies in ${count} blocks from ${block}, where none are`);
  }
}

async function fromTree(node: DataView, map: BlockMap, depthLeft: number): Promise<void> {
  if (node.getUint16(0, true) !== EXTENT_MAGIC || depthLeft === 0) return;
  const entries = Math.min(node.getUint16(2, true), Math.floor(node.byteLength / 12) - 1);
  const isLeaf = node.getUint16(6, true) === 0;
  for (let at = 12; at < 12 * (entries + 1); at += 12) {
    if (!isLeaf) {
      const child = node.getUint32(at + 4, true) + node.getUint16(at + 8, true) * 2 ** 32;
      await fromTree(await map.node(child), map, depthLeft - 1);
      continue;
    }
    const length = node.getUint16(at + 4, true);
    const start = node.getUint32(at + 8, true) + node.getUint16(at + 6, true) * 2 ** 32;
    const written = length <= MOST_WRITTEN;
    const count = written ? length : length - MOST_WRITTEN;
    map.add({ first: node.getUint32(at, true), count, block: written ? start : null });
  }
}

/** The older map: twelve blocks, then blocks of numbers of blocks, in one, two and three levels. */
async function fromPointers({ map: pointers, sizeBytes }: Inode, map: BlockMap): Promise<void> {
  const perBlock = map.blocks.blockBytes / 4;
  const blocks = Math.ceil(sizeBytes / map.blocks.blockBytes);
  let at = 0;
  const descend = async (number: number, level: number): Promise<void> => {
    if (at >= blocks) return;
    if (number === 0) {
      at += perBlock ** level;
      return;
    }
    if (level === 0) return map.addBlock(at++, number);
    const further = await map.node(number);
    for (let index = 0; index < perBlock && at < blocks; index++)
      await descend(further.getUint32(index * 4, true), level - 1);
  };
  for (let index = 0; index < DIRECT_BLOCKS + 3; index++)
    await descend(pointers.getUint32(index * 4, true), Math.max(0, index - DIRECT_BLOCKS + 1));
}
