/** Side files: whole or not there, for their owner alone, and gone before anything else. */
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readContents } from '../../src/cache/contents.ts';
import { openCache } from '../../src/cache/local.ts';
import { removeResults, removeSides } from '../../src/cache/remove-results.ts';
import { type CacheRig, cacheRig, fingerprint, must, resultOf } from './cache-rig.ts';

/** A cache with one result whose content has side files. */
async function withSides(rig: CacheRig) {
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.write('work/disk', 'disk')));
  must(await cache.actions.put(resultOf(fingerprint('a'), [content], 'first')));
  must(await cache.sides.keep(content.digest, dirname(rig.write('made/memory', 'first'))));
  return { cache, content };
}

test('they are found by the content they belong to, and those kept later take their place', async () => {
  await using rig = cacheRig();
  const { cache, content } = await withSides(rig);
  const place = cache.sides.find(content.digest) as string;
  expect(readFileSync(join(place, 'memory'), 'utf8')).toBe('first');
  must(await cache.sides.keep(content.digest, dirname(rig.write('again/other', 'second'))));
  expect(readdirSync(cache.sides.find(content.digest) as string)).toEqual(['other']);
  expect(readdirSync(rig.path('cache/v1/tmp'))).toEqual([]);
  await cache.sides.drop(content.digest);
  expect(cache.sides.find(content.digest)).toBeNull();
  await cache.sides.drop(content.digest);
  await cache.close();
});

test('nobody else may look into them, whatever the modes were and however the cache is shared', async () => {
  await using rig = cacheRig();
  chmodSync(rig.directory, 0o777);
  const { cache, content } = await withSides(rig);
  rig.write('open/deep/key', 'secret');
  chmodSync(rig.path('open/deep/key'), 0o666);
  must(await cache.sides.keep(content.digest, rig.path('open')));
  const place = cache.sides.find(content.digest) as string;
  const modes = [place, join(place, 'deep'), join(place, 'deep/key')].map(
    (path) => statSync(path).mode & 0o777,
  );
  expect(modes).toEqual([0o700, 0o700, 0o600]);
  await cache.close();
});

test('another host with the same cache does not see them', async () => {
  await using rig = cacheRig();
  const { cache, content } = await withSides(rig);
  await cache.close();
  const elsewhere = must(await openCache({ ...rig.host, hostName: 'elsewhere' }, rig.path('cache')));
  expect(elsewhere.sides.find(content.digest)).toBeNull();
  await elsewhere.close();
  const [found] = (await readContents(rig.host, rig.path('cache'))).sides;
  expect(found?.digest).toBe(content.digest);
});

test('they go with the last result that names their content, and by themselves when asked', async () => {
  await using rig = cacheRig();
  const { cache, content } = await withSides(rig);
  must(await cache.actions.put(resultOf(fingerprint('b'), [content], 'second')));
  await cache.close();
  const remove = (digit: string) =>
    removeResults(rig.host, rig.path('cache'), ({ result }) => result.fingerprint === fingerprint(digit));
  expect(must(await remove('a'))).toMatchObject({ sides: 0 });
  expect(must(await remove('b'))).toMatchObject({ sides: 1, blobs: 2 });
  const other = await withSides(rig);
  const place = other.cache.sides.find(other.content.digest) as string;
  await other.cache.close();
  expect(must(await removeSides(rig.host, rig.path('cache')))).toMatchObject({ sides: 1 });
  expect(existsSync(place)).toBe(false);
  expect((await readContents(rig.host, rig.path('cache'))).results).toHaveLength(1);
});

test('those that were not used for longest make room for new ones', async () => {
  await using rig = cacheRig();
  const { cache, content } = await withSides(rig);
  const digests = Array.from({ length: 24 }, (_, at) => rig.host.hashing.digestBytes(`other ${at}`));
  for (const [at, digest] of digests.entries()) {
    must(await cache.sides.keep(digest, dirname(rig.write(`made-${at}/memory`, String(at)))));
    // The oldest of all is in use, and stays for it.
    expect(basename(cache.sides.find(content.digest) as string)).toBe(content.digest.slice('sha256:'.length));
    await rig.host.clock.sleep(2);
  }
  const left = digests.filter((digest) => cache.sides.find(digest) !== null);
  expect(left).toEqual(digests.slice(1));
  await cache.close();
});
