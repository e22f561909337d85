/** The kind `provision`: boots a disk and takes it through a list of steps of any sort, and keeps the disk. */
import { z } from 'zod';
import { ansibleOptions, ansibleStepOptions } from './ansible/options.ts';
import { uploadOptions } from './file-step.ts';
import { defineStage } from './kind.ts';
import { chainOf, nameOfArtifact, nameOfFile, runsAsSteps, type StepDraft } from './machine/chain.ts';
import { checkoutPath, machineProblems } from './machine/options.ts';
import {
  provisionOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_PROVISION_OPTIONS,
} from './machine/provision-options.ts';
import { scriptOptions, scriptStepOptions } from './machine/script-options.ts';
import { artifact } from './options.ts';

const ansible = z.strictObject({ playbook: checkoutPath().describe('The playbook'), ...ansibleOptions });

const shell = z.strictObject({
  script: artifact().optional().describe('The script; it needs its `#!` line'),
  inline: z
    .array(z.string().min(1))
    .prefault([])
    .describe('Instead: commands, run as one `/bin/sh -e` script'),
  ...scriptOptions,
});

const STEP_NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_-]*$/u;

const step = z.strictObject({
  name: z
    .string()
    .max(100)
    // No `regex`: editors would take the pattern of the schema without its `u` flag.
    .refine((name) => STEP_NAME.test(name), { error: 'expected letters, digits, `-` and `_`' })
    .optional()
    .describe('What the step is called; by default after its file'),
  ansible: z
    .union([checkoutPath(), ansible])
    .optional()
    .describe('A playbook, or a map of its path and options'),
  shell: z
    .union([z.string().min(1), shell])
    .optional()
    .describe('Commands for `/bin/sh -e`, or a map of a script and options'),
  file: uploadOptions.optional().describe('A file to copy into the guest'),
  reboot: z.literal(true).optional().describe('Reboot the guest and wait for its new boot'),
});

const options = z.strictObject({
  steps: z.array(step).min(1).describe('What is done, in order: each `ansible`, `shell`, `file` or `reboot`'),
  ...provisionOptions,
});

type Step = z.output<typeof step>;

const SORTS = ['ansible', 'shell', 'file', 'reboot'] as const;

export const provisionStage = defineStage({
  name: 'provision',
  version: 1,
  summary: 'Boot a disk, take it through playbooks, scripts, files and reboots, and keep the disk',
  description: `Steps of all sorts in one machine, one after the other. What a step wrote is a layer of the disk with a result of its own, so
that after an edit only the edited step and those after it run again, in a machine that resumes where the last unchanged
one ended. \`ansible-provision\` and \`shell-provision\` are the short forms for steps of one sort.

A step is called after its file, or as its \`name\` says: \`bake run stage@step\`, \`bake log stage@step\`. Each playbook has its own
variables, tags and inputs; a change of one step's leaves the steps before it alone.`,
  example: `bake: 1
name: web
stages:
  web:
    uses: provision
    with:
      disk: base.qcow2
      steps:
        - shell: apt-get update
          name: packages
        - file: { src: motd, dest: /etc/motd, mode: "0644" }
        - ansible: { playbook: site.yml, extra_vars: { greeting: hello } }
        - reboot: true
        - shell: { script: check.sh, valid_exit_codes: [0, 3] }
`,
  options,
  outputs: provisionOutputs,
  tools: provisionTools,
  unhashed: UNHASHED_PROVISION_OPTIONS,
  check: (given) => [...machineProblems(given), ...given.steps.flatMap(stepProblems)],
  steps: (given) => chainOf(given, given.steps.map(draftOf)),
  run: runsAsSteps,
});

function stepProblems(given: Step, index: number) {
  const path = ['steps', index];
  const sorts = SORTS.filter((sort) => given[sort] !== undefined);
  if (sorts.length !== 1)
    return [
      { path, problem: `expected one of ${SORTS.join(', ')}, and found ${sorts.join(' and ') || 'none'}` },
    ];
  if (typeof given.shell !== 'object') return [];
  const { script, inline } = given.shell;
  return (script === undefined) === (inline.length === 0)
    ? [{ path: [...path, 'shell'], problem: 'give either `script` or `inline`' }]
    : [];
}

function draftOf(given: Step): StepDraft {
  const draft = unnamed(given);
  return given.name === undefined ? draft : { ...draft, name: given.name };
}

function unnamed({ ansible: playbook, shell: script, file }: Step): StepDraft {
  if (playbook !== undefined) {
    const whole = typeof playbook === 'string' ? ansible.parse({ playbook }) : playbook;
    return {
      name: nameOfFile(whole.playbook),
      kind: 'ansible-step',
      options: { playbook: whole.playbook, ...ansibleStepOptions(whole) },
    };
  }
  if (script !== undefined) {
    const whole = typeof script === 'string' ? shell.parse({ inline: [script] }) : script;
    const { script: path, inline } = whole;
    return {
      name: path === undefined ? 'shell' : nameOfArtifact(path),
      kind: 'shell-step',
      options: { script: path, inline, ...scriptStepOptions(whole) },
    };
  }
  if (file !== undefined)
    return { name: nameOfFile(file.dest), kind: 'file-step', options: { files: [file] } };
  return { name: 'reboot', kind: 'reboot-step', options: {} };
}
