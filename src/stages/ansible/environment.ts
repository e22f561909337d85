/** Ansible's surroundings for one stage: inventory, variables and a pinned environment, so that the project's own setup counts and nothing else of the user's. */
import { dirname, join } from 'node:path';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { quoteWords } from '../../model/shell-words.ts';
import type { AnsibleOptions } from '../ansible-step.ts';
import type { StageContext } from '../kind.ts';
import type { Guest } from '../machine/guest.ts';
import {
  COLLECTIONS_PATH,
  CONFIGURATION_FILE,
  type Configuration,
  INTERPRETER,
  overriddenKeys,
  pathsOf,
  ROLES_PATH,
  readConfiguration,
  settingOf,
  WISHES,
} from './configuration.ts';
import { configurationFiles } from './project.ts';

export interface AnsibleSetup {
  readonly env: { readonly [name: string]: string };
  /** Arguments that every call of ansible-playbook gets. */
  readonly args: readonly string[];
}

/** What holds for every program of Ansible in one stage. */
export interface AnsibleEnvironment {
  readonly env: { readonly [name: string]: string };
  /** The project's own. */
  readonly configuration: Configuration;
}

/** Environment without a machine: enough for syntax checks and ansible-galaxy. */
export async function ansibleEnvironment(
  options: AnsibleOptions,
  context: StageContext,
): Promise<Result<AnsibleEnvironment, Failure>> {
  const { host, scratch, files } = context;
  const home = join(scratch, 'ansible');
  const made = await host.files.makeDirectory(home);
  if (!made.ok) return made;
  const configuration = await projectConfiguration(options, context);
  if (!configuration.ok) return configuration;
  const own = configuration.value;
  const empty = join(home, CONFIGURATION_FILE);
  const written = await host.files.writeFile(empty, '', { over: true });
  if (!written.ok) return written;
  const galaxy = join(home, 'galaxy');
  const wishes = WISHES.filter(({ keys }) => settingOf(own.values, keys) === null);
  const vault = await vaultEnvironment(options, context, home);
  if (!vault.ok) return vault;
  const env = {
    ...context.env,
    ...vault.value,
    ...Object.fromEntries(wishes.map(({ variable, value }) => [variable, value])),
    ...(options.remote_tmp === undefined ? {} : { ANSIBLE_REMOTE_TEMP: options.remote_tmp }),
    ANSIBLE_CONFIG: own.file === null ? empty : join(files, own.file),
    ANSIBLE_HOME: home,
    ANSIBLE_LOCAL_TEMP: join(home, 'tmp'),
    ANSIBLE_ROLES_PATH: [
      ...options.roles_path.map((path) => join(files, path)),
      ...own.pathsOf(ROLES_PATH),
      join(galaxy, 'roles'),
    ].join(':'),
    ANSIBLE_COLLECTIONS_PATHS: [
      ...own.pathsOf(COLLECTIONS_PATH),
      join(galaxy, 'collections'),
      '/usr/share/ansible/collections',
    ].join(':'),
    ANSIBLE_GALAXY_CACHE_DIR: join(galaxy, 'cache'),
    ANSIBLE_GALAXY_TOKEN_PATH: join(galaxy, 'token'),
    ANSIBLE_HOST_KEY_CHECKING: 'false',
    ANSIBLE_RETRY_FILES_ENABLED: 'false',
    ANSIBLE_NOCOLOR: 'true',
    ANSIBLE_FORCE_COLOR: 'false',
    ANSIBLE_DISPLAY_FAILED_STDERR: 'false',
    ANSIBLE_SHOW_TASK_PATH_ON_FAILURE: 'true',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  return ok({ env, configuration: own.values });
}

/** Passwords of what is encrypted, each in a file that only this user reads and that goes with the stage. */
async function vaultEnvironment(
  { vault_password_from, vault_ids = {} }: AnsibleOptions,
  { env, host }: StageContext,
  home: string,
): Promise<Result<{ readonly [name: string]: string }, Failure>> {
  const named = Object.entries(vault_ids);
  if (vault_password_from !== undefined) named.unshift(['default', vault_password_from]);
  const identities: string[] = [];
  for (const [id, secret] of named) {
    const password = env[secret];
    if (password === undefined) {
      const problem = `\`vault_password_from\` or \`vault_ids\` names ${secret}, which is no variable of this stage`;
      return fail({ code: 'stage-refused', problem, hint: `add \`secrets: [${secret}]\` to the stage` });
    }
    const file = join(home, `vault-${identities.length + 1}`);
    const written = await host.files.writeFile(file, password, { mode: 0o600 });
    if (!written.ok) return written;
    identities.push(`${id}@${file}`);
  }
  return ok(identities.length === 0 ? {} : { ANSIBLE_VAULT_IDENTITY_LIST: identities.join(',') });
}

/** The `ansible.cfg` of the project, as it lies in the workspace. */
async function projectConfiguration(
  options: AnsibleOptions,
  { host, files, log }: StageContext,
): Promise<
  Result<
    {
      readonly file: string | null;
      readonly values: Configuration;
      /** A list of directories; Ansible takes them as relative to the file, but not in a variable. */
      readonly pathsOf: (keys: readonly string[]) => readonly string[];
    },
    Failure
  >
> {
  const file = configurationFiles(options).find((path) => host.files.stampTarget(join(files, path)) !== null);
  const text = file === undefined ? ok('') : await host.files.readText(join(files, file));
  if (!text.ok) return text;
  const values = readConfiguration(text.value);
  const overridden = overriddenKeys(values);
  if (overridden.length > 0) log(`bake: ${file}: these are bake's to say: ${overridden.join(', ')}`);
  const beside = join(files, dirname(file ?? ''));
  const absolute = (path: string) => (/^[/~$]/.test(path) ? path : join(beside, path));
  return ok({ file: file ?? null, values, pathsOf: (keys) => pathsOf(values, keys).map(absolute) });
}

/** Inventory and variables as files that only this user can read; passwords are in them and nowhere on a command line. */
export async function ansibleSetup(
  options: AnsibleOptions,
  context: StageContext,
  guest: Guest,
  { env, configuration }: AnsibleEnvironment,
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
      ...(settingOf(configuration, INTERPRETER) === null
        ? { ANSIBLE_PYTHON_INTERPRETER: (await knownPython(guest)) ?? 'auto_silent' }
        : {}),
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
