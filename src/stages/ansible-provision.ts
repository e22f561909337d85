/** The kind `ansible-provision`: boots a disk, runs playbooks against it, and keeps the disk. */
import { z } from 'zod';
import { ansibleOptions, ansibleStepOptions, UNHASHED_ANSIBLE_OPTIONS } from './ansible/options.ts';
import { defineStage } from './kind.ts';
import { chainOf, nameOfFile, runsAsSteps } from './machine/chain.ts';
import { checkoutPath, machineProblems } from './machine/options.ts';
import {
  provisionOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_PROVISION_OPTIONS,
} from './machine/provision-options.ts';

const options = z.strictObject({
  playbooks: z
    .array(checkoutPath())
    .min(1)
    .describe('Playbooks beside the pipeline, run one after the other'),
  ...ansibleOptions,
  ...provisionOptions,
});

export const ansibleProvisionStage = defineStage({
  name: 'ansible-provision',
  version: 2,
  summary: 'Boot a disk, run Ansible playbooks against it, and keep the disk',
  description: `The disk is booted, \`ansible-playbook\` runs against it over ssh, and the guest powers off. **Each playbook is a step**:
what it wrote is a layer of the disk with a result of its own, so that after an edit only the edited playbook and those
after it run again, in a machine that resumes where the last unchanged one ended. Nothing is stored of a step in which a
task fails, nor if the guest does not power off.

bake reads the playbooks to find what they are made of: imports and includes, variables files, roles with their
dependencies, the files and templates that tasks name, \`group_vars\` and \`host_vars\`. Ansible runs in a workspace that holds
exactly these files: editing another playbook in the same directory changes nothing here. A name with \`{{ … }}\` in it cannot
be found so: declare it under \`files\`. Nothing of the user's own Ansible configuration is used; an \`ansible.cfg\` beside the
pipeline is.

The playbooks of one stage share one boot, as long as no step before them is out of a cache. A reboot inside a playbook
(\`ansible.builtin.reboot\`) works as usual.`,
  example: `bake: 1
name: web
stages:
  web:
    uses: ansible-provision
    with:
      disk: base.qcow2
      playbooks: [site.yml]
      extra_vars: { greeting: hello }
      generalize: true
`,
  options,
  outputs: provisionOutputs,
  tools: () => [...provisionTools(), { name: 'ansible-playbook' }],
  unhashed: [...UNHASHED_PROVISION_OPTIONS, ...UNHASHED_ANSIBLE_OPTIONS],
  check: (given) => machineProblems(given),
  steps: (given) =>
    chainOf(
      given,
      given.playbooks.map((playbook) => ({
        name: nameOfFile(playbook),
        kind: 'ansible-step',
        options: { playbook, ...ansibleStepOptions(given) },
      })),
    ),
  run: runsAsSteps,
});
