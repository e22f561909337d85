/** What a cache keeps of files and directories besides their bytes: nobody reads more than the stage let him, and nothing is dropped without a word. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import type { RestoreMode } from '../../src/cache/cache.ts';
import { decodeTree, encodeTree } from '../../src/cache/tree.ts';
import type { TreeEntry } from '../../src/model/artifact.ts';
import { digestOfHex } from '../../src/model/digest.ts';
import { cacheRig, must } from './cache-rig.ts';

const BIG = 1024 * 1024 + 1;
const modeOf = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8);

/** Adopts what is at `work` and restores it to `there`, in both ways. */
async function roundTrip(rig: ReturnType<typeof cacheRig>, mode: RestoreMode): Promise<string> {
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.path('work')));
  must(await cache.restore(content, rig.path('there'), mode));
  return rig.path('there');
}

for (const [size, words] of [
  [8, 'a small file'],
  [BIG, 'a large file'],
] as const) {
  for (const [given, placed, shared] of [
    [0o600, '600', '400'],
    [0o700, '700', '500'],
    [0o400, '600', '400'],
    [0o000, '600', '400'],
    // What others may not read they get in no other way either.
    [0o640, '600', '400'],
    [0o4755, '4755', '4555'],
    [0o2755, '2755', '2555'],
    [0o4700, '4700', '4500'],
    [0o664, '644', '444'],
    [0o775, '755', '555'],
  ] as const) {
    test(`${words} of mode ${given.toString(8)} is ${placed} for the user and ${shared} for a stage`, async () => {
      await using rig = cacheRig();
      writeFileSync(rig.path('work'), Buffer.alloc(size, 1));
      chmodSync(rig.path('work'), given);
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.path('work')));
      const before = process.umask(0o022);
      try {
        must(await cache.restore(content, rig.path('user'), 'private'));
        must(await cache.restore(content, rig.path('stage'), 'shared'));
      } finally {
        process.umask(before);
      }
      expect([modeOf(rig.path('user')), modeOf(rig.path('stage'))]).toEqual([placed, shared]);
      expect(readFileSync(rig.path('user')).length).toBe(size);
    });
  }
}

test('an ordinary file has nothing more in its content than before', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.write('work', 'x')));
  expect(Object.keys(content).sort()).toEqual(['digest', 'executable', 'sizeBytes', 'type']);
  rig.write('tree/a', 'x');
  const tree = must(await cache.blobs.adopt(rig.path('tree')));
  const entries = await cache.blobs.tree(tree.digest as never);
  expect(entries?.map((entry) => Object.keys(entry).sort())).toEqual([
    ['digest', 'executable', 'path', 'sizeBytes', 'type'],
  ]);
});

for (const mode of ['private', 'shared'] as const) {
  test(`a directory that only its owner may enter stays so, its root too (${mode})`, async () => {
    await using rig = cacheRig();
    rig.write('work/d/key', 'secret', 0o600);
    rig.write('work/e/plain', 'x');
    chmodSync(rig.path('work/d'), 0o700);
    chmodSync(rig.path('work'), 0o700);
    const there = await roundTrip(rig, mode);
    expect([there, `${there}/d`, `${there}/e`].map(modeOf)).toEqual(['700', '700', '755']);
  });

  test(`extended attributes of files and directories survive (${mode})`, async () => {
    await using rig = cacheRig();
    rig.write('work/d/f', 'x');
    const set = (path: string, value: string) =>
      rig.host.attributes.write(rig.path(path), { 'user.x': Buffer.from(value).toString('base64') });
    expect(await set('work/d/f', 'of a file\0')).toBe(true);
    expect(await set('work/d', 'of a directory')).toBe(true);
    expect(await set('work', 'of the root')).toBe(true);
    const there = await roundTrip(rig, mode);
    const read = await rig.host.attributes.read([there, `${there}/d`, `${there}/d/f`]);
    expect([...read.values()].map((one) => Buffer.from(one['user.x'] ?? '', 'base64').toString())).toEqual([
      'of the root',
      'of a directory',
      'of a file\0',
    ]);
  });
}

test('names of one file are names of one file again, for the user', async () => {
  await using rig = cacheRig();
  rig.write('work/a', 'one');
  mkdirSync(rig.path('work/d'));
  linkSync(rig.path('work/a'), rig.path('work/d/b'));
  linkSync(rig.path('work/a'), rig.path('work/c'));
  rig.write('work/other', 'one');
  const there = await roundTrip(rig, 'private');
  expect(['a', 'd/b', 'c', 'other'].map((name) => lstatSync(`${there}/${name}`).nlink)).toEqual([3, 3, 3, 1]);
  writeFileSync(`${there}/c`, 'two');
  expect(readFileSync(`${there}/d/b`, 'utf8')).toBe('two');
});

test('whether a tree holds private files, hard links or attributes is in its digest', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const digests = new Set<string>();
  const changes: ((directory: string) => void)[] = [
    () => undefined,
    (directory) => chmodSync(`${directory}/a`, 0o600),
    (directory) => chmodSync(`${directory}/a`, 0o4755),
    (directory) => chmodSync(`${directory}/a`, 0o755),
    (directory) => chmodSync(directory, 0o700),
    (directory) => {
      execFileSync('rm', [`${directory}/b`]);
      linkSync(`${directory}/a`, `${directory}/b`);
    },
  ];
  for (const [at, change] of changes.entries()) {
    rig.write(`tree${at}/a`, 'x');
    rig.write(`tree${at}/b`, 'x');
    change(rig.path(`tree${at}`));
    digests.add(must(await cache.blobs.adopt(rig.path(`tree${at}`))).digest);
  }
  expect(digests.size).toBe(changes.length);
});

test('what cannot be kept is refused by its name, and what was there stays', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const notText = Buffer.from([0x63, 0xe9]);
  const trees: [name: string, make: (directory: string) => void, problem: RegExp][] = [
    ['name', (d) => writeFileSync(Buffer.concat([Buffer.from(`${d}/`), notText]), ''), /not valid UTF-8/],
    ['directory', (d) => mkdirSync(Buffer.concat([Buffer.from(`${d}/`), notText])), /not valid UTF-8/],
    ['target', (d) => symlinkSync(notText, `${d}/l`), /not valid UTF-8/],
    ['pipe', (d) => execFileSync('mkfifo', [`${d}/p`]), /a socket, a pipe or a device/],
  ];
  for (const [name, make, problem] of trees) {
    rig.write(`${name}/kept`, 'kept');
    make(rig.path(name));
    expect(await cache.blobs.adopt(rig.path(name)), name).toMatchObject({
      ok: false,
      failure: { code: 'not-storable', problem: expect.stringMatching(problem) },
    });
    expect(readFileSync(rig.path(`${name}/kept`), 'utf8')).toBe('kept');
  }
});

test('a character that stands for bytes that are no UTF-8 is a character as any other', async () => {
  await using rig = cacheRig();
  rig.write('work/\uFFFD', 'x');
  symlinkSync('to-\uFFFD', rig.path('work/l'));
  const there = await roundTrip(rig, 'private');
  expect(readFileSync(`${there}/\uFFFD`, 'utf8')).toBe('x');
  expect(readlinkSync(`${there}/l`)).toBe('to-\uFFFD');
});

test('what is kept where it is, because it is the checkout itself, is not touched at all', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  rig.write('work/d/f', 'x', 0o640);
  chmodSync(rig.path('work/d'), 0o550);
  const before = [lstatSync(rig.path('work/d')), lstatSync(rig.path('work/d/f'))];
  must(await cache.blobs.adopt(rig.path('work'), { keep: true }));
  const after = [lstatSync(rig.path('work/d')), lstatSync(rig.path('work/d/f'))];
  expect(after.map(({ ino, mode, ctimeMs }) => [ino, mode, ctimeMs])).toEqual(
    before.map(({ ino, mode, ctimeMs }) => [ino, mode, ctimeMs]),
  );
});

test('a file that is written while it is stored is refused, its old time and size given back too', async () => {
  await using rig = cacheRig();
  const path = rig.write('work', Buffer.alloc(BIG, 1));
  const old = lstatSync(path);
  const cache = await rig.open();
  const { digestFile } = rig.host.hashing;
  Object.assign(rig.host.hashing, {
    digestFile: async (...given: Parameters<typeof digestFile>) => {
      const digest = await digestFile(...given);
      chmodSync(path, 0o644);
      writeFileSync(path, Buffer.alloc(BIG, 2));
      utimesSync(path, old.atime, old.mtime);
      return digest;
    },
  });
  expect(await cache.blobs.adopt(path)).toMatchObject({ ok: false, failure: { code: 'not-storable' } });
});

const FILE = {
  path: 'a',
  type: 'file',
  digest: digestOfHex('0'.repeat(64)),
  sizeBytes: 1,
  executable: false,
} as const;

test.each<[string, readonly unknown[]]>([
  ['a set of bits that is none', [{ ...FILE, special: 8 }]],
  ['no bits at all', [{ ...FILE, special: 0 }]],
  ['private: false', [{ ...FILE, private: false }]],
  [
    'an attribute that could do more than those of users',
    [{ ...FILE, attributes: { 'security.selinux': 'eA==' } }],
  ],
  ['an attribute that is no base64', [{ ...FILE, attributes: { 'user.x': '?' } }]],
  ['attributes that are a list', [{ ...FILE, attributes: [] }]],
  ['a hard link to nothing', [{ ...FILE, sameAs: 'b' }]],
  ['a hard link to itself', [{ ...FILE, sameAs: 'a' }]],
  ['a hard link to another content', [FILE, { ...FILE, path: 'b', sizeBytes: 2, sameAs: 'a' }]],
  [
    'a hard link to a directory',
    [
      { path: 'a', type: 'directory' },
      { ...FILE, path: 'b', sameAs: 'a' },
    ],
  ],
  [
    'a hard link to what comes later',
    [
      { ...FILE, sameAs: 'b' },
      { ...FILE, path: 'b' },
    ],
  ],
  ['a root that is a file', [{ ...FILE, path: '' }]],
  [
    'two roots',
    [
      { path: '', type: 'directory' },
      { path: '', type: 'directory' },
    ],
  ],
])('a tree with %s is none', (_, entries) => {
  expect(decodeTree(JSON.stringify({ format: 'bake-tree-1', entries }))).toBeNull();
});

test('a tree with everything that is kept comes back', () => {
  const entries: TreeEntry[] = [
    { path: '', type: 'directory', private: true },
    { ...FILE, private: true, special: 4, attributes: { 'security.capability': 'AQ==', 'user.é': '' } },
    {
      ...FILE,
      path: 'b',
      private: true,
      special: 4,
      attributes: { 'security.capability': 'AQ==', 'user.é': '' },
      sameAs: 'a',
    },
    { path: 'd', type: 'directory', special: 1 },
  ];
  expect(decodeTree(encodeTree(entries))).toEqual(entries);
});
