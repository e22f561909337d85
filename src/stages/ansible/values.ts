/** Small looks into parsed YAML: maps, literal texts, every string in a value, the files that lookups in it name. */
import type { JsonValue } from '../../model/json.ts';

export type JsonMap = { readonly [key: string]: JsonValue };

const LOOKUP =
  /\b(?:lookup|query|q)\(\s*['"](?:ansible\.(?:builtin|legacy)\.)?(?:file|template|unvault|fileglob|first_found)['"]\s*,\s*['"]([^'"{}]+)['"]/g;

/** The value as a map, or null. */
export function mapOf(value: JsonValue | undefined): JsonMap | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonMap) : null;
}

/** A text that stands for itself, or null: one with `{{ … }}` in it is only known at run time, an absolute path is no file of the checkout. */
export function literal(value: JsonValue | undefined): string | null {
  if (typeof value !== 'string' || value === '' || value.includes('{{') || value.includes('{%')) return null;
  return value.startsWith('/') || value.startsWith('~') || value.includes('://') ? null : value;
}

/** The literal texts of a list, or of a text alone; lists in the list are taken apart. */
export function textsOf(value: JsonValue | undefined): readonly string[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(textsOf);
  const text = literal(value);
  return text === null ? [] : [text];
}

/** Every string in a value, map keys left out. */
export function stringsIn(value: JsonValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(stringsIn);
  const map = mapOf(value);
  return map ? Object.values(map).flatMap(stringsIn) : [];
}

/** Files that `lookup('file', 'name')` and its kin name in a text; of a glob, the directory it starts in. */
export function lookedUpFiles(text: string): readonly string[] {
  return [...text.matchAll(LOOKUP)].flatMap(([, name]) => textsOf(withoutGlob(name ?? '')));
}

/** `conf/*.d/x` → `conf`; a name without wildcards is itself. */
export function withoutGlob(name: string): string {
  const wild = name.search(/[*?[]/);
  return wild === -1 ? name : name.slice(0, Math.max(0, name.lastIndexOf('/', wild)));
}
