/** Options that `ansible-provision` and `shell-provision` share. */
import { z } from 'zod';
import { artifact, duration } from '../options.ts';
import { hardwareOptions, sshOptions, UNHASHED_MACHINE_OPTIONS } from './options.ts';

export const provisionOptions = {
  disk: artifact().describe('The disk to provision (qcow2 or raw); it is only read, the result is a new one'),
  efivars: artifact()
    .optional()
    .describe('With `firmware: uefi`: the variables that belong to the disk, an output of `qemu-install`'),
  ssh: sshOptions
    .prefault({})
    .describe(
      'The login; as root without password and key, a temporary key is handed to systemd in the guest',
    ),
  ...hardwareOptions,
  generalize: z
    .boolean()
    .prefault(false)
    .describe(
      'Make a template of it at the end: machine id emptied, SSH host keys, leases, logs, histories and temporary files removed',
    ),
  shutdown: z
    .strictObject({
      by: z
        .enum(['command', 'acpi'])
        .prefault('command')
        .describe('`command` runs `command` through ssh, `acpi` presses the power button'),
      command: z
        .string()
        .min(1)
        .optional()
        .describe('Default: `poweroff`, through sudo where the user is not root'),
      timeout: duration()
        .prefault('5m')
        .describe('A guest that takes longer is a failure; it is never cut off and stored'),
    })
    .prefault({})
    .describe('How the machine is ended'),
} as const;

/** Names, for `unhashed`. */
export const UNHASHED_PROVISION_OPTIONS = [...UNHASHED_MACHINE_OPTIONS, 'shutdown.timeout'] as const;

/** Outputs of a provisioning kind. */
export function provisionOutputs(options: { readonly firmware: 'bios' | 'uefi' }) {
  return {
    disk: { path: 'disk.qcow2', description: 'The provisioned disk, a flat qcow2 image' },
    ...(options.firmware === 'uefi'
      ? { efivars: { path: 'efivars.fd', description: 'The UEFI variables that belong to the disk' } }
      : {}),
  };
}

/** Tools whose version can show in the image. */
export function provisionTools() {
  return [{ name: 'qemu-system-x86_64' }, { name: 'qemu-img' }];
}
