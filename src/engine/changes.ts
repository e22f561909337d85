/** What differs between two manifests, field by field: the material of every explanation. */
import type { Manifest } from '../model/action.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import { byCodeUnit, canonicalJson } from '../model/json.ts';

const SECTIONS = ['inputs', 'reads', 'options', 'env', 'secrets', 'tools', 'outputs'] as const;

export interface Change {
  readonly section: (typeof SECTIONS)[number] | 'kind' | 'kindVersion' | 'platform';
  /** The path of an input, the name of a tool, `product.version` in options; empty for a field of its own. */
  readonly name: string;
  /** Undefined where it did not exist. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

/** Every difference, inputs first, each section sorted by name. */
export function compareManifests(before: Manifest, after: Manifest): readonly Change[] {
  const changes: Change[] = [];
  // What was read is held against the same questions; of a result without any nothing can be said.
  const sections = before.reads === undefined ? SECTIONS.filter((one) => one !== 'reads') : SECTIONS;
  for (const section of sections) {
    const deep = section === 'options';
    const was = flatten((before[section] ?? {}) as JsonObject, deep);
    const is = flatten((after[section] ?? {}) as JsonObject, deep);
    for (const name of [...new Set([...was.keys(), ...is.keys()])].sort(byCodeUnit)) {
      const change = { section, name, before: was.get(name), after: is.get(name) };
      if (!same(change.before, change.after)) changes.push(change);
    }
  }
  for (const section of ['kind', 'kindVersion', 'platform'] as const) {
    const change = { section, name: '', before: before[section], after: after[section] };
    if (change.before !== change.after) changes.push(change);
  }
  return changes;
}

/** `inputs.ansible/app.yml`, `options.product.version`, `kindVersion`. What was read is an input, declared or not. */
export function fieldOf({ section, name }: Change): string {
  if (name === '') return section;
  return `${section === 'reads' ? 'inputs' : section}.${name}`;
}

function same(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}

/** Names with their values; members of nested objects under dotted names, but for references to content. */
function flatten(object: JsonObject, deep: boolean, prefix = '', into = new Map<string, JsonValue>()) {
  for (const [key, value] of Object.entries(object)) {
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
    if (deep && isObject && !('artifact' in value) && !('file' in value)) {
      flatten(value as JsonObject, true, `${prefix}${key}.`, into);
    } else into.set(prefix + key, value);
  }
  return into;
}
