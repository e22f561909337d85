/** File systems that contradict themselves: maps in circles, directories with two names, journals that lead back to themselves. Every reader comes to an end. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diffDisks } from '../../src/formats/disk-diff.ts';
import { DamagedDisk } from '../../src/formats/disk-source.ts';
import { openExt } from '../../src/formats/ext/filesystem.ts';
import { extentsOf, type Inode } from '../../src/formats/ext/inode.ts';
import { replayJournal } from '../../src/formats/ext/journal.ts';
import { bytesSource } from '../../src/formats/memory-bytes.ts';
import { debugfs, extImage } from '../support/ext-image.ts';

let directory: string;
let tree: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-ext-damage-'));
  tree = join(directory, 'tree');
  mkdirSync(join(tree, 'etc/deep'), { recursive: true });
  writeFileSync(join(tree, 'etc/file'), 'x');
});
afterAll(() => rmSync(directory, { recursive: true }));

function image(name: string, commands: readonly string[] = []): Buffer {
  const path = extImage(join(directory, name), tree, 1, ['-O', '^has_journal', '-b', '1024']);
  if (commands.length > 0) debugfs(path, commands, directory);
  return readFileSync(path);
}

async function paths(bytes: Buffer): Promise<readonly string[]> {
  const opened = await openExt(bytesSource(bytes));
  if (!opened.ok) throw new Error(opened.failure);
  const found: string[] = [];
  for await (const { path } of opened.value.walk()) found.push(path);
  return found;
}

describe('a map of blocks', () => {
  const inode = (hasExtents: boolean, words: readonly number[]): Inode => {
    const map = new DataView(new ArrayBuffer(60));
    for (const [at, word] of words.entries()) map.setUint32(at * 4, word, true);
    return { type: 'file', mode: 0, uid: 0, gid: 0, sizeBytes: 2 ** 50, map, hasExtents };
  };
  /** A block of 1 KiB that holds one word again and again. */
  const filled = (...words: readonly number[]) => {
    const view = new DataView(new ArrayBuffer(1024));
    for (let at = 0; at < 256; at++) view.setUint32(at * 4, words[at % words.length] as number, true);
    return view;
  };
  const blocks = (block: DataView, total = 1000) => ({
    blockBytes: 1024,
    total,
    read: () => Promise.resolve(block),
  });
  // Magic and count of entries, most entries and depth, generation; then entries that point to block 7.
  const head = [0x0055f30a, 0x00010055, 0];

  it.each([
    ['of extents that contains itself', inode(true, [...head, 0, 7, 0]), filled(...head, 0, 7, 0)],
    ['of pointers that contains itself', inode(false, [...Array(13).fill(0), 7]), filled(7)],
    ['that leads out of the disk', inode(false, [...Array(12).fill(0), 1000]), filled(1)],
    ['with more blocks than the disk', inode(false, [...Array(13).fill(0), 7]), filled(8, 9, 10)],
    ['with an extent out of the disk', inode(true, [0x0001f30a, 4, 0, 0, 32_768, 1]), filled(0)],
  ])('%s is damage, not an endless way', async (_, of, block) => {
    await expect(extentsOf(of, blocks(block, 900))).rejects.toThrow(DamagedDisk);
  });
});

it('a journal is read once, however often its blocks name others', async () => {
  let reads = 0;
  const head = new DataView(new ArrayBuffer(1024));
  const descriptor = new DataView(new ArrayBuffer(1024));
  const words = [0xc03b3998, 4, 0, 1024, 3, 1, 1, 1];
  for (const [at, word] of words.entries()) head.setUint32(at * 4, word);
  // A descriptor of 84 blocks in a journal of 3, each of which is that descriptor again.
  for (const [at, word] of [0xc03b3998, 1, 1].entries()) descriptor.setUint32(at * 4, word);
  const replayed = await replayJournal({
    blocks: 3,
    read: (index) => {
      reads += 1;
      return Promise.resolve(index === 0 ? head : descriptor);
    },
  });
  expect(replayed.ok && replayed.value.size).toBe(0);
  expect(reads).toBeLessThanOrEqual(4);
});

it('a directory with two names is damage: following both, and both in it, would have no end', async () => {
  expect(await paths(image('whole'))).toContain('/etc/deep');
  await expect(paths(image('twice', ['ln etc second']))).rejects.toThrow(DamagedDisk);
});

it('a directory larger than the disk is not made room for', async () => {
  await expect(paths(image('large', ['sif etc size 0x3fffffff']))).rejects.toThrow(DamagedDisk);
});

it.each([
  ['a name that reaches behind its entry', 6, 255],
  ['an entry of no length', 4, 0],
])('%s is not read', async (_, field, value) => {
  const bytes = image('entry');
  const name = bytes.indexOf('deep');
  expect(name).toBeGreaterThan(0);
  bytes.writeUInt8(value, name - 8 + field);
  bytes.writeUInt8(0, name - 8 + 5);
  expect((await paths(bytes)).filter((path) => path.startsWith('/etc/deep'))).toEqual([]);
});

it.each([
  ['inodes', 0x58, 200],
  ['descriptors of groups', 0xfe, 96],
])('%s that reach into the next block are refused', async (_, field, size) => {
  const bytes = image('sizes');
  bytes.writeUInt16LE(size, 1024 + field);
  const opened = await openExt(bytesSource(bytes));
  expect(opened).toEqual({ ok: false, failure: 'an ext file system whose superblock makes no sense' });
});

it('a file that is nearly all hole is compared in no time', async () => {
  const sparse = bytesSource(image('sparse', ['sif etc/file size 0xffffffffff000']));
  const everything = [[0, Number.POSITIVE_INFINITY]] as const;
  const [diff] = await diffDisks(sparse, sparse, everything);
  expect(diff?.changes).toEqual({ added: [], removed: [], changed: [] });
});
