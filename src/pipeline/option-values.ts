/** `with:` of a stage as the values that the kind's schema reads: references in the form the schema's markers ask for. */
import type { OptionValue } from '../model/plan.ts';
import { normalisePath } from './paths.ts';
import type { ResolvedNode } from './resolve.ts';
import { type Alternative, below, expectedOf, hasMarker, takesAnything, takesText } from './schema-view.ts';
import type { Reading } from './shape.ts';
import { describeNode } from './variables.ts';

/** Keys that stand for references in resolved options; see `model/plan.ts`. */
const RESERVED = ['$artifact', '$file', '$text'];

type Refused = { readonly type: 'refused' };

/** Stands where a value was refused and reported; whatever the schema says about it is beside the point. */
const REFUSED: Refused = { type: 'refused' };

export function isRefused(value: unknown): value is Refused {
  return value === REFUSED;
}

/** The value of a node, guided by what the schema takes there. Refused parts are reported and become REFUSED. */
export function toOptionValue(
  node: ResolvedNode,
  taken: readonly Alternative[],
  at: Reading,
): OptionValue | Refused {
  switch (node.type) {
    case 'reference':
      if (hasMarker(taken, 'artifact')) return { $artifact: node.ref };
      if (hasMarker(taken, 'text')) return { $text: [node.ref] };
      return takesAnything(taken) ? { $artifact: node.ref } : refuseReference(node.raw, node, at);
    case 'template':
      if (hasMarker(taken, 'text') || takesAnything(taken)) return { $text: node.parts };
      if (hasMarker(taken, 'artifact')) return refuseTemplate(node.raw, node, at);
      return refuseReference(node.raw, node, at);
    case 'scalar':
      if (typeof node.value === 'string' && hasMarker(taken, 'artifact') && !takesText(taken))
        return toFile(node.value, node, at);
      return node.value;
    case 'list':
      return node.items.map((item, index) =>
        toOptionValue(item, below(taken, index), { ...at, where: `${at.where}[${index}]` }),
      ) as OptionValue;
    case 'map': {
      const values: { [key: string]: OptionValue | Refused } = {};
      for (const { key, keySpan, value } of node.entries) {
        if (RESERVED.includes(key)) {
          const problem = `\`${key}\` cannot be a key: bake uses it itself`;
          at.problems.add({ code: 'bad-key', location: at.source.locate(keySpan), problem });
          return REFUSED;
        }
        values[key] = toOptionValue(value, below(taken, key), { ...at, where: `${at.where}.${key}` });
      }
      return values as OptionValue;
    }
  }
}

function toFile(text: string, node: ResolvedNode, at: Reading): OptionValue | Refused {
  const result = normalisePath(text);
  if ('path' in result) return { $file: result.path };
  const { problem } = result;
  at.problems.add({
    code: 'bad-path',
    location: at.source.locate(node),
    where: at.where,
    path: text,
    problem,
  });
  return REFUSED;
}

function refuseReference(reference: string, node: ResolvedNode, at: Reading): Refused {
  const location = at.source.locate(node);
  at.problems.add({ code: 'output-not-allowed', location, where: at.where, reference });
  return REFUSED;
}

function refuseTemplate(reference: string, node: ResolvedNode, at: Reading): Refused {
  at.problems.add({
    code: 'bad-value',
    location: at.source.locate(node),
    where: at.where,
    problem: `an output of another stage stands alone here: write \`${reference}\` and nothing else`,
    suggestion: null,
  });
  return REFUSED;
}

/** Reports a value of a wrong type, with the advice to quote where YAML made something else of a text. */
export function refuseOption(node: ResolvedNode, taken: readonly Alternative[], at: Reading): void {
  const location = at.source.locate(node);
  if (node.type === 'scalar' && typeof node.value !== 'string' && takesText(taken))
    at.problems.add({
      code: 'quote-text',
      location,
      where: at.where,
      source: node.source,
      from: node.from ?? null,
    });
  else
    at.problems.add({
      code: 'wrong-type',
      location,
      where: at.where,
      expected: expectedOf(taken),
      found: describeNode(node),
    });
}
