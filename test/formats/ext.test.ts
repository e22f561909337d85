/** Our reader of ext file systems, held against what mke2fs was given, what debugfs wrote, and what a replayed journal says. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExtFileSystem, openExt } from '../../src/formats/ext/filesystem.ts';
import type { FileFacts } from '../../src/formats/file-tree.ts';
import { bytesSource } from '../../src/formats/memory-bytes.ts';
import { noise } from '../support/disks.ts';
import { changedBlocks, checkExt, debugfs, extImage, hostTree } from '../support/ext-image.ts';

let directory: string;
let tree: string;
const at = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-ext-'));
  tree = at('tree');
  mkdirSync(join(tree, 'deep/er/still'), { recursive: true });
  writeFileSync(join(tree, 'empty'), '');
  writeFileSync(join(tree, 'small'), 'small\n', { mode: 0o640 });
  writeFileSync(join(tree, 'deep/er/large'), noise(3_000_000));
  writeFileSync(join(tree, 'deep/ñäme with spaces'), 'x');
  chmodSync(join(tree, 'deep/ñäme with spaces'), 0o4755);
  linkSync(join(tree, 'small'), join(tree, 'deep/same'));
  symlinkSync('small', join(tree, 'short-link'));
  symlinkSync(`${'long/'.repeat(30)}end`, join(tree, 'long-link'));
  // A hole, and content behind it far enough for every level of pointers.
  const sparse = openSync(join(tree, 'sparse'), 'w');
  writeSync(sparse, noise(5000, 3), 0, 5000, 70_000_000);
  closeSync(sparse);
  mkdirSync(join(tree, 'many'));
  for (let name = 0; name < 3000; name++)
    writeFileSync(join(tree, 'many', `a name of some length ${name}`), '');
});
afterAll(() => rmSync(directory, { recursive: true }));

async function open(image: string): Promise<ExtFileSystem> {
  const opened = await openExt(bytesSource(readFileSync(image)));
  if (!opened.ok) throw new Error(opened.failure);
  return opened.value;
}

/** Everything in it, as `hostTree` gives it. */
async function listed(system: ExtFileSystem) {
  const facts = new Map<string, FileFacts>();
  const contents = new Map<string, Buffer>();
  for await (const { path, inode } of system.walk()) {
    if (path === '/lost+found') continue;
    const { type, mode, uid, gid } = inode;
    const target = type === 'link' ? await system.target(inode) : null;
    facts.set(path, { type, mode, uid, gid, sizeBytes: type === 'file' ? inode.sizeBytes : 0, target });
    if (type !== 'file') continue;
    const bytes = Buffer.alloc(inode.sizeBytes);
    const extents = await system.extents(inode);
    // In odd pieces, so that they begin and end within blocks.
    for (let offset = 0; offset < bytes.length; offset += 777_777)
      await system.read(extents, bytes.subarray(offset, offset + 777_777), offset);
    contents.set(path, bytes);
  }
  return { facts, contents };
}

type Listed = Awaited<ReturnType<typeof listed>>;

function expectSame(one: Listed, other: Listed): void {
  const sorted = ({ facts }: Listed) => Object.fromEntries([...facts].sort());
  expect(sorted(one)).toEqual(sorted(other));
  for (const [path, bytes] of other.contents)
    expect(one.contents.get(path)?.equals(bytes), `content of ${path}`).toBe(true);
}

describe('an ext file system', () => {
  it.each([
    ['ext4 with blocks of 4 KiB', ['-b', '4096']],
    ['ext4 with blocks of 1 KiB', ['-b', '1024']],
    ['ext4 without 64 bits and checksums', ['-O', '^64bit,^metadata_csum']],
    ['ext3 with pointers instead of extents', ['-t', 'ext3', '-b', '1024']],
    ['ext2 without a journal', ['-t', 'ext2', '-b', '2048', '-I', '128']],
  ])('%s gives back every file that it was made of', async (name, options) => {
    const image = extImage(at(`${name}.img`), tree, 80, options);
    expectSame(await listed(await open(image)), hostTree(tree));
    rmSync(image);
  });

  it('with deleted and added files shows what is there now', async () => {
    const image = extImage(at('changed.img'), tree, 80);
    writeFileSync(at('added'), 'added\n');
    debugfs(
      image,
      ['rm small', 'rm many/a\\ name', `write ${at('added')} deep/added`, 'mkdir deep/new'],
      directory,
    );
    const { facts, contents } = await listed(await open(image));
    expect(facts.has('/small')).toBe(false);
    expect(facts.get('/deep/new')?.type).toBe('directory');
    expect(contents.get('/deep/added')?.toString()).toBe('added\n');
  });

  it('that is none, or uses what is not known here, is refused with the reason', async () => {
    expect(await openExt(bytesSource(new Uint8Array(4096)))).toEqual({
      ok: false,
      failure: 'no ext file system',
    });
    const image = extImage(at('inline.img'), tree, 80, ['-O', 'inline_data']);
    expect(await openExt(bytesSource(readFileSync(image)))).toEqual({
      ok: false,
      failure: 'an ext file system with features 0x8000',
    });
  });
});

describe('a journal that was not replayed', () => {
  /** A file system whose newest changes are in its journal alone, and the same one with them in place. */
  function unreplayed(name: string, options: readonly string[], journal: string) {
    const before = extImage(at(`${name}-before.img`), tree, 80, ['-b', '1024', ...options]);
    const after = at(`${name}-after.img`);
    copyFileSync(before, after);
    writeFileSync(at('new'), noise(3000, 9));
    debugfs(after, [`write ${at('new')} deep/new`, 'rm small', 'mkdir many/sub'], directory);
    const superblock = 1;
    const changed = changedBlocks(before, after, 1024).filter(({ block }) => block !== superblock);
    writeFileSync(at('blocks'), Buffer.concat(changed.map(({ bytes }) => bytes)));
    const blocks = changed.map(({ block }) => block).join(',');
    debugfs(before, [journal, `jw -b ${blocks} ${at('blocks')}`, 'jc'], directory);
    return { before, after, blocks: changed.map(({ block }) => block) };
  }

  it.each([
    ['with checksums', [], 'jo -c'],
    ['without', ['-O', '^metadata_csum,^64bit'], 'jo'],
    ['with old checksums', ['-O', '^metadata_csum'], 'jo -c -v 2'],
  ])('%s is read as if it had been', async (name, options, journal) => {
    const { before, after } = unreplayed(name, options, journal);
    const whole = await listed(await open(after));
    expect(whole.facts.has('/deep/new')).toBe(true);
    expectSame(await listed(await open(before)), whole);
    // The file system's own checker agrees.
    checkExt(before);
    expectSame(await listed(await open(before)), whole);
  });

  it('gives up what a later transaction revoked, and only that', async () => {
    const { before, blocks } = unreplayed('revoked', [], 'jo -c');
    const system = await open(before);
    const revoked = blocks.at(-1) as number;
    expect(system.isReplayed(revoked, 1)).toBe(true);
    debugfs(before, ['jo -c', `jw -r ${revoked}`, 'jc'], directory);
    const later = await open(before);
    expect(later.isReplayed(revoked, 1)).toBe(false);
    expect(later.isReplayed(blocks[0] as number, 1)).toBe(true);
  });

  it('whose last transaction was never committed is read without it', async () => {
    const { before } = unreplayed('torn', [], 'jo -c');
    const bytes = readFileSync(before);
    // The commit: the journal's magic number, type 2, the first transaction.
    const commit = Buffer.from('c03b39980000000200000001', 'hex');
    const where = bytes.indexOf(commit);
    expect(where).toBeGreaterThan(0);
    bytes.fill(0, where, where + 1024);
    const opened = await openExt(bytesSource(bytes));
    if (!opened.ok) throw new Error(opened.failure);
    expectSame(await listed(opened.value), hostTree(tree));
  });
});
