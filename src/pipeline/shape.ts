/** Shapes: what a value of the pipeline may be. One definition reads it, says what was expected, and gives its JSON Schema. */
import type { JsonObject } from '../model/json.ts';
import type { MapEntry, Span } from '../model/pipeline.ts';
import type { Template } from '../model/plan.ts';
import { suggest } from '../model/suggest.ts';
import type { Problems } from './problems.ts';
import type { ResolvedNode } from './resolve.ts';
import type { SourceText } from './source-text.ts';
import { describeNode } from './variables.ts';

/** Where a value is read: its dotted path, and who collects what is wrong. */
export interface Reading {
  readonly where: string;
  readonly source: SourceText;
  readonly problems: Problems;
}

export interface Shape<T> {
  /** For people: `a list of texts`. */
  readonly expected: string;
  readonly schema: JsonObject;
  /** The value, or undefined after reporting why not. */
  read(node: ResolvedNode, at: Reading): T | undefined;
}

/** A value of a list with the place where it stands. */
interface Placed<T> {
  readonly value: T;
  readonly span: Span;
}

/** A value of a map with the places where it and its key stand. */
export interface PlacedEntry<T> extends Placed<T> {
  readonly keySpan: Span;
}

function below(at: Reading, key: string | number): Reading {
  const where =
    typeof key === 'number' ? `${at.where}[${key}]` : at.where === '' ? key : `${at.where}.${key}`;
  return { ...at, where };
}

/** Reports a value of a wrong type; the reference itself where an output of a stage cannot be known yet. */
export function refuseType(node: ResolvedNode, expected: string, at: Reading): undefined {
  const location = at.source.locate(node);
  if (node.type === 'reference' || node.type === 'template')
    at.problems.add({ code: 'output-not-allowed', location, where: at.where, reference: node.raw });
  else
    at.problems.add({
      code: 'wrong-type',
      location,
      where: at.where,
      expected,
      found: describeNode(node),
    });
}

/** Reports a value of the right type that cannot be used. */
export function refuseValue(
  node: Span,
  problem: string,
  at: Reading,
  suggestion: string | null = null,
): undefined {
  const location = at.source.locate(node);
  at.problems.add({ code: 'bad-value', location, where: at.where, problem, suggestion });
}

function refuseUnquoted(node: ResolvedNode & { readonly type: 'scalar' }, at: Reading): undefined {
  at.problems.add({
    code: 'quote-text',
    location: at.source.locate(node),
    where: at.where,
    source: node.source,
    from: node.from ?? null,
  });
}

/** A text. `problem` says why one cannot be used, or null. */
export function text(
  expected = 'a text',
  problem: (value: string) => string | null = () => null,
): Shape<string> {
  return {
    expected,
    schema: { type: 'string' },
    read(node, at) {
      if (node.type !== 'scalar') return refuseType(node, expected, at);
      if (typeof node.value !== 'string') return refuseUnquoted(node, at);
      const wrong = problem(node.value);
      return wrong === null ? node.value : refuseValue(node, wrong, at);
    },
  };
}

/** A text that may hold references to outputs. */
export function template(): Shape<Template> {
  const plain = text();
  return {
    ...plain,
    read(node, at) {
      if (node.type === 'reference') return [node.ref];
      if (node.type === 'template') return node.parts;
      const value = plain.read(node, at);
      return value === undefined ? undefined : [value];
    },
  };
}

/** `true` or `false`. */
export function truth(): Shape<boolean> {
  return {
    expected: 'true or false',
    schema: { type: 'boolean' },
    read(node, at) {
      const good = node.type === 'scalar' && typeof node.value === 'boolean';
      return good ? (node.value as boolean) : refuseType(node, this.expected, at);
    },
  };
}

/** A whole number. */
export function wholeNumber(least: number, most: number): Shape<number> {
  const expected = `a whole number from ${least} to ${most}`;
  return {
    expected,
    schema: { type: 'integer', minimum: least, maximum: most },
    read(node, at) {
      if (node.type !== 'scalar' || typeof node.value !== 'number') return refuseType(node, expected, at);
      const good = Number.isInteger(node.value) && node.value >= least && node.value <= most;
      return good ? node.value : refuseValue(node, `\`${node.source}\` is not ${expected}`, at);
    },
  };
}

/** A text or number that `parse` understands, such as a size. */
export function parsed<T>(expected: string, parse: (value: string | number) => T | null): Shape<T> {
  return {
    expected,
    schema: { type: ['string', 'number'] },
    read(node, at) {
      const value = node.type === 'scalar' ? node.value : null;
      if (node.type !== 'scalar' || (typeof value !== 'string' && typeof value !== 'number'))
        return refuseType(node, expected, at);
      return parse(value) ?? refuseValue(node, `\`${node.source}\` is not ${expected}`, at);
    },
  };
}

/** One of a few words. */
export function oneOf<const W extends string>(...words: readonly W[]): Shape<W> {
  const expected = words.map((word) => `\`${word}\``).join(' or ');
  return {
    expected,
    schema: { enum: words },
    read(node, at) {
      if (node.type !== 'scalar' || typeof node.value !== 'string') return refuseType(node, expected, at);
      const word = words.find((candidate) => candidate === node.value);
      if (word !== undefined) return word;
      const suggestion = at.problems.suggest(node.value, words);
      return refuseValue(node, `\`${node.value}\` is not ${expected}`, at, suggestion);
    },
  };
}

/** A list; a single value may stand for a list of one. */
export function listOf<T>(
  item: Shape<T>,
  expected = `a list: ${item.expected} each`,
): Shape<readonly Placed<T>[]> {
  return {
    expected,
    schema: { anyOf: [{ type: 'array', items: item.schema }, item.schema] },
    read(node, at) {
      const items = node.type === 'list' ? node.items : [node];
      if (node.type === 'map') return refuseType(node, expected, at);
      const values = items.map((one, index) => {
        const value = item.read(one, node.type === 'list' ? below(at, index) : at);
        return value === undefined ? undefined : { value, span: one };
      });
      return values.includes(undefined) ? undefined : (values as readonly Placed<T>[]);
    },
  };
}

/** A map from names to values. */
export function mapOf<T>(
  what: string,
  item: Shape<T>,
  problem: (name: string) => string | null,
): Shape<ReadonlyMap<string, PlacedEntry<T>>> {
  const expected = `a map from ${what} to ${item.expected}`;
  return {
    expected,
    schema: { type: 'object', additionalProperties: item.schema },
    read(node, at) {
      if (node.type !== 'map') return refuseType(node, expected, at);
      const values = new Map<string, PlacedEntry<T>>();
      for (const { key, keySpan, value } of node.entries) {
        const wrong = problem(key);
        if (wrong !== null)
          at.problems.add({
            code: 'bad-name',
            location: at.source.locate(keySpan),
            what,
            name: key,
            problem: wrong,
          });
        const read = item.read(value, below(at, key));
        if (read !== undefined && wrong === null) values.set(key, { value: read, span: value, keySpan });
      }
      return values.size === node.entries.length ? values : undefined;
    },
  };
}

/** One key of a map: its shape, and a sentence for documentation and editors. */
export interface Field<T> {
  readonly shape: Shape<T>;
  readonly doc: string;
}

/** What reading fields gives: absent where a key is not there or wrong. */
export type FieldValues<F> = { -readonly [K in keyof F]?: F[K] extends Field<infer T> ? T : never };

/** A map with known keys. */
export function fieldsOf<F extends { readonly [key: string]: Field<unknown> }>(
  what: string,
  fields: F,
): Shape<FieldValues<F>> {
  return {
    expected: `a map with ${Object.keys(fields).join(', ')}`,
    schema: { type: 'object', properties: fieldSchemas(fields), additionalProperties: false },
    read(node, at) {
      if (node.type !== 'map') return refuseType(node, this.expected, at);
      checkKeys(node.entries, fields, what, at);
      return readFields(node.entries, fields, at);
    },
  };
}

/** Properties of a JSON Schema for fields. */
export function fieldSchemas(fields: { readonly [key: string]: Field<unknown> }): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([key, { shape, doc }]) => [key, { description: doc, ...shape.schema }]),
  );
}

/** Reports keys that are not known. */
export function checkKeys(
  entries: readonly MapEntry<ResolvedNode>[],
  fields: { readonly [key: string]: unknown },
  what: string,
  at: Reading,
): void {
  const known = Object.keys(fields);
  for (const { key, keySpan } of entries) {
    if (Object.hasOwn(fields, key)) continue;
    at.problems.add({
      code: 'unknown-key',
      location: at.source.locate(keySpan),
      key,
      where: what,
      known,
      suggestion: meantBy(key, known),
    });
  }
}

/** What other tools call our keys. */
const FOREIGN_KEYS: { readonly [key: string]: string } = {
  after: 'needs',
  artifacts: 'outputs',
  cmd: 'run',
  command: 'run',
  depends: 'needs',
  depends_on: 'needs',
  deps: 'inputs',
  environment: 'env',
  jobs: 'stages',
  kind: 'uses',
  options: 'with',
  outs: 'outputs',
  script: 'run',
  sources: 'inputs',
  steps: 'stages',
  tasks: 'stages',
  type: 'uses',
  variables: 'vars',
};

/** The known key that an unknown one means: a misspelt one, or the word of another tool. */
export function meantBy(key: string, known: readonly string[]): string | null {
  const ours = Object.hasOwn(FOREIGN_KEYS, key) ? FOREIGN_KEYS[key] : undefined;
  return ours !== undefined && known.includes(ours) ? ours : suggest(key, known);
}

/** Reads the known ones among entries. */
export function readFields<F extends { readonly [key: string]: Field<unknown> }>(
  entries: readonly MapEntry<ResolvedNode>[],
  fields: F,
  at: Reading,
): FieldValues<F> {
  const values: { [key: string]: unknown } = {};
  for (const { key, value } of entries) {
    if (!Object.hasOwn(fields, key)) continue;
    const read = (fields[key] as Field<unknown>).shape.read(value, below(at, key));
    if (read !== undefined) values[key] = read;
  }
  return values as FieldValues<F>;
}
