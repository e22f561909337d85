/** Stories about disks whose first bytes somebody else has written: what they are is known from who made them, or is stated. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { descriptor } from '../support/foreign-images.ts';
import { type Checkout, Rig } from '../support/rig.ts';

/** A guest's disk that begins as a descriptor of a file of the host, as a raw image beside the pipeline. */
function guestDisk(here: Checkout): Buffer {
  here.write({ secret: 'TOP-SECRET-OF-THE-HOST'.padEnd(2 ** 20, 'x') });
  descriptor(here.path('guest.raw'), `RW 2048 FLAT "${here.path('secret')}" 0`);
  return readFileSync(here.path('guest.raw'));
}

it('keeps a raw disk raw through every stage, whatever the guest has written to its first sector', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: story
stages:
  packed: { uses: disk-convert, with: { disk: guest.raw, disk_format: raw, format: qcow2 } }
  raw: { uses: disk-convert, with: { disk: "\${{ stages.packed.outputs.disk }}", format: raw } }
  vmdk: { uses: qcow2-to-vmdk, with: { disk: "\${{ stages.raw.outputs.disk }}" }, outputs: { vmdk: out.vmdk } }
  again: { uses: disk-convert, with: { disk: "\${{ stages.vmdk.outputs.vmdk }}", format: raw }, outputs: { disk: out.img } }
`,
  });
  const disk = guestDisk(here);
  expect((await here.run()).code).toBe(0);
  expect(readFileSync(here.path('out.img')).equals(disk)).toBe(true);
});

it('refuses a disk that nobody says anything of and that could be two things, with the option that settles it', async () => {
  await using rig = await Rig.make();
  const stage = (more: string) =>
    `bake: 1\nname: story\nstages:\n  copy: { run: cp guest.raw disk.img, inputs: [guest.raw], outputs: { disk: disk.img } }\n  out: { uses: disk-convert, with: { disk: "\${{ stages.copy.outputs.disk }}", ${more}format: qcow2 }, outputs: { disk: out.qcow2 } }\n`;
  const here = rig.checkout('here', { 'pipeline.yaml': stage('') });
  const disk = guestDisk(here);
  const refused = await here.run();
  expect(refused.stages['out']?.failure).toMatchObject({ code: 'disk-unusable' });
  expect(here.has('out.qcow2')).toBe(false);
  here.write({ 'pipeline.yaml': stage('disk_format: raw, ') });
  expect((await here.run()).outcomes).toEqual({ copy: 'fresh', out: 'built' });
  execFileSync('qemu-img', [
    'convert',
    '-f',
    'qcow2',
    '-O',
    'raw',
    here.path('out.qcow2'),
    here.path('back.raw'),
  ]);
  expect(readFileSync(here.path('back.raw')).equals(disk)).toBe(true);
});

it('does not take the same bytes for the same disk when another kind says what they are', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: story
stages:
  image: { run: "qemu-img create -q -f qcow2 disk.img 1M && truncate -s %512 disk.img", outputs: { disk: disk.img }, pass_env: [PATH] }
  made: { uses: disk-convert, with: { disk: "\${{ stages.image.outputs.disk }}", disk_format: raw, format: raw } }
  as-made: { uses: disk-convert, with: { disk: "\${{ stages.made.outputs.disk }}", format: raw }, outputs: { disk: made.img } }
  as-found: { uses: disk-convert, with: { disk: "\${{ stages.image.outputs.disk }}", format: raw }, outputs: { disk: found.img } }
`,
  });
  const run = await here.run();
  expect(run.code).toBe(0);
  const [image, raw] = ['image', 'made'].map((name) => run.stages[name]?.outputs[0]?.digest);
  expect(image).toBe(raw);
  expect(run.stages['as-made']?.fingerprint).not.toBe(run.stages['as-found']?.fingerprint);
  expect(readFileSync(here.path('made.img')).subarray(0, 3).toString()).toBe('QFI');
  expect(readFileSync(here.path('found.img')).length).toBe(2 ** 20);
});

it('does not take an output that the pipeline calls raw for an image, which a guest may have written into it', async () => {
  await using rig = await Rig.make();
  const pipeline = (path: string) => `bake: 1
name: story
stages:
  disk: { run: "qemu-img create -q -f qcow2 ${path} 1M && truncate -s %512 ${path}", outputs: { disk: ${path} } }
  out: { uses: disk-convert, with: { disk: "\${{ stages.disk.outputs.disk }}", format: raw }, outputs: { disk: out } }
`;
  const here = rig.checkout('here', { 'pipeline.yaml': pipeline('disk.img') });
  expect((await here.run()).code).toBe(0);
  here.write({ 'pipeline.yaml': pipeline('disk.raw') });
  const refused = await here.run();
  expect(refused.stages['out']?.failure).toMatchObject({ code: 'disk-unusable' });
  expect(refused.stdout).toContain('disk_format: raw');
});
