/** An ext2, ext3 or ext4 file system, read without mounting it: every file with its facts, and where its bytes lie. */
import type { ByteSource } from '../../model/bytes.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { DamagedDisk, readPadded } from '../disk-source.ts';
import { type Extent, extentsOf, type Inode, parseInode } from './inode.ts';
import { replayJournal } from './journal.ts';
import { type ExtSuperblock, readSuperblock } from './superblock.ts';

/** A file, directory, link or other thing with a name. */
export interface ExtFile {
  /** Absolute. */
  readonly path: string;
  readonly inode: Inode;
}

export interface ExtFileSystem {
  readonly blockBytes: number;
  /** Everything below the root, parents first. Throws a DamagedDisk where it contradicts itself. */
  walk(): AsyncGenerator<ExtFile>;
  /** Where the bytes of a file are; holes are left out. */
  extents(inode: Inode): Promise<readonly Extent[]>;
  /** Whether the journal holds a newer state of one of these blocks. */
  isReplayed(block: number, count: number): boolean;
  /** Fills `into` with the file's bytes from `offset`, zeros in holes and behind its end. */
  read(extents: readonly Extent[], into: Uint8Array, offset: number): Promise<void>;
  /** Where a link leads. */
  target(inode: Inode): Promise<string>;
}

const ROOT = 2;
/** Inode tables and directories are near each other: this many blocks serve nearly all that is asked twice. */
const BLOCKS_KEPT = 1024;
const SHORT_TARGET = 60;
/** What a damaged inode must not make us allocate. */
const MOST_DIRECTORY_BYTES = 2 ** 30;
const MOST_TARGET_BYTES = 2 ** 16;

/** Opens it, with its journal replayed in memory. The failure is a part of a sentence: what the partition holds instead. */
export async function openExt(source: ByteSource): Promise<Result<ExtFileSystem, string>> {
  const superblock = await readSuperblock(source);
  if (!superblock.ok) return superblock;
  const plain = fileSystem(source, superblock.value, new Map());
  if (superblock.value.journalInode === 0) return ok(plain);
  const journal = await plain.inode(superblock.value.journalInode);
  if (journal === null) return fail('an ext file system without the journal that it names');
  const { blockBytes } = superblock.value;
  const extents = await orNull(plain.extents(journal));
  if (extents === null) return fail('an ext file system with a journal that is damaged');
  const replayed = await replayJournal({
    blocks: Math.floor(journal.sizeBytes / blockBytes),
    async read(index) {
      const bytes = new Uint8Array(blockBytes);
      await plain.read(extents, bytes, index * blockBytes);
      return new DataView(bytes.buffer);
    },
  });
  if (!replayed.ok) return fail(`an ext file system with ${replayed.failure}`);
  return ok(fileSystem(source, superblock.value, replayed.value));
}

/** What a damaged map of blocks gives: nothing. */
function orNull<T>(read: Promise<T>): Promise<T | null> {
  return read.catch((error: unknown) => {
    if (error instanceof DamagedDisk) return null;
    throw error;
  });
}

function fileSystem(
  source: ByteSource,
  superblock: ExtSuperblock,
  replayed: ReadonlyMap<number, DataView>,
): ExtFileSystem & { inode(number: number): Promise<Inode | null> } {
  const { blockBytes } = superblock;
  const kept = new Map<number, DataView>();

  async function block(number: number): Promise<DataView> {
    const known = replayed.get(number) ?? kept.get(number);
    if (known) return known;
    const bytes = new Uint8Array(blockBytes);
    await readPadded(source, bytes, number * blockBytes);
    const view = new DataView(bytes.buffer);
    if (kept.size >= BLOCKS_KEPT) kept.delete(kept.keys().next().value as number);
    kept.set(number, view);
    return view;
  }

  async function inode(number: number): Promise<Inode | null> {
    if (number < 1 || number > superblock.inodes) return null;
    const group = Math.floor((number - 1) / superblock.inodesPerGroup);
    const groupAt = group * superblock.groupBytes;
    const groups = await block(superblock.groupsBlock + Math.floor(groupAt / blockBytes));
    const at = groupAt % blockBytes;
    const high = superblock.groupBytes >= 64 ? groups.getUint32(at + 0x28, true) : 0;
    const table = groups.getUint32(at + 8, true) + high * 2 ** 32;
    const offset = ((number - 1) % superblock.inodesPerGroup) * superblock.inodeBytes;
    const records = await block(table + Math.floor(offset / blockBytes));
    return parseInode(new DataView(records.buffer, offset % blockBytes, superblock.inodeBytes));
  }

  const total = Math.ceil(source.sizeBytes / blockBytes);
  const extents = (of: Inode) => extentsOf(of, { blockBytes, total, read: block });

  async function read(of: readonly Extent[], into: Uint8Array, offset: number): Promise<void> {
    into.fill(0);
    for (const extent of of) {
      if (extent.block === null) continue;
      const from = Math.max(offset, extent.first * blockBytes);
      const to = Math.min(offset + into.length, (extent.first + extent.count) * blockBytes);
      if (from >= to) continue;
      const part = into.subarray(from - offset, to - offset);
      await readPadded(source, part, extent.block * blockBytes + (from - extent.first * blockBytes));
      overlay(part, from, extent);
    }
  }

  /** Puts what the journal holds of an extent in its place. */
  function overlay(part: Uint8Array, from: number, extent: Extent): void {
    if (replayed.size === 0 || extent.block === null) return;
    const firstBlock = Math.floor(from / blockBytes);
    for (let at = firstBlock; at * blockBytes < from + part.length; at++) {
      const newer = replayed.get(extent.block + at - extent.first);
      if (!newer) continue;
      const skip = Math.max(0, from - at * blockBytes);
      const bytes = new Uint8Array(
        newer.buffer,
        skip,
        Math.min(blockBytes - skip, from + part.length - at * blockBytes - skip),
      );
      part.set(bytes, at * blockBytes + skip - from);
    }
  }

  /** `budget`: what all directories that are still to be met may have together. No sound disk has more of them than bytes. */
  async function* walk(
    directory: Inode,
    path: string,
    met: Set<number>,
    budget: { bytes: number },
  ): AsyncGenerator<ExtFile> {
    budget.bytes -= directory.sizeBytes;
    if (directory.sizeBytes > MOST_DIRECTORY_BYTES || budget.bytes < 0)
      throw new DamagedDisk(`${path || '/'} has no sensible size`);
    const bytes = new Uint8Array(directory.sizeBytes);
    await read(await extents(directory), bytes, 0);
    for (const entry of entriesOf(new DataView(bytes.buffer), blockBytes)) {
      const found = await inode(entry.inode);
      if (found === null) throw new DamagedDisk(`${path}/${entry.name} names an inode that is none`);
      const file = { path: `${path}/${entry.name}`, inode: found };
      yield file;
      if (found.type !== 'directory') continue;
      if (met.has(entry.inode))
        throw new DamagedDisk(`${file.path} is a directory that has another name, too`);
      met.add(entry.inode);
      yield* walk(found, file.path, met, budget);
    }
  }

  return {
    blockBytes,
    inode,
    extents,
    read,
    isReplayed: (first, count) => {
      for (let number = first; replayed.size > 0 && number < first + count; number++)
        if (replayed.has(number)) return true;
      return false;
    },
    async *walk() {
      const root = await inode(ROOT);
      if (root === null) throw new DamagedDisk('a file system without a root directory');
      yield* walk(root, '', new Set([ROOT]), { bytes: source.sizeBytes });
    },
    async target(of) {
      const bytes = Buffer.alloc(Math.min(of.sizeBytes, MOST_TARGET_BYTES));
      if (of.sizeBytes < SHORT_TARGET && !of.hasExtents)
        bytes.set(new Uint8Array(of.map.buffer, of.map.byteOffset, of.sizeBytes));
      else await read(await extents(of), bytes, 0);
      return bytes.toString('utf8');
    },
  };
}

/** Names in a directory, without itself and its parent. An index of names lies in entries that name no inode. */
function* entriesOf(
  view: DataView,
  blockBytes: number,
): Generator<{ readonly inode: number; readonly name: string }> {
  for (let at = 0; at + 8 <= view.byteLength; ) {
    const length = view.getUint16(at + 4, true);
    const nameLength = view.getUint8(at + 6);
    // Entries fill their block to its end; one that does not is damage, and the next block begins anew.
    if (length < 8 + nameLength || at + length > view.byteLength) {
      at = (Math.floor(at / blockBytes) + 1) * blockBytes;
      continue;
    }
    const inode = view.getUint32(at, true);
    const name = Buffer.from(view.buffer, at + 8, nameLength).toString('utf8');
    if (inode !== 0 && name !== '.' && name !== '..') yield { inode, name };
    at += length;
  }
}
