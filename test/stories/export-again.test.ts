/** Stories about an export after a small change: what did not change is taken from the export before it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { noise, rawImage } from '../support/disks.ts';
import { type Checkout, Rig } from '../support/rig.ts';

const PIPELINE = `bake: 1
name: again
stages:
  vmdk:
    uses: qcow2-to-vmdk
    with: { disk: disk.raw, compression: 6 }
`;

const MIB = 2 ** 20;

function disk(checkout: Checkout, seed: number): void {
  rawImage(checkout.path('disk.raw'), 20 * MIB, [
    { offset: 0, bytes: noise(4 * MIB) },
    { offset: 9 * MIB, bytes: noise(100, seed) },
  ]);
}

const digest = (checkout: Checkout) =>
  createHash('sha256')
    .update(readFileSync(checkout.path('disk.vmdk')))
    .digest('hex');

const REUSED = /(\d+) of them are as they were last time/;

it('compresses only what changed, and gives the bytes that a first export gives', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  disk(here, 1);
  await here.run();
  expect((await here.bake(['log', 'vmdk'])).stdout).not.toMatch(REUSED);
  disk(here, 2);
  expect((await here.run()).outcomes).toEqual({ vmdk: 'built' });
  expect(REUSED.exec((await here.bake(['log', 'vmdk'])).stdout)?.[1]).toBe('64');

  const fresh = rig.checkout('fresh', { 'pipeline.yaml': PIPELINE });
  disk(fresh, 2);
  await fresh.run();
  expect(digest(here)).toBe(digest(fresh));
});

it('takes nothing from an export that was made with other options, nor from one that is gone', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  disk(here, 1);
  await here.run();
  here.write({ 'pipeline.yaml': PIPELINE.replace('compression: 6 }', 'compression: 1 }') });
  await here.run();
  expect((await here.bake(['log', 'vmdk'])).stdout).not.toMatch(REUSED);
  await here.bake(['cache', 'rm', 'vmdk']);
  disk(here, 2);
  expect((await here.run()).outcomes).toEqual({ vmdk: 'built' });
  expect((await here.bake(['log', 'vmdk'])).stdout).not.toMatch(REUSED);
});

it('takes nothing when it is forced, nor when it is made again to be compared: that would hold an export against itself', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  disk(here, 1);
  await here.run();
  const forced = await here.bake(['run', '-v', '--force=vmdk']);
  const rebuilt = await here.bake(['rebuild', '-v', 'vmdk']);
  for (const { code, stdout } of [forced, rebuilt]) {
    expect(code).toBe(0);
    expect(stdout).toContain('grains');
    expect(stdout).not.toMatch(REUSED);
  }
});
