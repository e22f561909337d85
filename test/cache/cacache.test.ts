/** The store lies on the disk as cacache has it: its own tools read ours, and do no harm. */
import cacache from 'cacache';
import { expect, test } from 'vitest';
import { hexOf } from '../../src/model/digest.ts';
import { cacheRig, fingerprint, must, resultOf } from './cache-rig.ts';

test('cacache finds our results and blobs by key, and reads them verified', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.write('disk', 'bytes of a disk')));
  const result = resultOf(fingerprint('a'), [content]);
  must(await cache.actions.put(result));
  const root = rig.path('cache/v1');
  const blob = await cacache.get(root, `blob:${content.digest}`);
  expect(blob.data.toString()).toBe('bytes of a disk');
  const stored = await cacache.get(root, `result:${fingerprint('a')}`);
  expect(JSON.parse(stored.data.toString())).toEqual(result);
  expect(stored.metadata).toEqual({ pipeline: 'appliance', action: 'disk', kind: 'run' });
});

test('we read a blob and an index entry that cacache wrote', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  must(await cache.blobs.put(Buffer.from('first')));
  const digest = rig.host.hashing.digestBytes('by cacache');
  await cacache.put(rig.path('cache/v1'), `blob:${digest}`, 'by cacache', { algorithms: ['sha256'] });
  expect(await cache.blobs.has(digest, 10)).toBe(true);
  expect(Buffer.from((await cache.blobs.get(digest))!).toString()).toBe('by cacache');
  expect(cache.blobs.pathOf(digest)).toContain(hexOf(digest).slice(4));
});

test('cacache verify removes nothing that we need', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  rig.write('tree/a', 'in a tree');
  const contents = [
    must(await cache.blobs.adopt(rig.path('tree'))),
    must(await cache.blobs.adopt(rig.write('large', Buffer.alloc(2_000_000, 3)))),
  ];
  const result = resultOf(fingerprint('a'), contents);
  must(await cache.actions.put(result));
  const stats = await cacache.verify(rig.path('cache/v1'));
  expect(stats).toMatchObject({ badContentCount: 0, reclaimedCount: 0, missingContent: 0 });
  const later = await rig.open();
  expect(await later.actions.get(fingerprint('a'))).toEqual(result);
  expect(await later.isComplete(result)).toBe(true);
  must(await later.restore(contents[1]!, rig.path('out'), 'private'));
  expect(rig.warnings).toEqual([]);
});
