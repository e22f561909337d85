/** Reading a cache again on a disk that refuses once: that is told, and never taken for damage. */
import { expect, test } from 'vitest';
import { repairCache, verifyCache } from '../../src/cache/verify.ts';
import type { Files, Host } from '../../src/host/host.ts';
import { type CacheRig, cacheRig, failingOnce, fingerprint, must, resultOf } from './cache-rig.ts';

const verify = (rig: CacheRig, host: Host) =>
  verifyCache(host, rig.path('cache'), {
    sample: (count) => count,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });

test.each<readonly [string, keyof Files, RegExp, number]>([
  ['a blob, when its bytes are read', 'stamp', /content-v2/, 0],
  ['a record, when its result is read', 'stamp', /content-v2/, 3],
  ['a content, when its result is judged', 'stamp', /content-v2/, 4],
  ['a record', 'readBytes', /content-v2/, 0],
  ['the list of a directory', 'readText', /content-v2/, 0],
  ['an entry of the index', 'readText', /index-v5/, 0],
  ['the index', 'walk', /index-v5/, 0],
  ['the content', 'walk', /content-v2/, 0],
])('where %s cannot be looked at once, that is told, and the result is left', async (_, ...fault) => {
  await using rig = cacheRig();
  const cache = await rig.open();
  rig.write('work/tree/file', 'in a tree');
  const tree = must(await cache.blobs.adopt(rig.path('work/tree')));
  const result = resultOf(fingerprint('a'), [tree], 'tree');
  must(await cache.actions.put(result));
  await cache.close();
  const found = await verify(rig, failingOnce(rig.host, ...fault));
  expect(found.damage).toEqual([]);
  // What could be read a moment later is sound: nothing is left to tell.
  const [operation, , after] = fault;
  expect(found.unreadable.map(({ errno }) => errno)).toEqual(
    operation === 'stamp' && after < 4 ? [] : ['EIO'],
  );
  expect(found.blobs.checkedBytes).toBeGreaterThanOrEqual(0);
  must(await repairCache(rig.host, found));
  const later = await rig.open();
  const left = await later.actions.get(fingerprint('a'));
  expect(left && (await later.isComplete(left))).toBe(true);
});
