/** An export through the whole engine: a result tells of which layers it was made, and the next one reads only what others say. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCache } from '../../src/cache/local.ts';
import { realHost } from '../../src/host/real.ts';
import { EngineRig } from '../support/engine-run.ts';

const pipeline = (source: string) => `bake: 1
name: exports
stages:
  one: { uses: chain, with: { disk: base.img, overlay: true } }
  two: { uses: chain, with: { disk: "\${{ stages.one.outputs.disk }}", overlay: true } }
  vmdk:
    uses: qcow2-to-vmdk
    with: { disk: "\${{ stages.${source}.outputs.disk }}" }
    outputs: { vmdk: disk.vmdk }
`;
const BASE = 'a'.repeat(2 ** 20);

function rigOf(source: string): EngineRig {
  const rig = new EngineRig();
  rig.write({ 'pipeline.yaml': pipeline(source), 'base.img': BASE });
  return rig;
}

/** Builds the VMDK; its bytes, and what was said of those that were taken over. */
async function exported(rig: EngineRig) {
  const lines: string[] = [];
  const run = await rig.run({
    targets: ['vmdk'],
    emit: (event) => {
      if (event.type === 'action-output' && event.name === 'vmdk') lines.push(event.line);
    },
  });
  return {
    outcomes: run.outcomes,
    bytes: readFileSync(join(rig.directory, 'disk.vmdk')),
    untouched: lines.find((line) => line.includes('no layer has touched')) ?? null,
  };
}

it('reads what a new layer touched, and takes over the rest', async () => {
  await using rig = rigOf('one');
  expect((await exported(rig)).untouched).toBeNull();
  rig.write({ 'pipeline.yaml': pipeline('two') });
  const edited = await exported(rig);
  expect(edited.outcomes).toMatchObject({ vmdk: 'built' });
  expect(edited.untouched).toBe('8 of these no layer has touched since');
  await using other = rigOf('two');
  expect(edited.bytes.equals((await exported(other)).bytes)).toBe(true);
});

it('reads all of the disk when a layer of the last time is gone', async () => {
  await using rig = rigOf('two');
  await exported(rig);
  const [top] = (await layersOf(rig)).slice(-1);
  if (top === undefined) throw new Error('the result does not tell its layers');
  rmSync(await blobPath(rig, top));
  rig.write({ 'pipeline.yaml': pipeline('one') });
  const edited = await exported(rig);
  expect(edited.untouched).toBeNull();
  await using other = rigOf('one');
  expect(edited.bytes.equals((await exported(other)).bytes)).toBe(true);
});

async function layersOf(rig: EngineRig) {
  const cache = await cacheOf(rig);
  const result = await cache.actions.latest('exports', 'vmdk');
  await cache.close();
  return Object.values(result?.layered ?? {}).flatMap((layers) => layers.map(({ digest }) => digest));
}

async function blobPath(rig: EngineRig, digest: Awaited<ReturnType<typeof layersOf>>[number]) {
  const cache = await cacheOf(rig);
  const path = cache.blobs.pathOf(digest);
  await cache.close();
  return path;
}

async function cacheOf(rig: EngineRig) {
  const cache = await openCache(realHost(), rig.cacheDirectory);
  if (!cache.ok) throw new Error(JSON.stringify(cache.failure));
  return cache.value;
}
