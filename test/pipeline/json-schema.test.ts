/** The JSON Schema takes what planning takes, and refuses what is wrong in structure. */
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../src/model/json.ts';
import { pipelineSchema } from '../../src/pipeline/json-schema.ts';
import { parseYamlValue } from '../../src/pipeline/parse.ts';
import { stageKinds } from '../../src/stages/index.ts';
import { planText } from '../support/plan-text.ts';
import { BAD_PIPELINES } from './bad-pipelines.ts';

interface Validator {
  compile(schema: object): (value: unknown) => boolean;
}

// ESLint brings this validator along; bake itself needs none.
const require = createRequire(createRequire(import.meta.url).resolve('eslint/package.json'));
const Ajv = require('ajv') as new (options: object) => Validator;

const schema = pipelineSchema(stageKinds());
const accepts = new Ajv({ unknownFormats: 'ignore', logger: false }).compile(
  JSON.parse(JSON.stringify(schema)) as object,
);

function readYaml(text: string): unknown {
  const parsed = parseYamlValue(text);
  return parsed.ok ? parsed.value : undefined;
}

describe('the schema', () => {
  test.each(stageKinds().map((kind) => [kind.name, kind.example] as const))(
    'accepts the example of %s',
    (_, example) => {
      expect(planText(example).ok).toBe(true);
      expect(accepts(readYaml(example))).toBe(true);
    },
  );

  test('accepts expressions where numbers, lists and truth values are due', () => {
    const text =
      'bake: 1\nvars: { n: 1, l: [a], t: true, v: [x] }\nstages:\n  a: { run: x, retries: "${{ vars.n }}", inputs: "${{ vars.l }}", place: "${{ vars.t }}", matrix: { v: "${{ vars.v }}" } }\n';
    expect(planText(text).ok).toBe(true);
    expect(accepts(readYaml(text))).toBe(true);
  });

  // What a schema can see: structure and types. Names, references and paths need planning.
  const structural = BAD_PIPELINES.filter((bad) =>
    bad.failures.every((failure) =>
      /^(unknown-key|missing-key|stage-with-two-works|unknown-kind|unsupported-format)/.test(failure),
    ),
  );
  test.each(structural.map((bad) => [bad.title, bad.text] as const))('refuses %s', (_, text) => {
    expect(accepts(readYaml(text))).toBe(false);
  });

  test('describes every key that a pipeline, a stage and an option may have', () => {
    expect(undescribedBelow(schema, '')).toEqual([]);
  });
});

/** Paths of the properties without a description, in a schema and everything below it. */
function undescribedBelow(node: JsonValue | undefined, path: string): readonly string[] {
  if (typeof node !== 'object' || node === null) return [];
  if (Array.isArray(node)) return node.flatMap((item: JsonValue) => undescribedBelow(item, path));
  const { properties = {}, definitions = {}, items, additionalProperties, anyOf } = node as JsonObject;
  const named = Object.entries(properties as { readonly [key: string]: JsonObject });
  return [
    ...named.filter(([, value]) => !value['description']).map(([key]) => `${path}.${key}`),
    ...named.flatMap(([key, value]) => undescribedBelow(value, `${path}.${key}`)),
    ...Object.entries(definitions as JsonObject).flatMap(([key, value]) => undescribedBelow(value, key)),
    ...[items, additionalProperties, anyOf].flatMap((below) => undescribedBelow(below, path)),
  ];
}
