/** Options of a playbook, wherever it is run. */
import { z } from 'zod';
import { limitsOf } from '../machine/chain.ts';
import { checkoutPath } from '../machine/options.ts';
import { duration } from '../options.ts';

/** Ansible makes a file name of it (`host_vars/NAME`), and reads commas and colons as lists and patterns. */
function inventoryName() {
  return z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, {
    error: 'expected letters, digits, `_`, `.` and `-`: it is a part of file names',
  });
}

/** A name under `secrets:` of the stage. */
function secretName() {
  return z.string().min(1);
}

export const ansibleOptions = {
  extra_vars: z
    .record(z.string(), z.json())
    .prefault({})
    .describe('Variables for all playbooks, as `--extra-vars` gives them'),
  host: inventoryName()
    .prefault('machine')
    .describe('Name of the machine in the inventory (for `host_vars`)'),
  groups: z.array(inventoryName()).prefault([]).describe('Groups of the inventory that the machine is in'),
  requirements: checkoutPath()
    .optional()
    .describe(
      'Roles and collections to install first with ansible-galaxy; pin their versions, bake sees only this file',
    ),
  roles_path: z
    .array(checkoutPath())
    .prefault([])
    .describe('Directories with roles, besides `roles` beside each playbook and those in `ansible.cfg`'),
  project: checkoutPath()
    .optional()
    .describe(
      'Directory of which the playbooks see everything, less what git ignores and what stages make; default: that of each playbook',
    ),
  files: z
    .array(checkoutPath())
    .prefault([])
    .describe(
      'Further files and directories that the playbooks see: outside of the project, or ignored by git. Their content counts whether it is read or not',
    ),
  vault_password_from: secretName()
    .optional()
    .describe('Secret of this stage that holds the password of what is encrypted with ansible-vault'),
  vault_ids: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, { error: 'expected letters, digits, `_`, `.` and `-`' }),
      secretName(),
    )
    .optional()
    .describe('Secrets with the passwords of several vault IDs, by ID'),
  remote_tmp: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Directory in the guest in which Ansible keeps what it runs, such as `~/.ansible/tmp`: not where `/tmp` is mounted noexec; default: what `ansible.cfg` says, else `/tmp/.bake-ansible`',
    ),
  become: z.boolean().optional().describe('Become root for all tasks; default: when the SSH user is another'),
  tags: z.array(z.string()).prefault([]).describe('Only tasks with these tags'),
  skip_tags: z.array(z.string()).prefault([]).describe('No tasks with these tags'),
  allow_empty: z
    .boolean()
    .optional()
    .describe(
      'A playbook may run no task at all; otherwise that is a failure, for its hosts or the tags match nothing',
    ),
  verbosity: z.int().min(0).max(4).prefault(0).describe('How much Ansible says: 4 is `-vvvv`'),
  timeout: duration().prefault('2h').describe('Time limit of each playbook'),
  idle_timeout: duration()
    .optional()
    .describe('How long Ansible may say nothing, so longer than the slowest task; no limit when absent'),
} as const;

const schema = z.strictObject(ansibleOptions);

/** Names, for `unhashed`. */
export const UNHASHED_ANSIBLE_OPTIONS = ['verbosity', 'timeout', 'idle_timeout'] as const;

/** The options of a playbook as those of its step, before defaults. */
export function ansibleStepOptions(given: z.output<typeof schema>): { readonly [name: string]: unknown } {
  const names = Object.keys(ansibleOptions) as (keyof typeof ansibleOptions)[];
  const own = Object.fromEntries(names.map((name) => [name, given[name]]));
  return { ...own, ...limitsOf(given) };
}
