/** Stories about looking at what changed between two disks in the cache. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { extImage } from '../support/ext-image.ts';
import { type Checkout, Rig } from '../support/rig.ts';

const PIPELINE = `bake: 1
name: compared
stages:
  old: { run: cp old.img disk, inputs: [old.img], outputs: { disk: disk } }
  new: { run: cp new.img image, inputs: [new.img], outputs: { disk: image } }
  each:
    matrix: { n: [1, 2] }
    run: cp old.img "disk-\${{ matrix.n }}"
    inputs: [old.img]
    outputs: { disk: "disk-\${{ matrix.n }}" }
`;

function disks(here: Checkout): void {
  mkdirSync(here.path('tree/etc'), { recursive: true });
  mkdirSync(here.path('tree/opt'));
  writeFileSync(here.path('tree/etc/motd'), 'one');
  extImage(here.path('old.img'), here.path('tree'), 8);
  writeFileSync(here.path('tree/etc/motd'), 'two');
  mkdirSync(here.path('tree/opt/app'));
  for (const name of ['a', 'b']) writeFileSync(here.path(`tree/opt/app/${name}`), name, { mode: 0o640 });
  extImage(here.path('new.img'), here.path('tree'), 8);
}

const schema = z.fromJSONSchema(
  JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/schema/diff.schema.json'), 'utf8')) as never,
);

it('lists files and bytes, folds directories that are new, and tells programs everything', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  disks(here);
  await here.run();
  const short = await here.bake(['diff', 'old', 'new']);
  expect(short.stdout).toBe(`old → new
  + /opt/app/  0755, and 2 more in it
  ~ /etc/motd  content

3 added, 0 removed, 1 changed
no layer in common
old: 1 layer of its own, 8 MiB
new: 1 layer of its own, 8 MiB
`);
  const all = await here.bake(['diff', 'old', 'new.disk', '--all']);
  expect(all.stdout).toContain('  + /opt/app/b  0640 1 B\n');
  const told = JSON.parse((await here.bake(['diff', 'old', 'new', '--json'])).stdout) as {
    partitions: { added: { path: string }[] }[];
  };
  expect(schema.parse(told)).toEqual(told);
  expect(told.partitions[0]?.added.map(({ path }) => path)).toEqual(['/opt/app', '/opt/app/a', '/opt/app/b']);
});

it('says what it was not told, what is not there, and what is not one disk', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  disks(here);
  const said = async (...args: readonly string[]) => (await here.bake(['diff', ...args])).stderr;
  expect(await said('old', 'new')).toContain('[no-result]');
  await here.run();
  expect(await said('old')).toContain('[missing-argument]');
  expect(await said('old', 'new', 'each')).toContain('[unexpected-argument]');
  expect(await said('old', 'nwe')).toContain('[unknown-target]');
  expect(await said('old', 'new.dsik')).toContain('[no-such-output]');
  expect(await said('old', 'each')).toContain('each means several stages');
  expect((await here.bake(['diff', 'old', 'each[n=2]'])).stdout).toContain('0 added, 0 removed, 0 changed');
});

it('says which partition it could not read, and which program could', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  disks(here);
  await here.run();
  writeFileSync(here.path('new.img'), Buffer.alloc(2 ** 20, 1));
  await here.run();
  const { stdout, code } = await here.bake(['diff', 'old', 'new'], { env: { PATH: '/nowhere' } });
  expect(code).toBe(0);
  expect(stdout).toContain(
    '  ? partition 0: not compared, it holds no ext file system; virt-ls (package guestfs-tools) could read more, and with --boot the system on the disk\n',
  );
  expect(stdout).toContain('0 added, 0 removed, 0 changed, 1 partition not compared\n');
});
