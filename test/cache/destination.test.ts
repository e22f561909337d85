/** Where an output is put is asked of the file system, not of its name: what leads out of the checkout, or cannot be followed, is refused. */
import { mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findEscape, isStillInside, makeParent } from '../../src/cache/destination.ts';
import type { Files } from '../../src/host/host.ts';
import { cacheRig } from './cache-rig.ts';

test.each([
  ['a link to a directory outside', '../outside'],
  ['a link to an absolute path outside', '/'],
  ['a link that leads nowhere', 'not-there'],
  ['a link to itself', 'way'],
  ['a link to a name that begins like the checkout', '../checkout-2'],
])('%s is refused, and nothing is made there', async (_, target) => {
  await using rig = cacheRig();
  for (const name of ['checkout', 'checkout-2', 'outside']) mkdirSync(rig.path(name));
  symlinkSync(target, rig.path('checkout/way'));
  const { files } = rig.host;
  const to = rig.path('checkout/way/deep/file');
  expect(await makeParent(files, rig.path('checkout'), to)).toEqual({
    ok: false,
    failure: { code: 'restore-escapes', path: to, link: rig.path('checkout/way') },
  });
  expect([files.list(rig.path('outside')).names, files.list(rig.path('checkout-2')).names]).toEqual([[], []]);
});

test('a link that stays in the checkout is followed, also one to the checkout itself', async () => {
  await using rig = cacheRig();
  mkdirSync(rig.path('checkout/real'), { recursive: true });
  symlinkSync('real', rig.path('checkout/way'));
  symlinkSync('..', rig.path('checkout/real/up'));
  const to = rig.path('checkout/way/up/deep/file');
  expect(await makeParent(rig.host.files, rig.path('checkout'), to)).toMatchObject({ ok: true });
  expect(realpathSync(rig.path('checkout/way/up/deep'))).toBe(realpathSync(rig.path('checkout/deep')));
});

test.each(['the root', 'a link'])('when %s cannot be resolved, it is taken to lead out', async (what) => {
  await using rig = cacheRig();
  mkdirSync(rig.path('checkout/real'), { recursive: true });
  symlinkSync('real', rig.path('checkout/way'));
  const root = rig.path('checkout');
  const barred = what === 'the root' ? root : rig.path('checkout/way');
  const files: Files = {
    ...rig.host.files,
    realPath: (path) => (path === barred ? null : rig.host.files.realPath(path)),
  };
  expect(findEscape(files, root, rig.path('checkout/way'))).toBe(barred);
});

test('a path that climbs, or does not begin with the root, leads out', async () => {
  await using rig = cacheRig();
  mkdirSync(rig.path('checkout'));
  const root = rig.path('checkout');
  expect(findEscape(rig.host.files, root, `${root}/a/../../x`)).toBe(`${root}/a/..`);
  expect(findEscape(rig.host.files, root, rig.path('checkout-2'))).toBe(rig.path('checkout-2'));
});

test('a directory that is exchanged for a link while the output is made is noticed at the moment of placing', async () => {
  await using rig = cacheRig();
  mkdirSync(rig.path('checkout'));
  mkdirSync(rig.path('outside'));
  const to = rig.path('checkout/deep/file');
  expect(await makeParent(rig.host.files, rig.path('checkout'), to)).toMatchObject({ ok: true });
  rmSync(rig.path('checkout/deep'), { recursive: true });
  symlinkSync('../outside', rig.path('checkout/deep'));
  expect(isStillInside(rig.host.files, rig.path('checkout'), to)).toMatchObject({
    ok: false,
    failure: { code: 'restore-escapes' },
  });
});
