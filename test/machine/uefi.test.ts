/** A chain that starts by UEFI: the variables go with the disk from the installation to the test, and fit its checkpoints. */
import { copyFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installerIso } from '../support/guest.ts';
import { machinesBelow } from '../support/provisioning.ts';
import { Rig } from '../support/rig.ts';
import { writeUefiInstaller } from '../support/uefi-installer.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.make();
});
afterAll(() => rig[Symbol.asyncDispose]());

const VARIABLE = '/sys/firmware/efi/efivars/BakeTest-12345678-1234-1234-1234-123456789abc';

const pipeline = (last: string) => `bake: 1
name: uefi
stages:
  install:
    uses: qemu-install
    with:
      iso: installer.iso
      kernel: { from_iso: /vmlinuz }
      initrd: initrd
      append: console=ttyS0,115200 quiet
      disk_size: 2GiB
      memory: 512MiB
      firmware: uefi
  web:
    uses: provision
    with:
      disk: \${{ stages.install.outputs.disk }}
      efivars: \${{ stages.install.outputs.efivars }}
      firmware: uefi
      memory: 512MiB
      steps:
        - name: one
          shell: |
            mount -t efivarfs efivarfs /sys/firmware/efi/efivars || mountpoint /sys/firmware/efi/efivars
            printf '\\7\\0\\0\\0said by one' > ${VARIABLE}
        - name: two
          shell: "${last}"
  test:
    uses: smoke-test
    with:
      disk: \${{ stages.web.outputs.disk }}
      efivars: \${{ stages.web.outputs.efivars }}
      firmware: uefi
      memory: 512MiB
      commands:
        - { run: "tail -c 11 ${VARIABLE}", stdout: "^said by one$" }
        - { run: cat /root/two, stdout: "^said by one, edited$" }
`;

test('the variables go with the disk, and an edited step resumes with those of the step before', async () => {
  const checkout = rig.checkout('uefi', { 'pipeline.yaml': pipeline(`tail -c 11 ${VARIABLE} > /root/two`) });
  copyFileSync(installerIso(), checkout.path('installer.iso'));
  writeUefiInstaller(installerIso(), rig.path('installer'), checkout.path('initrd'));
  const first = await checkout.run(['web', '-v', '--reporter', 'plain']);
  expect(first.code, first.stdout + first.stderr).toBe(0);

  const shell = await checkout.bake(['shell', 'web@one', '-v', '--', `tail -c 11 ${VARIABLE}`]);
  expect(shell).toMatchObject({ code: 0, stdout: 'said by one' });
  expect(shell.stderr).toContain('resumed from the checkpoint of this disk');

  checkout.write({
    'pipeline.yaml': pipeline(`{ tail -c 11 ${VARIABLE}; echo ', edited'; } > /root/two`),
  });
  const edited = await checkout.run(['-v', '--reporter', 'plain']);
  expect(edited.code, edited.stdout + edited.stderr).toBe(0);
  expect(edited.outcomes).toMatchObject({ install: 'fresh', web: 'built', test: 'built' });
  expect((await checkout.bake(['log', 'web@two'])).stdout).toContain(
    'resumed from the checkpoint of this disk',
  );
  expect(machinesBelow(rig.directory)).toEqual([]);
});
