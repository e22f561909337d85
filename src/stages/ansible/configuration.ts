/** The project's own `ansible.cfg`: what it says, and what bake has to say in its place. */

/** Section → key → value, as Ansible's reader (Python's configparser) takes them apart. */
export type Configuration = { readonly [section: string]: { readonly [key: string]: string } };

export const CONFIGURATION_FILE = 'ansible.cfg';

const SECTION = /^\[([^\]]+)\]/;
const ENTRY = /^([^=:\s][^=:]*?)\s*[=:]\s*(.*)$/;

/** Reads the text of an `ansible.cfg`. What is no entry is left to Ansible, which tells of it. */
export function readConfiguration(text: string): Configuration {
  const sections: Record<string, Record<string, string>> = {};
  let section: Record<string, string> = {};
  let key: string | null = null;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    const name = SECTION.exec(line)?.[1];
    const entry = ENTRY.exec(line);
    if (name !== undefined) {
      section = sections[name] ??= {};
      key = null;
    } else if (/^\s/.test(line) && key !== null) {
      section[key] = `${section[key] ?? ''}\n${line.trim()}`;
    } else if (entry !== null) {
      key = (entry[1] ?? '').toLowerCase();
      // Ansible takes a comment after a value away that begins with a space and a semicolon.
      section[key] = (entry[2] ?? '').replace(/\s+;.*$/, '').trim();
    }
  }
  return sections;
}

/** A variable that bake sets, with the key that stands for the same in `ansible.cfg`. */
interface Setting {
  readonly variable: string;
  /** `section.key`, all under which Ansible knows it. */
  readonly keys: readonly string[];
}

/** Where bake has a wish, and the project's own comes first. */
export const WISHES: readonly (Setting & { readonly value: string })[] = [
  { variable: 'ANSIBLE_REMOTE_TEMP', keys: ['defaults.remote_tmp'], value: '/tmp/.bake-ansible' },
  {
    variable: 'ANSIBLE_PIPELINING',
    keys: ['defaults.pipelining', 'connection.pipelining', 'ssh_connection.pipelining'],
    value: 'true',
  },
  { variable: 'ANSIBLE_STDOUT_CALLBACK', keys: ['defaults.stdout_callback'], value: 'default' },
  {
    variable: 'ANSIBLE_CALLBACK_RESULT_FORMAT',
    keys: ['defaults.callback_result_format', 'defaults.result_format'],
    value: 'json',
  },
  { variable: 'ANSIBLE_FORKS', keys: ['defaults.forks'], value: '1' },
  { variable: 'ANSIBLE_TIMEOUT', keys: ['defaults.timeout'], value: '60' },
];

/** What bake has to say, whatever the project says: where files of the run lie, and how the machine is reached. */
const OVERRIDDEN: readonly string[] = [
  ...['defaults.inventory', 'defaults.home', 'defaults.local_tmp', 'defaults.host_key_checking'],
  ...['defaults.retry_files_enabled', 'defaults.nocolor', 'defaults.force_color'],
  ...['defaults.display_failed_stderr', 'defaults.show_task_path_on_failure'],
  ...['galaxy.cache_dir', 'galaxy.token_path', 'ssh_connection.ssh_args'],
];

/** Keys of `ansible.cfg` that do not count, as `section.key`. */
export function overriddenKeys(configuration: Configuration): readonly string[] {
  return OVERRIDDEN.filter((key) => settingOf(configuration, [key]) !== null);
}

/** The value of the first of some keys (`section.key`) that there is, or null. */
export function settingOf(configuration: Configuration, keys: readonly string[]): string | null {
  for (const name of keys) {
    const dot = name.indexOf('.');
    const value = configuration[name.slice(0, dot)]?.[name.slice(dot + 1)];
    if (value !== undefined) return value;
  }
  return null;
}

/** The directories of a list such as `roles_path`, in order, as written. */
export function pathsOf(configuration: Configuration, keys: readonly string[]): readonly string[] {
  return (settingOf(configuration, keys) ?? '')
    .split(':')
    .map((path) => path.trim())
    .filter((path) => path !== '');
}

export const ROLES_PATH = ['defaults.roles_path'] as const;
export const INTERPRETER = ['defaults.interpreter_python'] as const;
export const COLLECTIONS_PATH = ['defaults.collections_path', 'defaults.collections_paths'] as const;
