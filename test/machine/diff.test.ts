/** `bake diff --boot`: what cannot be read from outside is listed by the system on the disk, with the real program. */
import { expect, it } from 'vitest';
import { machinesBelow, Provisioning } from '../support/provisioning.ts';
import { Rig } from '../support/rig.ts';

const OPTIONS = `steps:
  - name: journal
    shell: tune2fs -O fast_commit /dev/vda1
  - name: anew
    reboot: true
  - name: app
    shell: mkdir -p /opt/app && echo new > '/opt/app/a name' && chmod 640 '/opt/app/a name'
`;

it('lists files of a file system that bake does not read, when it may start the machines', async () => {
  await using rig = await Rig.make();
  const web = await Provisioning.make(rig, 'web');
  web.pipeline('provision', ['web', OPTIONS]);
  const ran = await web.run();
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);

  const outside = await web.bake('diff', 'web@anew', 'web@app');
  expect(outside.stdout).toContain(
    'partition 1: not compared, it holds an ext file system with fast commits',
  );

  const inside = await web.bake('diff', 'web@anew', 'web@app', '--boot', '--all');
  expect(inside.code, inside.stderr).toBe(0);
  expect(inside.stdout).toContain('  + /opt/app/a name  0640 4 B\n');
  expect(inside.stdout).toContain('partition 1 was read in the running systems');
  expect(inside.stdout).not.toContain('not compared');
  // Not the whole disk: what nobody touched is the same on both sides.
  expect(inside.stdout).not.toContain('/usr/bin/');
  expect(machinesBelow(rig.directory)).toEqual([]);
});
