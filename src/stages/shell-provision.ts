/** The kind `shell-provision`: boots a disk, runs scripts in it through ssh, and keeps the disk. */
import { z } from 'zod';
import { defineStage } from './kind.ts';
import { sshProblems } from './machine/options.ts';
import { provision } from './machine/provision.ts';
import {
  provisionOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_PROVISION_OPTIONS,
} from './machine/provision-options.ts';
import { runScripts } from './machine/scripts.ts';
import { artifact, duration } from './options.ts';

const options = z.strictObject({
  scripts: z
    .array(artifact())
    .prefault([])
    .describe('Scripts, run one after the other; each needs its `#!` line'),
  inline: z
    .array(z.string().min(1))
    .prefault([])
    .describe('Commands, run as one `/bin/sh -e` script before `scripts`'),
  files: z
    .record(z.string(), artifact())
    .prefault({})
    .describe('Files to copy into the guest first: absolute path there → file here'),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .prefault({})
    .describe('Environment variables of the scripts'),
  execute_command: z
    .string()
    .prefault('chmod +x {{ .Path }}; {{ .Vars }} {{ .Path }}')
    .describe(
      'How a script is run: `{{ .Path }}` is where it was copied to, `{{ .Vars }}` the environment as `A=b` words',
    ),
  become: z.boolean().prefault(true).describe('Run as root: through sudo where the SSH user is another'),
  valid_exit_codes: z
    .array(z.int().min(0).max(255))
    .min(1)
    .prefault([0])
    .describe('Exit statuses that mean success'),
  expect_disconnect: z
    .boolean()
    .prefault(false)
    .describe('A script may cut the connection, for example by rebooting; the next one waits for a login'),
  reboot: z.boolean().prefault(false).describe('Reboot after the scripts and wait for the new boot'),
  pause_before: duration().prefault('0s').describe('Wait this long after the login'),
  timeout: duration().prefault('1h').describe('Time limit of each script'),
  ...provisionOptions,
});

export const shellProvisionStage = defineStage({
  name: 'shell-provision',
  version: 1,
  summary: 'Boot a disk, run scripts in it through ssh, and keep the disk',
  description: `The disk is booted on a throw-away overlay, the scripts run in it, the guest powers off, and the result is
written as a new flat disk. Nothing is stored if a script fails, or if the guest does not power off by itself.

A guest that reboots is waited for by its boot id: \`reboot: true\` goes on in the new system, never in the old one.`,
  example: `bake: 1
name: tools
stages:
  tools:
    uses: shell-provision
    with:
      disk: base.qcow2
      inline:
        - apt-get update
        - apt-get install -y htop
`,
  options,
  outputs: provisionOutputs,
  tools: () => [...provisionTools(), { name: 'ssh', versionArguments: ['-V'] }],
  unhashed: [...UNHASHED_PROVISION_OPTIONS, 'pause_before', 'timeout'],
  check: (given) => [
    ...sshProblems(given.ssh),
    ...(given.scripts.length + given.inline.length === 0 && !given.reboot
      ? [{ path: ['scripts'], problem: 'nothing to do: give `scripts` or `inline`' }]
      : []),
    ...Object.keys(given.files)
      .filter((path) => !path.startsWith('/'))
      .map((path) => ({ path: ['files', path], problem: 'expected an absolute path in the guest' })),
  ],
  run: (given, context) => provision(given, context, (guest) => runScripts(given, context, guest)),
});
