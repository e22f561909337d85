/** An inode of an ext file system: what it is, and where its bytes lie. */

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

/** Where the blocks of a file are, in the order of the file; holes are left out. `block` gives a block of the file system. */
export async function extentsOf(
  inode: Inode,
  blockBytes: number,
  block: (number: number) => Promise<DataView>,
): Promise<readonly Extent[]> {
  const found: Extent[] = [];
  if (inode.hasExtents) await fromTree(inode.map, block, found, MOST_DEPTH);
  else await fromPointers(inode, blockBytes, block, found);
  return found;
}

async function fromTree(
  node: DataView,
  block: (number: number) => Promise<DataView>,
  found: Extent[],
  depthLeft: number,
): Promise<void> {
  if (node.getUint16(0, true) !== EXTENT_MAGIC || depthLeft === 0) return;
  const entries = Math.min(node.getUint16(2, true), Math.floor(node.byteLength / 12) - 1);
  const isLeaf = node.getUint16(6, true) === 0;
  for (let at = 12; at < 12 * (entries + 1); at += 12) {
    if (!isLeaf) {
      const child = node.getUint32(at + 4, true) + node.getUint16(at + 8, true) * 2 ** 32;
      await fromTree(await block(child), block, found, depthLeft - 1);
      continue;
    }
    const length = node.getUint16(at + 4, true);
    const start = node.getUint32(at + 8, true) + node.getUint16(at + 6, true) * 2 ** 32;
    const written = length <= MOST_WRITTEN;
    const count = written ? length : length - MOST_WRITTEN;
    found.push({ first: node.getUint32(at, true), count, block: written ? start : null });
  }
}

/** The older map: twelve blocks, then blocks of numbers of blocks, in one, two and three levels. */
async function fromPointers(
  { map, sizeBytes }: Inode,
  blockBytes: number,
  block: (number: number) => Promise<DataView>,
  found: Extent[],
): Promise<void> {
  const perBlock = blockBytes / 4;
  const blocks = Math.ceil(sizeBytes / blockBytes);
  let at = 0;
  const add = (number: number) => {
    const last = found.at(-1);
    const follows = last && last.block !== null && last.first + last.count === at;
    if (follows && (last.block as number) + last.count === number)
      found[found.length - 1] = { ...last, count: last.count + 1 };
    else if (number !== 0) found.push({ first: at, count: 1, block: number });
    at += 1;
  };
  const descend = async (number: number, level: number): Promise<void> => {
    if (at >= blocks) return;
    if (level === 0) return add(number);
    if (number === 0) {
      at += perBlock ** level;
      return;
    }
    const pointers = await block(number);
    for (let index = 0; index < perBlock && at < blocks; index++)
      await descend(pointers.getUint32(index * 4, true), level - 1);
  };
  for (let index = 0; index < DIRECT_BLOCKS + 3; index++)
    await descend(map.getUint32(index * 4, true), Math.max(0, index - DIRECT_BLOCKS + 1));
}
