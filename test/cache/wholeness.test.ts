/** What makes a large blob whole is that this user hashed it as it lies there: no date, no mark in the shared directory, no size. */
import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import type { Cache } from '../../src/cache/cache.ts';
import { openCache } from '../../src/cache/local.ts';
import type { Host } from '../../src/host/host.ts';
import type { Content } from '../../src/model/artifact.ts';
import { type CacheRig, cacheRig, fingerprint, must, resultOf } from './cache-rig.ts';

/** Large enough to be linked into a workspace. */
const LINKED = 17 * 1024 * 1024;
const LARGE = 3 * 1024 * 1024;

/** Writes into a file and makes it look as it did: size, mode and mtime. The ctime is what nobody can set. */
function poison(path: string): void {
  const { mode, atimeMs, mtimeMs } = lstatSync(path);
  chmodSync(path, 0o644);
  const file = openSync(path, 'r+');
  writeSync(file, 'POISON', 100);
  closeSync(file);
  chmodSync(path, mode & 0o7777);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}

/** Counts how often whole files are read. */
function counting(host: Host): { host: Host; hashed: string[] } {
  const hashed: string[] = [];
  const hashing = {
    ...host.hashing,
    digestFile: (path: string, onProgress?: (bytes: number) => void) => {
      hashed.push(path);
      return host.hashing.digestFile(path, onProgress);
    },
  };
  return { host: { ...host, hashing }, hashed };
}

async function stored(
  rig: CacheRig,
  size: number,
): Promise<{ cache: Cache; content: Content; blob: string }> {
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(size, 5))));
  must(await cache.actions.put(resultOf(fingerprint('a'), [content])));
  return { cache, content, blob: cache.blobs.pathOf(content.digest) };
}

const missing = { ok: false, failure: { code: 'blob-missing' } };

test.each<[string, (blob: string, rig: CacheRig) => void]>([
  ['written to, its date put back', (blob) => poison(blob)],
  [
    'exchanged for another file of its size and date',
    (blob, rig) => {
      const { atimeMs, mtimeMs } = lstatSync(blob);
      writeFileSync(rig.path('other'), Buffer.alloc(LARGE, 6), { mode: 0o444 });
      utimesSync(rig.path('other'), atimeMs / 1000, mtimeMs / 1000);
      renameSync(rig.path('other'), blob);
    },
  ],
  [
    'written to through another name',
    (blob, rig) => {
      linkSync(blob, rig.path('other'));
      poison(rig.path('other'));
      rmSync(rig.path('other'));
    },
  ],
])('a large blob that was %s is never given out', async (_, harm) => {
  await using rig = cacheRig();
  const { cache, content, blob } = await stored(rig, LARGE);
  await cache.close();
  harm(blob, rig);
  const later = await rig.open();
  expect(await later.restore(content, rig.path('out'), 'private')).toMatchObject(missing);
  expect(await later.actions.get(fingerprint('a'))).toBeNull();
});

test('what this user stored is used without reading it, and what he did not is read once', async () => {
  await using rig = cacheRig();
  const { cache, content, blob } = await stored(rig, LARGE);
  await cache.close();
  const { host, hashed } = counting(rig.host);
  const again = must(await openCache(host, rig.path('cache')));
  must(await again.restore(content, rig.path('out1'), 'private'));
  expect(hashed).toEqual([]);
  await again.close();
  // As for somebody who has never seen it.
  for (const { path, type } of rig.host.files.walk(rig.path('cache')).entries)
    if (type === 'file' && /(^|\/)memo\//.test(path)) rmSync(rig.path(`cache/${path}`));
  const first = must(await openCache(host, rig.path('cache')));
  must(await first.restore(content, rig.path('out2'), 'private'));
  must(await first.restore(content, rig.path('out3'), 'private'));
  await first.close();
  expect(hashed).toEqual([blob]);
  const second = must(await openCache(host, rig.path('cache')));
  must(await second.restore(content, rig.path('out4'), 'private'));
  await second.close();
  expect(hashed).toEqual([blob]);
});

test('a blob that was linked into a workspace and came back is still trusted, by the next process too', async () => {
  await using rig = cacheRig();
  const { cache, content } = await stored(rig, LINKED);
  await cache.close();
  const { host, hashed } = counting(rig.host);
  const running = must(await openCache(host, rig.path('cache')));
  const one = must(await running.makeWorkspace());
  const two = must(await running.makeWorkspace());
  must(await running.restore(content, `${one.path}/work/in`, 'shared'));
  must(await running.restore(content, `${two.path}/work/in`, 'shared'));
  expect(await running.damagedAmong([content])).toEqual([]);
  await one.dispose();
  expect(await running.damagedAmong([content])).toEqual([]);
  await two.dispose();
  await running.close();
  const later = must(await openCache(host, rig.path('cache')));
  must(await later.restore(content, rig.path('out'), 'private'));
  await later.close();
  expect(hashed).toEqual([]);
});

test('what a stage wrote into a linked blob is found when it ends, whatever it did to the times', async () => {
  await using rig = cacheRig();
  const { cache, content } = await stored(rig, LINKED);
  const workspace = must(await cache.makeWorkspace());
  must(await cache.restore(content, `${workspace.path}/in`, 'shared'));
  poison(`${workspace.path}/in`);
  const { digest } = content;
  const isLinked = lstatSync(`${workspace.path}/in`).nlink > 1;
  // Where restoring shares the blocks instead of the inode, nothing can go wrong.
  expect(await cache.damagedAmong([content])).toEqual(isLinked ? [digest] : []);
});

test('a stage that failed after it wrote into a linked blob does not leave it trusted', async () => {
  await using rig = cacheRig();
  const { cache, content } = await stored(rig, LINKED);
  const workspace = must(await cache.makeWorkspace());
  must(await cache.restore(content, `${workspace.path}/in`, 'shared'));
  const isLinked = lstatSync(`${workspace.path}/in`).nlink > 1;
  poison(`${workspace.path}/in`);
  await workspace.dispose();
  await cache.close();
  const later = await rig.open();
  const restored = await later.restore(content, rig.path('out'), 'private');
  expect(restored.ok).toBe(!isLinked);
});

test('an input of some megabytes is a copy: whoever writes into it harms nobody', async () => {
  await using rig = cacheRig();
  const { cache, content } = await stored(rig, LARGE);
  const workspace = must(await cache.makeWorkspace());
  must(await cache.restore(content, `${workspace.path}/in`, 'shared'));
  poison(`${workspace.path}/in`);
  expect(await cache.damagedAmong([content])).toEqual([]);
  await workspace.dispose();
  must(await cache.restore(content, rig.path('out'), 'private'));
  expect(readFileSync(rig.path('out')).equals(Buffer.alloc(LARGE, 5))).toBe(true);
});

test.each(['size', 'bytes'])(
  'a file whose %s change while it is being stored is not stored',
  async (what) => {
    await using rig = cacheRig();
    const { host } = rig;
    const hashing = {
      ...host.hashing,
      digestFile: async (path: string) => {
        const digest = await host.hashing.digestFile(path);
        if (what === 'size') writeFileSync(path, Buffer.alloc(LARGE + 1, 5));
        else poison(path);
        return digest;
      },
    };
    const cache = must(await openCache({ ...host, hashing }, rig.path('cache')));
    expect(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(LARGE, 5)))).toMatchObject({
      ok: false,
      failure: { code: 'not-storable' },
    });
    await cache.close();
  },
);

test('a blob that cannot be read for the moment is not used, and not taken for damaged', async () => {
  await using rig = cacheRig();
  const { cache, content, blob } = await stored(rig, LARGE);
  await cache.close();
  for (const { path, type } of rig.host.files.walk(rig.path('cache')).entries)
    if (type === 'file' && /(^|\/)memo\//.test(path)) rmSync(rig.path(`cache/${path}`));
  const trouble = { code: 'file-trouble', action: 'read', path: blob, errno: 'EIO' } as const;
  const hashing = {
    ...rig.host.hashing,
    digestFile: async () => ({ ok: false, failure: trouble }) as const,
  };
  const blind = must(await openCache({ ...rig.host, hashing }, rig.path('cache')));
  expect(await blind.restore(content, rig.path('out'), 'private')).toMatchObject(missing);
  await blind.close();
  const later = await rig.open();
  must(await later.restore(content, rig.path('out'), 'private'));
  expect(rig.warnings).toEqual([]);
});
