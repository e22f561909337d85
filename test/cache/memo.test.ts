/** The hash memo: what it knows it may say, and what it cannot know it must not. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openMemo } from '../../src/cache/memo.ts';
import type { Hashing, Host } from '../../src/host/host.ts';
import type { Digest } from '../../src/model/digest.ts';
import { settle } from '../support/settle.ts';
import { cacheRig, must } from './cache-rig.ts';

/** A host that counts how often a file is read for its digest. */
function counting(host: Host): { readonly host: Host; hashed: number } {
  const counter = { host, hashed: 0 };
  const digestFile: Hashing['digestFile'] = (path, onProgress) => {
    counter.hashed += 1;
    return host.hashing.digestFile(path, onProgress);
  };
  counter.host = { ...host, hashing: { ...host.hashing, digestFile } };
  return counter;
}

test('an unchanged file is hashed once, also across runs; a changed one again', async () => {
  await using rig = cacheRig();
  const { openCache } = await import('../../src/cache/local.ts');
  const counter = counting(rig.host);
  const file = rig.write('file', 'one');
  settle(file);
  const first = must(await openCache(counter.host, rig.path('cache')));
  const digest = must(await first.digestOf(file)).digest;
  expect(must(await first.digestOf(file)).digest).toBe(digest);
  await first.close();
  const second = must(await openCache(counter.host, rig.path('cache')));
  expect(must(await second.digestOf(file)).digest).toBe(digest);
  expect(counter.hashed).toBe(1);
  writeFileSync(file, 'two');
  settle(file);
  expect(must(await second.digestOf(file)).digest).not.toBe(digest);
  expect(counter.hashed).toBe(2);
  await second.close();
});

test('a file written just now is not remembered: it could be written again without another time', async () => {
  await using rig = cacheRig();
  const { openCache } = await import('../../src/cache/local.ts');
  const counter = counting(rig.host);
  const cache = must(await openCache(counter.host, rig.path('cache')));
  const file = rig.write('file', 'one');
  await cache.digestOf(file);
  await cache.digestOf(file);
  expect(counter.hashed).toBe(2);
  await cache.close();
});

test('a file with a time in the future is not remembered either', async () => {
  await using rig = cacheRig();
  const memo = openMemo(rig.host, rig.path('memo'));
  const stamp = rig.host.files.stamp(rig.write('file', 'x'));
  const nowMs = Date.now();
  const future = { ...stamp!, ctimeMs: nowMs + 60_000.5 };
  await memo.remember(future, 'sha256:x' as Digest, nowMs);
  expect(await memo.recall(future)).toBeNull();
  const settled = { ...stamp!, ctimeMs: nowMs - 100.5 };
  await memo.remember(settled, 'sha256:x' as Digest, nowMs);
  expect(await memo.recall(settled)).not.toBeNull();
});

test('every part of a stamp counts', async () => {
  await using rig = cacheRig();
  const memo = openMemo(rig.host, rig.path('memo'));
  const file = rig.write('file', 'x');
  settle(file);
  const stamp = rig.host.files.stamp(file)!;
  const digest = rig.host.hashing.digestBytes('x');
  await memo.remember(stamp, digest, Date.now());
  expect(await memo.recall(stamp)).toBe(digest);
  for (const change of [
    { device: stamp.device + 1 },
    { inode: stamp.inode + 1 },
    { sizeBytes: 2 },
    { mtimeMs: stamp.mtimeMs + 0.001 },
    { ctimeMs: stamp.ctimeMs + 0.001 },
  ])
    expect(await memo.recall({ ...stamp, ...change })).toBeNull();
});

test('a restored private file is known at once, and a later write is noticed', async () => {
  await using rig = cacheRig();
  const { openCache } = await import('../../src/cache/local.ts');
  const counter = counting(rig.host);
  const cache = must(await openCache(counter.host, rig.path('cache')));
  rig.write('tree/file', 'content');
  const tree = must(await cache.blobs.adopt(rig.path('tree')));
  const large = must(await cache.blobs.adopt(rig.write('large', Buffer.alloc(5_000_000, 1))));
  must(await cache.restore(tree, rig.path('out/tree'), 'private'));
  must(await cache.restore(large, rig.path('out/large'), 'private'));
  counter.hashed = 0;
  expect(must(await cache.digestOf(rig.path('out/large'))).digest).toBe(large.digest);
  const before = must(await cache.digestOf(rig.path('out/tree/file'))).digest;
  expect(counter.hashed).toBe(0);
  writeFileSync(rig.path('out/tree/file'), 'CONTENT');
  expect(must(await cache.digestOf(rig.path('out/tree/file'))).digest).not.toBe(before);
  await cache.close();
});

test('a damaged memo is ignored, and replaced', async () => {
  await using rig = cacheRig();
  const file = rig.path('memo');
  const source = rig.write('file', 'x');
  settle(source);
  const stamp = rig.host.files.stamp(source)!;
  const digest = rig.host.hashing.digestBytes('x');
  const memo = openMemo(rig.host, file);
  await memo.remember(stamp, digest, Date.now());
  await memo.save();
  const whole = readFileSync(file);
  for (const damaged of [
    whole.subarray(0, -1),
    Buffer.alloc(0),
    Buffer.alloc(500),
    Buffer.from(whole).fill(1, 60, 61),
  ]) {
    writeFileSync(file, damaged);
    expect(await openMemo(rig.host, file).recall(stamp)).toBeNull();
  }
  const again = openMemo(rig.host, file);
  await again.remember(stamp, digest, Date.now());
  await again.save();
  expect(await openMemo(rig.host, file).recall(stamp)).toBe(digest);
});

test('two writers keep what both learnt', async () => {
  await using rig = cacheRig();
  const stamps = ['a', 'b'].map((name) => {
    const path = rig.write(name, name);
    settle(path);
    return rig.host.files.stamp(path)!;
  });
  const digest = rig.host.hashing.digestBytes('x');
  const memos = stamps.map(() => openMemo(rig.host, rig.path('memo')));
  for (const [at, stamp] of stamps.entries()) await memos[at]!.remember(stamp, digest, Date.now());
  for (const memo of memos) await memo.save();
  const later = openMemo(rig.host, rig.path('memo'));
  for (const stamp of stamps) expect(await later.recall(stamp)).toBe(digest);
});

test('a list of files is read once, in one go, and a changed one again', async () => {
  await using rig = cacheRig();
  const { openCache } = await import('../../src/cache/local.ts');
  const read: string[][] = [];
  const digestFiles: Hashing['digestFiles'] = (paths, sizes) => {
    read.push([...paths]);
    return rig.host.hashing.digestFiles(paths, sizes);
  };
  const host: Host = { ...rig.host, hashing: { ...rig.host.hashing, digestFiles } };
  const cache = must(await openCache(host, rig.path('cache')));
  const paths = ['a', 'b', 'c'].map((name) => rig.write(name, name));
  const stampsOf = () => new Map(paths.map((path) => [path, host.files.stamp(path)!]));
  const take = async () => {
    settle(...paths);
    return must(await cache.digestsOf(stampsOf(), (path) => path));
  };
  settle(...paths);
  const stamped = stampsOf();
  const digests = must(await cache.digestsOf(stamped, (path) => path));
  expect(digests).toEqual(['a', 'b', 'c'].map((text) => host.hashing.digestBytes(text)));
  expect(must(await cache.digestsOf(stamped, (path) => path))).toEqual(digests);
  expect(read).toEqual([paths]);
  writeFileSync(paths[1]!, 'B');
  const changed = await take();
  expect(changed[1]).toBe(host.hashing.digestBytes('B'));
  expect([changed[0], changed[2]]).toEqual([digests[0], digests[2]]);
  await cache.close();
});
