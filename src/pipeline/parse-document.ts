/** The `yaml` library's own documents of a text that is not nested too deep for it. */
import { Composer, type CST, Parser, type parseDocument, YAMLParseError } from 'yaml';

/** Deeper than any pipeline, and far from where recursion would run out of stack. */
export const DEEPEST = 100;

/** Unique keys are checked by us, in linear time; tags other than YAML's own are reported by us. */
const OPTIONS = {
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'error',
  keepSourceTokens: false,
} as const;

/**
 * The document of a text, as `parseDocument` gives it; the offset of what is nested too deep, if something is. The library
 * goes into every level by a call of its own: without stack it fails, and a regular expression that it needs just then ends
 * the whole process.
 */
export function documentOf(text: string): ReturnType<typeof parseDocument> | number {
  const tokens = [...new Parser().parse(text)];
  const deep = tooDeep(tokens);
  if (deep !== null) return deep;
  const composed = new Composer(OPTIONS).compose(tokens, true, text.length);
  const first = composed.next().value as ReturnType<typeof parseDocument>;
  const second = composed.next();
  if (!second.done) {
    const [start, end] = second.value.range;
    first.errors.push(
      new YAMLParseError([start, end], 'MULTIPLE_DOCS', 'Source contains multiple documents'),
    );
  }
  return first;
}

/** The offset of the first collection that lies in more than `DEEPEST` others. */
function tooDeep(tokens: readonly CST.Token[]): number | null {
  const waiting: { readonly token: CST.Token; readonly depth: number }[] = [];
  const add = (token: CST.Token | null | undefined, depth: number) => {
    if (token) waiting.push({ token, depth });
  };
  for (const token of tokens.toReversed()) add(token, 0);
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { token, depth } = next;
    if (depth > DEEPEST + 1) return token.offset;
    if (token.type === 'document') add(token.value, depth);
    if (!('items' in token)) continue;
    for (const { key, value } of token.items.toReversed()) {
      add(value, depth + 1);
      add(key, depth + 1);
    }
  }
  return null;
}
