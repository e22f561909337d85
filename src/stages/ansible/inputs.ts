/** Finds the files of the checkout that playbooks are made of, by reading them: see docs/design/machines.md, "What a playbook reads". */
import { posix } from 'node:path';
import type { Failure } from '../../model/failure.ts';
import { byCodeUnit, type JsonValue } from '../../model/json.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { InputFinder } from '../kind.ts';
import { fileReferences, type Reference } from './task-files.ts';
import { type JsonMap, literal, lookedUpFiles, mapOf, stringsIn, textsOf } from './values.ts';

export interface PlaybookQuestion {
  readonly playbooks: readonly string[];
  /** Directories with roles, besides `roles` beside each playbook. */
  readonly rolesPath: readonly string[];
  /** Files and directories declared by the user. */
  readonly files: readonly string[];
  readonly requirements: string | null;
  readonly host: string;
  readonly groups: readonly string[];
}

const ROLE_DIRECTORIES = ['tasks', 'handlers', 'defaults', 'vars', 'meta', 'files', 'templates'];
/** Code that Ansible loads of a role, or from beside a playbook, without being told to by name. */
const PLUGIN_DIRECTORIES = [
  ...['library', 'module_utils', 'action_plugins', 'cache_plugins', 'callback_plugins', 'connection_plugins'],
  ...[
    'filter_plugins',
    'inventory_plugins',
    'lookup_plugins',
    'strategy_plugins',
    'test_plugins',
    'vars_plugins',
  ],
];
const VARIABLE_ENDINGS = ['', '.yml', '.yaml', '.json'];
const TEMPLATE_PARTS = /\{%-?\s*(?:include|import|extends|from)\s+['"]([^'"]+)['"]/g;

/**
 * Every file that the playbooks need, relative to the pipeline file, sorted. A playbook or declared file that is missing
 * or no YAML is a failure; a reference that leads nowhere is not: it may be made at run time, and Ansible tells if not.
 */
export async function playbookInputs(
  question: PlaybookQuestion,
  finder: InputFinder,
): Promise<Result<readonly string[], Failure>> {
  const reader = new PlaybookReader(question, finder);
  const failure = await reader.read();
  return failure ? fail(failure) : ok([...reader.found].sort(byCodeUnit));
}

/** Where a task or play stands, for the search order of the names in it. */
interface Scope {
  /** Directory of the playbook. */
  readonly playbook: string;
  /** Directory of the file that is read. */
  readonly directory: string;
  /** Directory of the role, or null. */
  readonly role: string | null;
}

type MaybeFailure = Failure | null;

class PlaybookReader {
  readonly found = new Set<string>();
  readonly #question: PlaybookQuestion;
  readonly #finder: InputFinder;
  /** Files that were followed, so that a circle of includes ends. */
  readonly #read = new Set<string>();
  readonly #roles = new Set<string>();

  constructor(question: PlaybookQuestion, finder: InputFinder) {
    this.#question = question;
    this.#finder = finder;
  }

  async read(): Promise<MaybeFailure> {
    const { playbooks, files, requirements } = this.#question;
    const failure = await each(playbooks, (playbook) => this.#playbook(playbook));
    if (failure) return failure;
    for (const path of requirements === null ? files : [...files, requirements]) {
      if (await this.#take(path)) continue;
      const problem = `\`files\` or \`requirements\` names ${path}, but there is no such file beside the pipeline`;
      return { code: 'stage-refused', problem, hint: null };
    }
    await this.#take('ansible.cfg');
    return null;
  }

  async #playbook(path: string): Promise<MaybeFailure> {
    if (!this.#isNew(path)) return null;
    const yaml = await this.#finder.readYaml(path);
    const unusable = (problem: string): Failure => ({ code: 'playbook-unusable', playbook: path, problem });
    if (yaml === null) return unusable('there is no such file');
    if ('problem' in yaml) return unusable(yaml.problem);
    if (!Array.isArray(yaml.value)) return unusable('a playbook is a list of plays');
    this.found.add(path);
    const directory = posix.dirname(path);
    await this.#neighbours(directory);
    return await each(mapsIn(yaml.value), (play) =>
      this.#play(play, { playbook: directory, directory, role: null }),
    );
  }

  /** What lies beside a playbook and is loaded unasked: variables of its host and groups, plug-ins. */
  async #neighbours(directory: string): Promise<void> {
    const { groups, host } = this.#question;
    for (const ending of VARIABLE_ENDINGS) {
      for (const group of ['all', 'ungrouped', ...groups])
        await this.#take(posix.join(directory, 'group_vars', group + ending));
      await this.#take(posix.join(directory, 'host_vars', host + ending));
    }
    for (const name of [...PLUGIN_DIRECTORIES, 'collections']) await this.#take(posix.join(directory, name));
  }

  async #play(play: JsonMap, scope: Scope): Promise<MaybeFailure> {
    const imported = literal(play['import_playbook'] ?? play['ansible.builtin.import_playbook']);
    if (imported !== null)
      return await this.#playbook(posix.join(scope.directory, imported.split(' ')[0] ?? ''));
    for (const name of textsOf(play['vars_files'])) await this.#takeFirst(candidates(name, scope, 'vars'));
    await this.#lookups(play, scope);
    const parts = ['pre_tasks', 'tasks', 'post_tasks', 'handlers'];
    const failure = await each(parts, (part) => this.#tasks(play[part], scope));
    return failure ?? (await this.#roleList(play['roles'], scope));
  }

  async #tasks(tasks: JsonValue | undefined, scope: Scope): Promise<MaybeFailure> {
    return await each(mapsIn(tasks), async (task) => {
      const failure = await each(['block', 'rescue', 'always'], (part) => this.#tasks(task[part], scope));
      return failure ?? (await each(fileReferences(task), (reference) => this.#reference(reference, scope)));
    });
  }

  async #reference(reference: Reference, scope: Scope): Promise<MaybeFailure> {
    if (reference.type === 'role') return await this.#role(reference.name, scope);
    const path = await this.#takeFirst(candidates(reference.name, scope, reference.folder));
    if (path === null) return null;
    if (reference.type === 'tasks') return await this.#taskFile(path, scope);
    if (reference.folder === 'templates') await this.#template(path, scope);
    return null;
  }

  async #taskFile(path: string, scope: Scope): Promise<MaybeFailure> {
    if (!this.#isNew(path)) return null;
    const yaml = await this.#finder.readYaml(path);
    if (yaml === null) return null;
    if ('problem' in yaml) return { code: 'playbook-unusable', playbook: path, problem: yaml.problem };
    const inner = { ...scope, directory: posix.dirname(path) };
    await this.#lookups(yaml.value, inner);
    return await this.#tasks(yaml.value, inner);
  }

  /** Templates may include each other by names relative to the template directories. */
  async #template(path: string, scope: Scope): Promise<void> {
    if (!this.#isNew(path)) return;
    const text = (await this.#finder.readText(path)) ?? '';
    for (const [, name = ''] of text.matchAll(TEMPLATE_PARTS)) {
      const beside = posix.join(posix.dirname(path), name);
      const inner = await this.#takeFirst([beside, ...candidates(name, scope, 'templates')]);
      if (inner !== null) await this.#template(inner, scope);
    }
    await this.#lookups(text, scope);
  }

  async #lookups(value: JsonValue, scope: Scope): Promise<void> {
    for (const name of stringsIn(value).flatMap(lookedUpFiles))
      await this.#takeFirst([...candidates(name, scope, 'files'), ...candidates(name, scope, 'templates')]);
  }

  async #roleList(list: JsonValue | undefined, scope: Scope): Promise<MaybeFailure> {
    const entries = Array.isArray(list) ? (list as readonly JsonValue[]) : [];
    return await each(entries, async (entry) => {
      const map = mapOf(entry);
      const name = literal(map ? (map['role'] ?? map['name']) : entry);
      return name === null ? null : await this.#role(name, scope);
    });
  }

  async #role(name: string, scope: Scope): Promise<MaybeFailure> {
    const places = [
      posix.join(scope.playbook, 'roles', name),
      ...this.#question.rolesPath.map((path) => posix.join(path, name)),
      ...(scope.role === null ? [] : [posix.join(scope.role, '..', name)]),
      posix.join(scope.playbook, name),
    ];
    for (const place of places) {
      if (place.startsWith('..') || (await this.#finder.kindOf(place)) !== 'directory') continue;
      if (this.#roles.has(place)) return null;
      this.#roles.add(place);
      return await this.#roleFiles(place, { ...scope, role: place, directory: posix.join(place, 'tasks') });
    }
    // It may come with a collection or from the requirements; Ansible tells when it does not.
    return null;
  }

  async #roleFiles(role: string, scope: Scope): Promise<MaybeFailure> {
    for (const directory of [...ROLE_DIRECTORIES, ...PLUGIN_DIRECTORIES])
      await this.#take(posix.join(role, directory));
    const own = [...this.found].filter((path) => path.startsWith(`${role}/`));
    return await each(own, async (path) => {
      const [part] = path.slice(role.length + 1).split('/');
      if (part === 'templates') await this.#template(path, scope);
      if (!/\.(?:ya?ml|json)$/.test(path)) return null;
      if (part === 'tasks' || part === 'handlers') return await this.#taskFile(path, scope);
      if (part !== 'meta') return null;
      const yaml = await this.#finder.readYaml(path);
      return yaml && 'value' in yaml
        ? await this.#roleList(mapOf(yaml.value)?.['dependencies'], scope)
        : null;
    });
  }

  #isNew(path: string): boolean {
    const isNew = !this.#read.has(path);
    this.#read.add(path);
    return isNew;
  }

  /** Adds a file, or everything below a directory; whether there is one. */
  async #take(path: string): Promise<boolean> {
    const kind = path.startsWith('..') ? null : await this.#finder.kindOf(path);
    if (kind === 'file') this.found.add(path);
    if (kind === 'directory') for (const file of await this.#finder.list(path)) this.found.add(file);
    return kind === 'file' || kind === 'directory';
  }

  async #takeFirst(paths: readonly string[]): Promise<string | null> {
    for (const path of paths) if (await this.#take(path)) return path;
    return null;
  }
}

/** Ansible's search order for a name: the role, the file that names it, the playbook; each with the folder first. */
function candidates(name: string, { role, directory, playbook }: Scope, folder: string): readonly string[] {
  const bases = role === null ? [directory, playbook] : [role, directory, playbook];
  return bases.flatMap((base) => [posix.join(base, folder, name), posix.join(base, name)]);
}

function mapsIn(list: JsonValue | undefined): readonly JsonMap[] {
  const entries = Array.isArray(list) ? (list as readonly JsonValue[]) : [];
  return entries.map(mapOf).filter((entry) => entry !== null);
}

/** Does one after the other until one fails. */
async function each<T>(
  items: readonly T[],
  visit: (item: T) => Promise<MaybeFailure>,
): Promise<MaybeFailure> {
  for (const item of items) {
    const failure = await visit(item);
    if (failure) return failure;
  }
  return null;
}
