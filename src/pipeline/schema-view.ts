/** Looks into a kind's zod schema: which alternatives a value has, what is below a key, how to say what is expected. */
import type { z } from 'zod';

/** The parts of zod's definitions that are read here. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly items?: readonly z.ZodType[];
  readonly shape?: { readonly [key: string]: z.ZodType };
  readonly catchall?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly in?: z.ZodType;
  readonly getter?: () => z.ZodType;
  readonly entries?: { readonly [key: string]: string | number };
  readonly values?: readonly unknown[];
}

/** What a value may be, one way of several. */
export interface Alternative {
  readonly schema: z.ZodType;
  readonly definition: Definition;
  /** See `stages/options.ts`. */
  readonly marker: 'artifact' | 'text' | 'size' | 'duration' | null;
}

const seen = new WeakMap<z.ZodType, readonly Alternative[]>();

function definitionOf(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

/** The ways in which a value may satisfy a schema, with everything optional, defaulted or piped looked through. */
export function alternativesOf(schema: z.ZodType): readonly Alternative[] {
  const known = seen.get(schema);
  if (known) return known;
  const found = findAlternatives(schema);
  seen.set(schema, found);
  return found;
}

function findAlternatives(schema: z.ZodType): readonly Alternative[] {
  const definition = definitionOf(schema);
  const marker = (schema.meta()?.['bake'] ?? null) as Alternative['marker'];
  if (marker !== null) return [{ schema, definition, marker }];
  if (definition.innerType) return alternativesOf(definition.innerType);
  if (definition.type === 'pipe' && definition.in) return alternativesOf(definition.in);
  if (definition.type === 'lazy' && definition.getter) return alternativesOf(definition.getter());
  if (definition.options) return definition.options.flatMap(alternativesOf);
  return [{ schema, definition, marker }];
}

/** What a value below a key or index may be. */
export function below(alternatives: readonly Alternative[], key: string | number): readonly Alternative[] {
  return alternatives.flatMap(({ definition }) => {
    if (typeof key === 'number') {
      const item = definition.element ?? definition.items?.[key];
      return item ? alternativesOf(item) : [];
    }
    const shape = definition.shape;
    const child = shape && Object.hasOwn(shape, key) ? shape[key] : undefined;
    const value = child ?? (shape ? definition.catchall : definition.valueType);
    return value ? alternativesOf(value) : [];
  });
}

/** The keys that a map may have. */
export function keysOf(alternatives: readonly Alternative[]): readonly string[] {
  return alternatives.flatMap(({ definition }) => Object.keys(definition.shape ?? {}));
}

/** Whether plain text is taken as it is. */
export function takesText(alternatives: readonly Alternative[]): boolean {
  return alternatives.some(({ marker, definition }) => {
    if (marker !== null) return marker === 'text';
    return ['string', 'enum', 'literal', 'template_literal'].includes(definition.type);
  });
}

/** Whether there is an alternative with a marker. */
export function hasMarker(alternatives: readonly Alternative[], marker: Alternative['marker']): boolean {
  return alternatives.some((alternative) => alternative.marker === marker);
}

/** Whether anything goes, references included: such an option gets them as objects. */
export function takesAnything(alternatives: readonly Alternative[]): boolean {
  return alternatives.some(
    ({ marker, definition }) => marker === null && ['any', 'unknown', 'custom'].includes(definition.type),
  );
}

const MARKED = {
  artifact: 'an output of another stage, or the path of a file',
  text: 'a text',
  size: 'a size such as 2GiB',
  duration: 'a duration such as 90s or 10m',
} as const;

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a map',
  record: 'a map',
  null: 'nothing',
};

/** What is expected, for people: `a text or a list`. */
export function expectedOf(alternatives: readonly Alternative[]): string {
  const words = alternatives.map(({ marker, definition }) => {
    if (marker !== null) return MARKED[marker];
    const values = definition.values ?? (definition.entries && Object.values(definition.entries));
    if (values) return values.map((value) => `\`${String(value)}\``).join(' or ');
    return TYPES[definition.type] ?? 'another value';
  });
  return [...new Set(words)].join(' or ');
}
