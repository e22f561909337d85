/** The kind `ansible-provision`: boots a disk, runs playbooks against it, and keeps the disk. */
import { z } from 'zod';
import { playbookInputs } from './ansible/inputs.ts';
import { provisionByAnsible } from './ansible/run.ts';
import { defineStage } from './kind.ts';
import { checkoutPath, sshProblems } from './machine/options.ts';
import {
  provisionOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_PROVISION_OPTIONS,
} from './machine/provision-options.ts';
import { duration } from './options.ts';

const options = z.strictObject({
  playbooks: z
    .array(checkoutPath())
    .min(1)
    .describe('Playbooks beside the pipeline, run one after the other'),
  extra_vars: z
    .record(z.string(), z.json())
    .prefault({})
    .describe('Variables for all playbooks, as `--extra-vars` gives them'),
  host: z
    .string()
    .min(1)
    .prefault('machine')
    .describe('Name of the machine in the inventory (for `host_vars`)'),
  groups: z.array(z.string().min(1)).prefault([]).describe('Groups of the inventory that the machine is in'),
  requirements: checkoutPath()
    .optional()
    .describe(
      'Roles and collections to install first with ansible-galaxy; pin their versions, bake sees only this file',
    ),
  roles_path: z
    .array(checkoutPath())
    .prefault([])
    .describe('Directories with roles, besides `roles` beside each playbook'),
  files: z
    .array(checkoutPath())
    .prefault([])
    .describe(
      'Further files and directories that the playbooks use and that cannot be found by reading them',
    ),
  become: z.boolean().optional().describe('Become root for all tasks; default: when the SSH user is another'),
  tags: z.array(z.string()).prefault([]).describe('Only tasks with these tags'),
  skip_tags: z.array(z.string()).prefault([]).describe('No tasks with these tags'),
  verbosity: z.int().min(0).max(4).prefault(0).describe('How much Ansible says: 4 is `-vvvv`'),
  timeout: duration().prefault('2h').describe('Time limit of each playbook'),
  ...provisionOptions,
});

export type AnsibleOptions = z.output<typeof options>;

export const ansibleProvisionStage = defineStage({
  name: 'ansible-provision',
  version: 1,
  summary: 'Boot a disk, run Ansible playbooks against it, and keep the disk',
  description: `The disk is booted on a throw-away overlay, \`ansible-playbook\` runs against it over ssh, the guest powers off,
and the result is written as a new flat disk. Nothing is stored if a task fails, or if the guest does not power off.

bake reads the playbooks to find what they are made of: imports and includes, variables files, roles with their
dependencies, the files and templates that tasks name, \`group_vars\` and \`host_vars\`. Ansible runs in a workspace that holds
exactly these files: editing another playbook in the same directory changes nothing here. A name with \`{{ … }}\` in it cannot
be found so: declare it under \`files\`. Nothing of the user's own Ansible configuration is used; an \`ansible.cfg\` beside the
pipeline is.

Several playbooks in one stage share one boot. A reboot inside a playbook (\`ansible.builtin.reboot\`) works as usual.`,
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
  unhashed: [...UNHASHED_PROVISION_OPTIONS, 'verbosity', 'timeout'],
  inputs: (given, finder) =>
    playbookInputs(
      {
        playbooks: given.playbooks,
        rolesPath: given.roles_path,
        files: given.files,
        requirements: given.requirements ?? null,
        host: given.host,
        groups: given.groups,
      },
      finder,
    ),
  check: (given) => sshProblems(given.ssh),
  run: provisionByAnsible,
});
