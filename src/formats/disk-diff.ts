/** What differs between the files of two disks, read without mounting them or starting anything. */
import type { ByteSource } from '../model/bytes.ts';
import { type ExtFileSystem, openExt } from './ext/filesystem.ts';
import type { Extent, Inode } from './ext/inode.ts';
import { compareTrees, type FileFacts, type FileTree, type TreeChanges } from './file-tree.ts';
import { type Partition, partitionSource, partitionsOf } from './partitions.ts';
import { type Ranges, touches } from './ranges.ts';

/** What became of the partitions of one number. */
export interface PartitionDiff {
  readonly number: number;
  /** Files that a partition alone has count as added or removed. Null when one of them could not be read. */
  readonly changes: TreeChanges | null;
  /** The one that holds the system: it has an `/etc`. */
  readonly isRoot: boolean;
  /** Why it could not be read: what it holds. */
  readonly problem: string | null;
  /** Who of the two has it. */
  readonly inBefore: boolean;
  readonly inAfter: boolean;
  /** Read by the system on the disk while it ran: what it writes at its boot is in the list. */
  readonly isLive: boolean;
}

interface ExtEntry extends FileFacts {
  readonly inode: Inode;
}

interface Opened {
  readonly partition: Partition;
  readonly fileSystem: ExtFileSystem | null;
  readonly problem: string | null;
}

const PIECE_BYTES = 2 ** 20;

/** Compares partition by partition. Outside of `touched` the disks are known to hold the same bytes. */
export async function diffDisks(
  before: ByteSource,
  after: ByteSource,
  touched: Ranges,
): Promise<readonly PartitionDiff[]> {
  const [were, are] = [await openAll(before), await openAll(after)];
  const numbers = [...new Set([...were.keys(), ...are.keys()])].sort((a, b) => a - b);
  const diffs: PartitionDiff[] = [];
  for (const number of numbers)
    diffs.push(await diffPartition(number, were.get(number), are.get(number), touched));
  return diffs;
}

async function openAll(disk: ByteSource): Promise<ReadonlyMap<number, Opened>> {
  const opened = new Map<number, Opened>();
  for (const partition of await partitionsOf(disk)) {
    const system = await openExt(partitionSource(disk, partition));
    const [fileSystem, problem] = system.ok ? [system.value, null] : [null, system.failure];
    opened.set(partition.number, { partition, fileSystem, problem });
  }
  return opened;
}

async function diffPartition(
  number: number,
  before: Opened | undefined,
  after: Opened | undefined,
  touched: Ranges,
): Promise<PartitionDiff> {
  const there = { number, inBefore: before !== undefined, inAfter: after !== undefined, isLive: false };
  const problem = before?.problem ?? after?.problem ?? null;
  // Whatever it holds, it is what it was.
  if (problem !== null && before && after && isUntouched(before.partition, after.partition, touched))
    return { ...there, changes: { added: [], removed: [], changed: [] }, isRoot: false, problem: null };
  if (problem !== null) return { ...there, changes: null, isRoot: false, problem };
  const [was, is] = [await listed(before), await listed(after)];
  const changes = await compareTrees(was, is, (one, other) =>
    haveSameContent(one, other, before as Opened, after as Opened, touched),
  );
  return { ...there, changes, isRoot: isRootTree(was) || isRootTree(is), problem: null };
}

/** Whether it is the file system of a system. */
export function isRootTree(tree: FileTree): boolean {
  return tree.has('/etc');
}

function isUntouched(before: Partition, after: Partition, touched: Ranges): boolean {
  const { offset, sizeBytes } = after;
  const samePlace = before.offset === offset && before.sizeBytes === sizeBytes;
  return samePlace && !touches(touched, offset, offset + sizeBytes);
}

async function listed(opened: Opened | undefined): Promise<FileTree<ExtEntry>> {
  const found = new Map<string, ExtEntry>();
  const system = opened?.fileSystem;
  if (!system) return found;
  for await (const { path, inode } of system.walk()) {
    const { type, mode, uid, gid } = inode;
    const sizeBytes = type === 'file' ? inode.sizeBytes : 0;
    const target = type === 'link' ? await system.target(inode) : null;
    found.set(path, { type, mode, uid, gid, sizeBytes, target, inode });
  }
  return found;
}

async function haveSameContent(
  one: ExtEntry,
  other: ExtEntry,
  before: Opened,
  after: Opened,
  touched: Ranges,
): Promise<boolean> {
  const [was, is] = [before.fileSystem as ExtFileSystem, after.fileSystem as ExtFileSystem];
  const [wasAt, isAt] = [await was.extents(one.inode), await is.extents(other.inode)];
  const samePlace = before.partition.offset === after.partition.offset && was.blockBytes === is.blockBytes;
  if (
    samePlace &&
    sameExtents(wasAt, isAt) &&
    !isAt.some((extent) => mayDiffer(extent, was, is, after, touched))
  )
    return true;
  const [a, b] = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)];
  // A file may have a thousand times more holes than its disk has bytes.
  const next = (at: number) =>
    Math.min(mappedFrom(at, wasAt, was.blockBytes), mappedFrom(at, isAt, is.blockBytes));
  for (let at = next(0); at < one.sizeBytes; at = next(at + PIECE_BYTES)) {
    const length = Math.min(PIECE_BYTES, one.sizeBytes - at);
    const [left, right] = [a.subarray(0, length), b.subarray(0, length)];
    await was.read(wasAt, left, at);
    await is.read(isAt, right, at);
    if (!left.equals(right)) return false;
  }
  return true;
}

/** The first offset of a file, not before `at`, where it has something else than a hole. */
function mappedFrom(at: number, extents: readonly Extent[], blockBytes: number): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const { first, count, block } of extents)
    if (block !== null && (first + count) * blockBytes > at)
      nearest = Math.min(nearest, Math.max(at, first * blockBytes));
  return nearest;
}

function sameExtents(one: readonly Extent[], other: readonly Extent[]): boolean {
  const isSame = (a: Extent, b: Extent | undefined) =>
    a.first === b?.first && a.count === b.count && a.block === b.block;
  return one.length === other.length && one.every((extent, index) => isSame(extent, other[index]));
}

function mayDiffer(
  { block, count }: Extent,
  was: ExtFileSystem,
  is: ExtFileSystem,
  { partition }: Opened,
  touched: Ranges,
): boolean {
  if (block === null) return false;
  const from = partition.offset + block * is.blockBytes;
  return (
    touches(touched, from, from + count * is.blockBytes) ||
    was.isReplayed(block, count) ||
    is.isReplayed(block, count)
  );
}
