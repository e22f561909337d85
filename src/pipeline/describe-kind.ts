/** What a kind takes and gives, read from its definition, for `bake stages` and docs/stages. */
import { z } from 'zod';
import type { StageKind } from '../stages/kind.ts';
import { planStages } from './plan.ts';
import { alternativesOf, expectedOf, keysOf } from './schema-view.ts';

/** One option, or an option of an option: `product.name`. */
export interface OptionDescription {
  readonly name: string;
  /** `a text or a list`. */
  readonly type: string;
  readonly required: boolean;
  /** As it would be written; null when there is none. */
  readonly preset: string | null;
  readonly description: string;
}

export interface KindDescription {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly options: readonly OptionDescription[];
  readonly outputs: readonly { readonly name: string; readonly path: string; readonly description: string }[];
  readonly tools: readonly string[];
  readonly example: string;
}

/** Describes a kind; outputs and tools are those of its example, as they may depend on options. */
export function describeKind(kind: StageKind): KindDescription {
  const options = exampleOptions(kind);
  const outputs = options === null ? {} : kind.outputs(options);
  return {
    name: kind.name,
    summary: kind.summary,
    description: kind.description,
    options: optionsOf(kind.options, ''),
    outputs: Object.entries(outputs).map(([name, { path, description }]) => ({ name, path, description })),
    tools: options === null ? [] : kind.tools(options).map((tool) => tool.name),
    example: kind.example,
  };
}

function exampleOptions(kind: StageKind): unknown {
  const bytes = new TextEncoder().encode(kind.example);
  const planned = planStages(
    { file: 'pipeline.yaml', root: '/example', bytes },
    { vars: {}, varFiles: [], env: {} },
  );
  if (!planned.ok) return null;
  return planned.value.stages.find(({ action }) => action.kind === kind.name)?.action.options ?? null;
}

function optionsOf(schema: z.ZodType, prefix: string): readonly OptionDescription[] {
  const alternatives = alternativesOf(schema);
  const shapes = alternatives.flatMap(({ definition }) => Object.entries(definition.shape ?? {}));
  return shapes.flatMap(([key, option]) => {
    const below = alternativesOf(option);
    const items = below.flatMap(({ definition }) => (definition.element ? [definition.element] : []));
    const name = `${prefix}${key}`;
    const own: OptionDescription = {
      name,
      type: typeOf(option),
      required: !option.safeParse(undefined).success,
      preset: presetOf(option),
      description: descriptionOf(option),
    };
    const inner = keysOf(below).length > 0 ? optionsOf(option, `${name}.`) : [];
    return [own, ...inner, ...items.flatMap((item) => optionsOf(item, `${name}[].`))];
  });
}

/** Lists say what they are lists of. */
function typeOf(option: z.ZodType): string {
  const alternatives = alternativesOf(option);
  const words = alternatives.map((alternative) => {
    const { element } = alternative.definition;
    return alternative.marker === null && element
      ? `a list: ${expectedOf(alternativesOf(element))} each`
      : expectedOf([alternative]);
  });
  return [...new Set(words)].join(', or ');
}

function presetOf(option: z.ZodType): string | null {
  const json = z.toJSONSchema(option, { io: 'input', unrepresentable: 'any' });
  return json.default === undefined ? null : JSON.stringify(json.default);
}

function descriptionOf(option: z.ZodType): string {
  let schema: z.ZodType | undefined = option;
  while (schema) {
    const description = schema.meta()?.description;
    if (description) return description;
    schema = (schema._zod.def as { readonly innerType?: z.ZodType }).innerType;
  }
  return '';
}
