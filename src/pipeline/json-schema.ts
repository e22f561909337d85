/** The JSON Schema of a pipeline file, made from what validates it: the fields and the kinds' own schemas. */
import { z } from 'zod';
import type { JsonObject, JsonValue } from '../model/json.ts';
import type { StageKind } from '../stages/kind.ts';
import { PIPELINE_FIELDS, STAGE_FIELDS, STAGE_HEAD_FIELDS } from './fields.ts';
import { fieldSchemas } from './shape.ts';

/** Stands for the types that `stages/options.ts` marks and zod cannot express. */
const MARKED: { readonly [marker: string]: JsonObject } = {
  artifact: { type: 'string', minLength: 1 },
  text: { type: 'string' },
  size: { type: ['string', 'number'] },
  duration: { type: ['string', 'number'] },
};

const EXPRESSION: JsonObject = { type: 'string', pattern: '\\$\\{\\{.*\\}\\}' };

/** A schema (draft 7, which editors read) for files with stages of these kinds. */
export function pipelineSchema(kinds: readonly StageKind[]): JsonObject {
  const used = kinds.filter((kind) => kind.name !== 'run');
  const options = Object.assign({}, ...used.map(optionsDefinitions)) as JsonObject;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'bake pipeline',
    type: 'object',
    required: ['bake', 'stages'],
    properties: {
      ...fieldSchemas(PIPELINE_FIELDS),
      env: { description: PIPELINE_FIELDS.env.doc, ...inExpressions(STAGE_FIELDS.env.shape.schema) },
      stages: {
        description: PIPELINE_FIELDS.stages.doc,
        type: 'object',
        minProperties: 1,
        additionalProperties: { $ref: '#/definitions/stage' },
      },
    },
    patternProperties: { '^x-': {} },
    additionalProperties: false,
    definitions: { stage: stageSchema(used), ...options },
  };
}

/** Definitions for the `with` of one kind: `with-<kind>`, and what of it refers to itself. */
function optionsDefinitions(kind: StageKind): JsonObject {
  const schema = z.toJSONSchema(kind.options, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const marker = z.globalRegistry.get(zodSchema)?.['bake'];
      if (typeof marker !== 'string') return;
      const { description } = jsonSchema;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key as keyof typeof jsonSchema];
      Object.assign(jsonSchema, MARKED[marker], description === undefined ? {} : { description });
    },
  });
  const name = `with-${kind.name}`;
  // zod numbers what is recursive anew for every schema; here they share one file.
  const text = JSON.stringify(schema).replaceAll('"#/definitions/', `"#/definitions/${name}.`);
  const { $schema: _, definitions = {}, ...rest } = JSON.parse(text) as { [key: string]: JsonValue };
  const inner = Object.entries(definitions as JsonObject).map(([key, value]) => [`${name}.${key}`, value]);
  return { [name]: { description: kind.summary, ...inExpressions(rest) }, ...Object.fromEntries(inner) };
}

function stageSchema(kinds: readonly StageKind[]): JsonObject {
  const fields = inExpressions({ properties: fieldSchemas(STAGE_FIELDS) })['properties'] as JsonObject;
  const head = fieldSchemas(STAGE_HEAD_FIELDS) as { readonly [key: string]: JsonObject };
  return {
    type: 'object',
    properties: {
      ...head,
      uses: { ...head['uses'], enum: kinds.map((kind) => kind.name) },
      ...fields,
    },
    additionalProperties: false,
    oneOf: [{ required: ['run'], not: { required: ['with'] } }, { required: ['uses'] }],
    allOf: kinds.map((kind) => ({
      if: { properties: { uses: { const: kind.name } }, required: ['uses'] },
      // biome-ignore lint/suspicious/noThenProperty: the word is JSON Schema's.
      then: {
        properties: { with: { $ref: `#/definitions/with-${kind.name}` } },
        ...(kind.options.safeParse({}).success ? {} : { required: ['with'] }),
      },
    })),
  };
}

/** Lets an expression stand wherever another type than text is due below a schema: its value is known only when it is planned. */
function inExpressions(schema: JsonObject): JsonObject {
  const result: { [key: string]: JsonValue } = { ...schema };
  const each = (value: JsonValue): JsonValue =>
    isObject(value) ? orExpression(inExpressions(value)) : value;
  for (const key of ['items', 'additionalProperties']) {
    const inner = schema[key];
    if (inner !== undefined) result[key] = Array.isArray(inner) ? inner.map(each) : each(inner);
  }
  const properties = schema['properties'];
  if (isObject(properties))
    result['properties'] = Object.fromEntries(
      Object.entries(properties).map(([name, value]) => [name, each(value)]),
    );
  for (const key of ['anyOf', 'oneOf', 'allOf']) {
    const inner = schema[key];
    if (Array.isArray(inner))
      result[key] = inner.map((value: JsonValue) => (isObject(value) ? inExpressions(value) : value));
  }
  return result;
}

function orExpression(schema: JsonObject): JsonObject {
  const isPlainText =
    schema['type'] === 'string' && !['enum', 'pattern', 'format', 'const'].some((key) => key in schema);
  if (isPlainText || Object.keys(schema).every((key) => key === 'description')) return schema;
  const { description, default: preset, ...rest } = schema;
  return {
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: [rest, EXPRESSION],
  };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
