/** Ansible's surroundings for one stage: inventory, variables and a pinned environment, so that nothing of the user's own setup counts. */
import { join } from 'node:path';
import type { Failure } from '../../model/failure.ts';
import { ok, type Result } from '../../model/result.ts';
import { quoteWords } from '../../model/shell-words.ts';
import type { AnsibleOptions } from '../ansible-step.ts';
import type { StageContext } from '../kind.ts';
import type { Guest } from '../machine/guest.ts';

export interface AnsibleSetup {
  readonly env: { readonly [name: string]: string };
  /** Arguments that every call of ansible-playbook gets. */
  readonly args: readonly string[];
}

/** Environment without a machine: enough for syntax checks and ansible-galaxy. */
export async function ansibleEnvironment(
  options: AnsibleOptions,
  context: StageContext,
): Promise<Result<{ readonly [name: string]: string }, Failure>> {
  const { host, scratch, files } = context;
  const home = join(scratch, 'ansible');
  const made = await host.files.makeDirectory(home);
  if (!made.ok) return made;
  const own = join(files, 'ansible.cfg');
  const empty = join(home, 'ansible.cfg');
  const written = await host.files.writeFile(empty, '', { over: true });
  if (!written.ok) return written;
  const galaxy = join(home, 'galaxy');
  return ok({
    ...context.env,
    ANSIBLE_CONFIG: host.files.stamp(own) === null ? empty : own,
    ANSIBLE_HOME: home,
    ANSIBLE_LOCAL_TEMP: join(home, 'tmp'),
    ANSIBLE_REMOTE_TEMP: '/tmp/.bake-ansible',
    ANSIBLE_ROLES_PATH: [...options.roles_path.map((path) => join(files, path)), join(galaxy, 'roles')].join(
      ':',
    ),
    ANSIBLE_COLLECTIONS_PATHS: `${join(galaxy, 'collections')}:/usr/share/ansible/collections`,
    ANSIBLE_GALAXY_CACHE_DIR: join(galaxy, 'cache'),
    ANSIBLE_GALAXY_TOKEN_PATH: join(galaxy, 'token'),
    ANSIBLE_HOST_KEY_CHECKING: 'false',
    ANSIBLE_RETRY_FILES_ENABLED: 'false',
    ANSIBLE_NOCOLOR: 'true',
    ANSIBLE_FORCE_COLOR: 'false',
    ANSIBLE_STDOUT_CALLBACK: 'default',
    ANSIBLE_CALLBACK_RESULT_FORMAT: 'json',
    ANSIBLE_DISPLAY_FAILED_STDERR: 'false',
    ANSIBLE_SHOW_TASK_PATH_ON_FAILURE: 'true',
    ANSIBLE_PIPELINING: 'true',
    ANSIBLE_FORKS: '1',
    ANSIBLE_TIMEOUT: '60',
    PYTHONDONTWRITEBYTECODE: '1',
  });
}

/** Inventory and variables as files that only this user can read; passwords are in them and nowhere on a command line. */
export async function ansibleSetup(
  options: AnsibleOptions,
  context: StageContext,
  guest: Guest,
  env: { readonly [name: string]: string },
): Promise<Result<AnsibleSetup, Failure>> {
  const ssh = guest.ssh();
  const inventory = join(context.scratch, 'ansible', 'inventory.json');
  const variables = join(context.scratch, 'ansible', 'variables.json');
  const password =
    options.ssh.password ?? (options.ssh.password_from ? context.env[options.ssh.password_from] : undefined);
  const become = options.become ?? options.ssh.user !== 'root';
  const host = {
    ansible_host: '127.0.0.1',
    ansible_port: ssh.port,
    ansible_user: ssh.user,
    ansible_become: become,
    ...(become && password !== undefined ? { ansible_become_password: password } : {}),
  };
  const children = Object.fromEntries(
    options.groups.map((group) => [group, { hosts: { [options.host]: {} } }]),
  );
  const written = await context.host.files.writeFile(
    inventory,
    JSON.stringify({ all: { hosts: { [options.host]: host }, children } }),
    { mode: 0o600, over: true },
  );
  if (!written.ok) return written;
  const given = await context.host.files.writeFile(variables, JSON.stringify(options.extra_vars), {
    mode: 0o600,
    over: true,
  });
  if (!given.ok) return given;
  return ok({
    env: {
      ...env,
      ANSIBLE_PYTHON_INTERPRETER: (await knownPython(guest)) ?? 'auto_silent',
      ...Object.fromEntries(
        Object.entries(ssh.env).filter(([name]) => name.startsWith('SSH_') || name === 'DISPLAY'),
      ),
      // Ansible splits this as a shell would. Options given first win in ssh. A connection lost in a reboot is made anew, and kept, by Ansible's own ssh.
      ANSIBLE_SSH_ARGS: quoteWords(['-o', 'ControlMaster=auto', '-o', 'ControlPersist=60s', ...ssh.args]),
    },
    args: [
      ...['--inventory', inventory, '--extra-vars', `@${variables}`],
      ...options.tags.map((tag) => `--tags=${tag}`),
      ...options.skip_tags.map((tag) => `--skip-tags=${tag}`),
      ...(options.verbosity > 0 ? [`-${'v'.repeat(options.verbosity)}`] : []),
    ],
  });
}

/**
 * Distributions for which Ansible has one answer, which it takes two programs in the guest to find, once in each playbook:
 * under emulation more than a second.
 */
const KNOWN_PYTHON = `. /etc/os-release
case "$ID:\${VERSION_ID%%.*}" in
  debian:1[0-9] | ubuntu:1[68] | ubuntu:2? | fedora:* | rhel:9 | centos:9 | almalinux:9 | rocky:9)
    [ ! -x /usr/bin/python3 ] || echo /usr/bin/python3 ;;
esac`;

/** The interpreter that Ansible would find by itself; null when it has to look. */
async function knownPython(guest: Guest): Promise<string | null> {
  const asked = await guest.run(KNOWN_PYTHON, 'while it was asked what system it is', { quiet: true });
  const said = asked.ok && asked.value.exitCode === 0 ? asked.value.stdout.trim() : '';
  return said === '' ? null : said;
}
