/** `bake cache` as people and programs use it. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';

const PIPELINE = `bake: 1
name: two
stages:
  disk:
    run: printf disk > disk.img
    outputs: { image: disk.img }
  copy:
    run: cat \${{ stages.disk.outputs.image }} > copy.img
    outputs: { image: copy.img }
`;

async function json(checkout: Checkout, ...args: string[]) {
  const ended = await checkout.bake(['cache', ...args, '--json']);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const value = JSON.parse(ended.stdout);
  expect(value.schemaVersion).toBe(1);
  return value;
}

test('the directory is the first that is set of flag, variables, pipeline, and cache/ beside it', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': PIPELINE,
    'other/own.yaml': `${PIPELINE}cache: kept\n`,
  });
  const dir = async (args: string[], env: Record<string, string> = {}) =>
    (await here.bake(['cache', 'dir', ...args], { env })).stdout.trim();
  expect(await dir([])).toBe(here.path('cache'));
  expect(await dir(['other/own.yaml'])).toBe(here.path('other/kept'));
  const both = { BAKE_CACHE_DIR: 'from-bake', PACKER_CACHE_DIR: '/from-packer' };
  expect(await dir(['other/own.yaml'], both)).toBe(here.path('from-bake'));
  expect(await dir([], { ...both, BAKE_CACHE_DIR: '' })).toBe('/from-packer');
  expect(await dir(['--cache-dir', '~/x'], both)).toBe(here.path('~/x'));
  expect(readdirSync(here.directory).sort()).toEqual(['other', 'pipeline.yaml']);
});

test('ls, du and rm agree on what is stored, and a removed stage is built again', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  expect((await here.bake(['cache', 'ls'])).stdout).toContain('nothing is stored');
  expect((await here.run()).outcomes).toEqual({ disk: 'built', copy: 'built' });
  const { results } = await json(here, 'ls');
  expect(results.map((result: { action: string }) => result.action).sort()).toEqual(['copy', 'disk']);
  expect(results[0]).toMatchObject({ pipeline: 'two', kind: 'run', sizeBytes: 4 });
  const usage = await json(here, 'du');
  expect(usage.stages).toHaveLength(2);
  expect(usage.kinds).toEqual([{ name: 'run', results: 2, sizeBytes: 8 }]);
  expect(usage.garbage.count).toBe(0);
  // Both outputs are the same four bytes.
  expect(usage.shared.count).toBeGreaterThanOrEqual(1);
  expect(usage.totalBytes).toBeGreaterThan(usage.blobs.allocatedBytes);
  const removal = await json(here, 'rm', 'copy');
  expect(removal.removed).toMatchObject([{ action: 'copy' }]);
  expect(removal.spared).toEqual([]);
  expect((await json(here, 'ls', 'disk')).results).toHaveLength(1);
  expect((await json(here, 'ls', 'copy')).results).toEqual([]);
  const [disk] = (await json(here, 'ls')).results;
  await json(here, 'rm', disk.fingerprint.slice('sha256:'.length, 20));
  expect((await json(here, 'ls')).results).toEqual([]);
  expect((await json(here, 'du')).blobs.count).toBe(0);
  expect((await here.run()).outcomes).toEqual({ disk: 'built', copy: 'built' });
});

test('what is not understood is refused, and nothing is removed by accident', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  await here.run();
  for (const args of [[], ['polish'], ['rm']]) expect((await here.bake(['cache', ...args])).code).toBe(2);
  expect(await here.bake(['cache', 'rm', 'disk', 'dsik'])).toMatchObject({ code: 1, stdout: '' });
  expect((await json(here, 'ls')).results).toHaveLength(2);
});
