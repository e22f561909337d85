/** Options that the provisioning kinds and their steps share, and the outputs of both. */
import { z } from 'zod';
import { artifact, diskFormat, duration } from '../options.ts';
import { hardwareOptions, sshOptions, UNHASHED_MACHINE_OPTIONS } from './options.ts';

/** Of every step: the machine, and how bake gets into it. */
export const machineOptions = {
  disk: artifact().describe('The disk to provision (qcow2 or raw); it is only read, the result is a new one'),
  format: diskFormat(),
  efivars: artifact()
    .optional()
    .describe('With `firmware: uefi`: the variables that belong to the disk, an output of `qemu-install`'),
  ssh: sshOptions
    .prefault({})
    .describe(
      'The login; as root without password and key, a temporary key is handed to systemd in the guest',
    ),
  ...hardwareOptions,
  checkpoint: z
    .boolean()
    .prefault(true)
    .describe(
      "Keep the machine's memory after each step, so that a later run resumes there instead of booting; on this host only",
    ),
} as const;

/** Of the last step: how the machine is ended. */
export const endOptions = {
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

/** What a whole stage takes. */
export const provisionOptions = { ...machineOptions, ...endOptions } as const;

const provisionSchema = z.strictObject(provisionOptions);

/** Options that the provisioning kinds share, as validated. */
export type ProvisionOptions = z.output<typeof provisionSchema>;

/** Names, for `unhashed`, of a step. */
export const UNHASHED_STEP_OPTIONS = [...UNHASHED_MACHINE_OPTIONS, 'checkpoint'] as const;

/** Names, for `unhashed`, of a stage. */
export const UNHASHED_PROVISION_OPTIONS = [...UNHASHED_STEP_OPTIONS, 'shutdown.timeout'] as const;

/** Outputs of a provisioning kind, and of each of its steps. */
export function provisionOutputs(options: { readonly firmware: 'bios' | 'uefi' }) {
  return {
    disk: {
      path: 'disk.qcow2',
      description:
        'The provisioned disk: a layer on top of the given one, a flat qcow2 image where it is placed',
      format: 'qcow2' as const,
    },
    ...(options.firmware === 'uefi'
      ? { efivars: { path: 'efivars.fd', description: 'The UEFI variables that belong to the disk' } }
      : {}),
  };
}

/** Tools whose version can show in the image. */
export function provisionTools() {
  return [{ name: 'qemu-system-x86_64' }, { name: 'qemu-img' }];
}
