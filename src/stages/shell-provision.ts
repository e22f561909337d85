/** The kind `shell-provision`: boots a disk, runs scripts in it through ssh, each as a step, and keeps the disk. */
import { z } from 'zod';
import { defineStage } from './kind.ts';
import { chainOf, milliseconds, nameOfArtifact, runsAsSteps, type StepDraft } from './machine/chain.ts';
import { machineProblems } from './machine/options.ts';
import {
  provisionOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_PROVISION_OPTIONS,
} from './machine/provision-options.ts';
import { scriptOptions, scriptStepOptions, UNHASHED_SCRIPT_OPTIONS } from './machine/script-options.ts';
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
  ...scriptOptions,
  reboot: z.boolean().prefault(false).describe('Reboot after the scripts and wait for the new boot'),
  pause_before: duration().prefault('0s').describe('Wait this long after the login'),
  ...provisionOptions,
});

export const shellProvisionStage = defineStage({
  name: 'shell-provision',
  version: 2,
  summary: 'Boot a disk, run scripts in it through ssh, and keep the disk',
  description: `The disk is booted, the scripts run in it, and the guest powers off. **The files, the inline commands and each script
are a step each**: what it wrote is a layer of the disk with a result of its own, so that after an edit only the edited script
and those after it run again, in a machine that resumes where the last unchanged one ended. Nothing is stored of a step
whose script fails, nor if the guest does not power off by itself.

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
  unhashed: [...UNHASHED_PROVISION_OPTIONS, ...UNHASHED_SCRIPT_OPTIONS, 'pause_before'],
  check: (given) => [
    ...machineProblems(given),
    ...(given.scripts.length + given.inline.length === 0 && !given.reboot
      ? [{ path: ['scripts'], problem: 'nothing to do: give `scripts` or `inline`' }]
      : []),
    ...Object.keys(given.files)
      .filter((path) => !path.startsWith('/'))
      .map((path) => ({ path: ['files', path], problem: 'expected an absolute path in the guest' })),
  ],
  steps: (given) => chainOf(given, draftsOf(given)),
  run: runsAsSteps,
});

function draftsOf(given: z.output<typeof options>): readonly StepDraft[] {
  const files = Object.entries(given.files).map(([dest, src]) => ({ src, dest }));
  const shell = (name: string, what: object) => ({
    name,
    kind: 'shell-step',
    options: { ...what, ...scriptStepOptions(given) },
  });
  const scripts = [
    ...(given.inline.length === 0 ? [] : [shell('inline', { inline: given.inline })]),
    ...given.scripts.map((script) => shell(nameOfArtifact(script), { script })),
  ];
  const [first, ...others] = scripts;
  const paused = first && {
    ...first,
    options: { ...first.options, pause_before: milliseconds(given.pause_before) },
  };
  return [
    ...(files.length === 0 ? [] : [{ name: 'files', kind: 'file-step', options: { files } }]),
    ...(paused ? [paused, ...others] : []),
    ...(given.reboot ? [{ name: 'reboot', kind: 'reboot-step', options: {} }] : []),
  ];
}
