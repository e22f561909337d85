/** One playbook, run against a machine: a step of the provisioning kinds. */
import { z } from 'zod';
import { ansibleOptions, UNHASHED_ANSIBLE_OPTIONS } from './ansible/options.ts';
import { declaredFiles, projectOf } from './ansible/project.ts';
import { runPlaybook } from './ansible/run.ts';
import { defineStage } from './kind.ts';
import { checkoutPath } from './machine/options.ts';
import {
  machineOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_STEP_OPTIONS,
} from './machine/provision-options.ts';

const options = z.strictObject({
  playbook: checkoutPath().describe('The playbook'),
  ...ansibleOptions,
  ...machineOptions,
});

export type AnsibleOptions = z.output<typeof options>;

export const ansibleStep = defineStage({
  name: 'ansible-step',
  internal: true,
  version: 3,
  summary: 'Run a playbook against a machine',
  description: 'A step of `ansible-provision` and `provision`.',
  example: '',
  options,
  outputs: provisionOutputs,
  tools: () => [...provisionTools(), { name: 'ansible-playbook' }],
  unhashed: [...UNHASHED_STEP_OPTIONS, ...UNHASHED_ANSIBLE_OPTIONS],
  inputs: declaredFiles,
  view: projectOf,
  run: runPlaybook,
});
