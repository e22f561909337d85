/** Which files and roles a task of a playbook names, by module: without running it, as far as its words are literal. */
import type { JsonValue } from '../../model/json.ts';
import { type JsonMap, literal, mapOf, textsOf, withoutGlob } from './values.ts';

/** `folder` is where Ansible looks first, below the role or beside the playbook. */
export type Reference =
  | { readonly type: 'role'; readonly name: string }
  | {
      readonly type: 'file' | 'tasks';
      readonly name: string;
      readonly folder: 'files' | 'templates' | 'tasks' | 'vars';
    };

/** Modules that read `src` on this host unless told `remote_src`. */
const READS_SRC: Readonly<Record<string, 'files' | 'templates'>> = {
  copy: 'files',
  template: 'templates',
  unarchive: 'files',
  patch: 'files',
  synchronize: 'files',
  uri: 'files',
  win_copy: 'files',
  win_template: 'templates',
};
const ITEM = /\{\{\s*item(?:\.([A-Za-z_]\w*)|\[['"]([^'"]+)['"]\])?\s*\}\}/g;

/** The references of one task; those of its blocks are not among them. */
export function fileReferences(task: JsonMap): readonly Reference[] {
  const items = itemsOf(task);
  const references: Reference[] = [];
  for (const [key, value] of Object.entries(task))
    references.push(...moduleReferences(shortName(key), value, task, items));
  for (const name of [...textsOf(task['with_file']), ...textsOf(task['with_first_found'])])
    references.push({ type: 'file', name, folder: 'files' });
  for (const name of textsOf(task['with_fileglob']))
    references.push({ type: 'file', name: withoutGlob(name), folder: 'files' });
  return references;
}

/** `ansible.builtin.copy` → `copy`. */
function shortName(key: string): string {
  return key.replace(/^(?:ansible\.(?:builtin|legacy|posix|windows)|community\.general)\./, '');
}

function moduleReferences(
  name: string,
  value: JsonValue,
  task: JsonMap,
  items: readonly JsonValue[],
): readonly Reference[] {
  const map = mapOf(value) ?? freeForm(value);
  switch (name) {
    case 'import_tasks':
    case 'include_tasks':
    case 'include':
      return expand(map['file'] ?? map['_'], items).map((file) => ({
        type: 'tasks',
        name: file,
        folder: 'tasks',
      }));
    case 'import_role':
    case 'include_role':
      return expand(map['name'], items).map((role) => ({ type: 'role', name: role }));
    case 'include_vars':
      return [map['file'], map['dir'], map['_']]
        .flatMap((text) => expand(text, items))
        .map((file) => ({ type: 'file', name: file, folder: 'vars' }));
    case 'script':
      return expand(map['cmd'] ?? map['_'], items).map((command) => ({
        type: 'file',
        name: command.split(/\s+/)[0] ?? '',
        folder: 'files',
      }));
    default: {
      const folder = READS_SRC[name];
      if (folder === undefined) return [];
      const merged = { ...map, ...mapOf(task['args']) };
      if (isTrue(merged['remote_src'])) return [];
      return expand(merged['src'], items).map((file) => ({ type: 'file', name: file, folder }));
    }
  }
}

/** `copy: src=a dest=b` as a map; what is no `key=value` comes under `_`. */
function freeForm(value: JsonValue): JsonMap {
  if (typeof value !== 'string') return {};
  const words = value.match(/[^\s'"=]+=(?:'[^']*'|"[^"]*"|\S+)/g) ?? [];
  const pairs = words.map((word) => {
    const at = word.indexOf('=');
    return [word.slice(0, at), word.slice(at + 1).replace(/^(['"])(.*)\1$/, '$2')];
  });
  return { _: value.trim(), ...Object.fromEntries(pairs) };
}

function isTrue(value: JsonValue | undefined): boolean {
  return value === true || (typeof value === 'string' && /^(?:yes|true|on|1)$/i.test(value));
}

function itemsOf(task: JsonMap): readonly JsonValue[] {
  const list = task['loop'] ?? task['with_items'] ?? task['with_list'];
  return Array.isArray(list) ? (list as readonly JsonValue[]) : [];
}

/** A text as it is, or once for each item of the task's literal loop. */
function expand(value: JsonValue | undefined, items: readonly JsonValue[]): readonly string[] {
  if (typeof value !== 'string') return textsOf(value);
  if (value.search(ITEM) === -1) return textsOf(value);
  return items.flatMap((item) => {
    const filled = value.replace(ITEM, (whole, field?: string, quoted?: string) => {
      const name = field ?? quoted;
      const part = name === undefined ? item : mapOf(item)?.[name];
      return typeof part === 'string' || typeof part === 'number' ? String(part) : whole;
    });
    const text = literal(filled);
    return text === null ? [] : [text];
  });
}
