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

A playbook sees a copy of its whole **project**: the directory in which it lies, or the one that \`project\` names, with what
links in it lead to, less what git ignores and what stages make. Everything that it reads there, and looks for in vain, is
recorded while it runs, and decides when it runs again: editing what it did not read changes nothing. \`bake plan\` names the
file that has changed, appeared or vanished. If it looks for something that lies in the checkout and that it cannot see, that
is a failure which says so: by hand, Ansible would have found it. What it writes into its project (\`fetch\`, a generated
password) is kept aside, with a warning that says where, and the result is not kept in the cache: it would come back
without these files.

Programs on this host that a playbook starts (\`lookup('pipe')\`, \`command\` with \`delegate_to: localhost\`, \`synchronize\`) cannot
be watched: then everything in the project counts as read, and the log names the program.

An \`ansible.cfg\` in the project, or beside the pipeline, counts; nothing else of the user's own Ansible configuration does.
What is encrypted with \`ansible-vault\` is read with the password in a secret of the stage: \`vault_password_from\`.

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
