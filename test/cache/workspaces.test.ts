/** Workspaces: what one leaves, the next one never sees. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Cache } from '../../src/cache/cache.ts';
import { openCache } from '../../src/cache/local.ts';
import { cacheRig, failingOnce, must } from './cache-rig.ts';

const NAMES = ['home', 'tmp'];

async function make(cache: Cache): Promise<{ readonly path: string; dispose(): Promise<void> }> {
  return must(await cache.makeWorkspace(NAMES));
}

/** The workspace whose HOME is that inode. Nobody waits for the removal that comes before: until it is done, others are made. */
async function makeAgain(cache: Cache, home: number): ReturnType<typeof make> {
  for (;;) {
    const made = await make(cache);
    if (statSync(join(made.path, 'home')).ino === home) return made;
    await setImmediate();
  }
}

test('a workspace has the empty directories that were asked for, and nothing else', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const { path, dispose } = await make(cache);
  expect(readdirSync(path, { recursive: true }).sort()).toEqual(NAMES);
  await dispose();
  await cache.close();
  expect(existsSync(path)).toBe(false);
});

test('directories that nobody touched serve again, under another name', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const first = await make(cache);
  const { ino } = statSync(join(first.path, 'home'));
  mkdirSync(join(first.path, 'work/deep'), { recursive: true });
  writeFileSync(join(first.path, 'work/deep/file'), 'x');
  await first.dispose();
  const second = await make(cache);
  expect(second.path).not.toBe(first.path);
  expect(existsSync(first.path)).toBe(false);
  expect(statSync(join(second.path, 'home')).ino).toBe(ino);
  expect(readdirSync(second.path, { recursive: true }).sort()).toEqual(NAMES);
  await cache.close();
});

test('a workspace whose names cannot be listed once serves nobody again', async () => {
  await using rig = cacheRig();
  const host = failingOnce(rig.host, 'list', /\/1$/);
  const cache = must(await openCache(host, rig.path('cache'), { temporaryDirectory: rig.directory }));
  const first = await make(cache);
  writeFileSync(join(first.path, 'left'), 'by another stage');
  await first.dispose();
  expect(existsSync(first.path)).toBe(false);
  const second = await make(cache);
  expect(readdirSync(second.path, { recursive: true }).sort()).toEqual(NAMES);
  await cache.close();
});

test('what cannot be looked at once is not taken for old when the cache is cleared up', async () => {
  await using rig = cacheRig();
  const lock = rig.write(`cache/v1/locks/${'a'.repeat(64)}`, 'of a builder');
  const host = failingOnce(rig.host, 'stamp', /\/a{64}$/);
  const cache = must(await openCache(host, rig.path('cache'), { temporaryDirectory: rig.directory }));
  await make(cache);
  expect(existsSync(lock)).toBe(true);
  await cache.close();
});

test('a workspace of which nothing can be said for a moment is left alone', async () => {
  await using rig = cacheRig();
  const { path } = await make(await rig.open());
  const host = failingOnce(failingOnce(rig.host, 'readText', /owner\.json$/), 'stamp', /owner\.json$/);
  const cache = must(await openCache(host, rig.path('cache'), { temporaryDirectory: rig.directory }));
  await make(cache);
  expect(existsSync(path)).toBe(true);
  await cache.close();
});

test('an empty directory that a command leaves is gone before the workspace serves again, and when the cache closes', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const first = await make(cache);
  const { ino } = statSync(join(first.path, 'home'));
  mkdirSync(join(first.path, 'work'));
  await first.dispose();
  const next = await makeAgain(cache, ino);
  expect(readdirSync(next.path, { recursive: true }).sort()).toEqual(NAMES);
  expect(existsSync(first.path)).toBe(false);
  mkdirSync(join(next.path, 'work'));
  await next.dispose();
  await cache.close();
  expect(existsSync(next.path)).toBe(false);
});

test('what a process that outlived its command puts there at the last moment, nobody gets', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const first = await make(cache);
  const { ino } = statSync(join(first.path, 'home'));
  mkdirSync(join(first.path, 'work'));
  const disposed = first.dispose();
  writeFileSync(join(first.path, 'work/late'), 'x');
  await disposed;
  const next = await makeAgain(cache, ino);
  expect(readdirSync(next.path, { recursive: true }).sort()).toEqual(NAMES);
  await cache.close();
  expect(existsSync(first.path)).toBe(false);
});

test('two that are in use at the same time have nothing in common', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const first = await make(cache);
  await first.dispose();
  const [one, other] = [await make(cache), await make(cache)];
  writeFileSync(join(one.path, 'home/file'), 'x');
  expect(readdirSync(other.path, { recursive: true }).sort()).toEqual(NAMES);
  await cache.close();
});

test.each<[string, (path: string) => void]>([
  ['left a file in a private directory', (path) => writeFileSync(join(path, 'home/.cache'), 'x')],
  [
    'made a file there and removed it',
    (path) => {
      writeFileSync(join(path, 'tmp/file'), 'x');
      unlinkSync(join(path, 'tmp/file'));
      chmodSync(join(path, 'tmp'), 0o711);
    },
  ],
  ['changed a mode', (path) => chmodSync(join(path, 'home'), 0o700)],
  ['changed the mode of the whole', (path) => chmodSync(path, 0o711)],
  ['removed one', (path) => rmSync(join(path, 'tmp'), { recursive: true })],
  [
    'put another one in its place',
    (path) => {
      rmSync(join(path, 'tmp'), { recursive: true });
      mkdirSync(join(path, 'tmp'));
    },
  ],
  [
    'put a link in its place',
    (path) => {
      rmSync(join(path, 'tmp'), { recursive: true });
      symlinkSync('/tmp', join(path, 'tmp'));
    },
  ],
])('none of the directories serves again when a stage %s', async (_, touch) => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const first = await make(cache);
  const modes = [first.path, ...NAMES.map((name) => join(first.path, name))].map(
    (path) => statSync(path).mode,
  );
  touch(first.path);
  await first.dispose();
  expect(existsSync(first.path)).toBe(false);
  const second = await make(cache);
  expect(readdirSync(second.path, { recursive: true }).sort()).toEqual(NAMES);
  expect(
    [second.path, ...NAMES.map((name) => join(second.path, name))].map((path) => statSync(path).mode),
  ).toEqual(modes);
  await cache.close();
});
