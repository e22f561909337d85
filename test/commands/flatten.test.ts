/** One plain disk out of layers: the same bytes to a reader, whole or not there, and nowhere outside of the checkout. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { flattenIn } from '../../src/commands/flatten.ts';
import { layersDigest } from '../../src/engine/manifest.ts';
import type { LayeredContent } from '../../src/model/artifact.ts';
import { type CacheRig, cacheRig, must } from '../cache/cache-rig.ts';
import { noise, rawImage } from '../support/disks.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

/** A base of 8 MiB and an overlay that names no backing file, in which the second MiB is another one. */
async function layered(rig: CacheRig) {
  const cache = await rig.open();
  rawImage(rig.path('base.raw'), 8 * MIB, [{ offset: 0, bytes: noise(3 * MIB, 1) }]);
  const convert = ['convert', '-O', 'qcow2', rig.path('base.raw'), rig.path('base.qcow2')];
  execFileSync('qemu-img', convert);
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', rig.path('top.qcow2'), String(8 * MIB)]);
  rawImage(rig.path('change'), MIB, [{ offset: 0, bytes: noise(MIB, 2) }]);
  execFileSync('qemu-io', ['-c', `write -s ${rig.path('change')} ${MIB} ${MIB}`, rig.path('top.qcow2')]);
  const layers = [];
  for (const name of ['base.qcow2', 'top.qcow2']) {
    const { digest, sizeBytes } = must(await cache.blobs.adopt(rig.path(name)));
    layers.push({ digest, sizeBytes });
  }
  const digest = layersDigest(layers, rig.host.hashing);
  const content: LayeredContent = { type: 'layers', digest, sizeBytes: 0, layers };
  return { cache, content, flatten: flattenIn(rig.host, cache) };
}

test('a flat disk reads like the chain: the upper layer where it was written, the lower elsewhere', async () => {
  await using rig = cacheRig();
  const { content, flatten } = await layered(rig);
  for (const name of ['one', 'two']) must(await flatten(content, rig.path(`out/${name}.qcow2`), never));
  const [one, two] = ['one', 'two'].map((name) => readFileSync(rig.path(`out/${name}.qcow2`)));
  expect(one?.equals(two as Buffer)).toBe(true);
  execFileSync('qemu-img', ['convert', '-O', 'raw', rig.path('out/one.qcow2'), rig.path('out.raw')]);
  const expected = Buffer.alloc(8 * MIB);
  expected.set(noise(3 * MIB, 1), 0);
  expected.set(noise(MIB, 2), MIB);
  expect(readFileSync(rig.path('out.raw')).equals(expected)).toBe(true);
});

test('what is lost, cut short by Ctrl-C, or led out of the checkout by a link leaves nothing behind', async () => {
  await using rig = cacheRig();
  const { cache, content, flatten } = await layered(rig);
  mkdirSync(rig.path('root'));
  mkdirSync(rig.path('elsewhere'));
  symlinkSync(rig.path('elsewhere'), rig.path('root/dist'));
  const out = await flatten(content, rig.path('root/dist/disk'), never, rig.path('root'));
  expect(out).toMatchObject({ ok: false, failure: { code: 'restore-escapes' } });
  const stopped = await flatten(content, rig.path('elsewhere/disk'), AbortSignal.abort());
  expect(stopped.ok).toBe(false);
  rmSync(cache.blobs.pathOf((content.layers[0] as LayeredContent['layers'][0]).digest), { force: true });
  const lost = await flatten(content, rig.path('elsewhere/disk'), never);
  expect(lost).toMatchObject({ ok: false, failure: { code: 'blob-missing' } });
  expect(readdirSync(rig.path('elsewhere'))).toEqual([]);
});
