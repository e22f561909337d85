/** Tree manifests: what is encoded comes back, and nothing that could lead out of the tree is ever accepted. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTree, encodeTree } from '../../src/cache/tree.ts';
import type { TreeEntry } from '../../src/model/artifact.ts';
import { digestOfHex } from '../../src/model/digest.ts';
import { cacheRig, must } from './cache-rig.ts';

const DIGEST = digestOfHex('0'.repeat(64));
const file = (path: string): TreeEntry => ({
  path,
  type: 'file',
  digest: DIGEST,
  sizeBytes: 1,
  executable: false,
});
const directory = (path: string): TreeEntry => ({ path, type: 'directory' });
const link = (path: string): TreeEntry => ({ path, type: 'link', target: '..' });

/** A directory as nested records: text is a file, an array with one text is a link. */
type Nested = { [name: string]: string | [string] | Nested };
const names = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..' && Buffer.byteLength(name) < 256);
const { nested } = fc.letrec<{ nested: Nested }>((tie) => ({
  nested: fc.dictionary(
    names,
    fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.tuple(fc.string({ minLength: 1, maxLength: 40 }).filter((target) => !target.includes('\0'))),
      tie('nested'),
    ),
    { maxKeys: 5, noNullPrototype: true },
  ),
}));

function write(at: string, tree: Nested): void {
  mkdirSync(at);
  for (const [name, value] of Object.entries(tree)) {
    if (typeof value === 'string') writeFileSync(`${at}/${name}`, value);
    else if (Array.isArray(value)) symlinkSync((value as [string])[0], `${at}/${name}`);
    else write(`${at}/${name}`, value);
  }
}

function read(at: string): Nested {
  const tree: Nested = {};
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    const path = `${at}/${entry.name}`;
    if (entry.isSymbolicLink()) tree[entry.name] = [readlinkSync(path)];
    else tree[entry.name] = entry.isDirectory() ? read(path) : readFileSync(path, 'utf8');
  }
  return tree;
}

test('any directory comes back as it was, and gives the same digest again', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  let round = 0;
  await fc.assert(
    fc.asyncProperty(nested, async (tree) => {
      round += 1;
      write(rig.path(`in${round}`), tree);
      const expected = read(rig.path(`in${round}`));
      const content = must(await cache.blobs.adopt(rig.path(`in${round}`)));
      must(await cache.restore(content, rig.path(`out${round}`), 'private'));
      expect(read(rig.path(`out${round}`))).toEqual(expected);
      expect(must(await cache.blobs.adopt(rig.path(`out${round}`)))).toEqual(content);
    }),
    { numRuns: 60 },
  );
});

test('the order in which entries come does not matter', () => {
  const entries = [directory('a'), file('a/b'), file('a-b'), link('z')];
  expect(encodeTree([...entries].reverse())).toBe(encodeTree(entries));
  expect(decodeTree(encodeTree(entries))).toHaveLength(4);
});

test.each<[string, TreeEntry[]]>([
  ['climbs out', [file('../x')]],
  ['climbs out from below', [directory('a'), file('a/../../x')]],
  ['is absolute', [file('/etc/passwd')]],
  ['is empty', [file('')]],
  ['has an empty segment', [directory('a'), file('a//b')]],
  ['is a dot', [directory('.')]],
  ['holds a NUL', [file('a\0b')]],
  ['lies below a link', [link('a'), file('a/b')]],
  ['lies below a file', [file('a'), file('a/b')]],
  ['lies below nothing', [file('a/b')]],
  ['comes twice', [link('a'), file('a')]],
])('a manifest with a path that %s is refused', (_, entries) => {
  expect(decodeTree(JSON.stringify({ format: 'bake-tree-1', entries }))).toBeNull();
});

test.each([
  ['no JSON', 'x'],
  ['another format', '{"format":"bake-tree-2","entries":[]}'],
  ['no entries', '{"format":"bake-tree-1"}'],
  ['an entry without a digest', '{"format":"bake-tree-1","entries":[{"path":"a","type":"file"}]}'],
  ['an unknown type', '{"format":"bake-tree-1","entries":[{"path":"a","type":"socket"}]}'],
])('%s is refused', (_, text) => {
  expect(decodeTree(text)).toBeNull();
});

test('a forged tree in the store writes nothing', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const bytes = must(await cache.blobs.put(Buffer.from('evil')));
  const forged = must(
    await cache.blobs.put(
      Buffer.from(
        JSON.stringify({
          format: 'bake-tree-1',
          entries: [{ path: '../evil', type: 'file', ...bytes, executable: true }],
        }),
      ),
    ),
  );
  const content = { type: 'tree', digest: forged.digest, sizeBytes: 4 } as const;
  expect(await cache.restore(content, rig.path('out/tree'), 'private')).toMatchObject({ ok: false });
  expect(existsSync(rig.path('out/evil'))).toBe(false);
});
