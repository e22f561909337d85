/** YAML text to a located tree; the only place that knows the `yaml` library. */
import { isAlias, isMap, isScalar, isSeq, type YAMLError, type YAMLMap } from 'yaml';
import type { PipelineFailure } from '../model/failure-pipeline.ts';
import type { JsonValue } from '../model/json.ts';
import type { MapEntry, Node, ScalarNode, Span } from '../model/pipeline.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { DEEPEST, documentOf } from './parse-document.ts';
import { readPlainYaml } from './plain-yaml.ts';
import { Problems } from './problems.ts';
import { SourceText } from './source-text.ts';
import { syntaxFailures } from './syntax-failure.ts';

/** Values that aliases stand for, counted as often as they stand there: more is an attack or an accident. */
const ALIASED_VALUES = 100_000;

/**
 * Parses a text to its tree. Reports all syntax errors, and gives null for them; duplicate keys and aliases that lead
 * nowhere are reported too, but the rest of the tree is still worth a look.
 */
export function parseTree(source: SourceText, problems: Problems): Node | null {
  return readPlainYaml(source.text) ?? parseAnyYaml(source, problems);
}

/** The same by the library alone: for whatever is unusual or wrong. */
export function parseAnyYaml(source: SourceText, problems: Problems): Node | null {
  const document = documentOf(source.text);
  if (typeof document === 'number') {
    problems.add(depthFailure(source, { start: document, end: document + 1 }));
    return null;
  }
  for (const failure of syntaxFailures(source, document.errors)) problems.add(failure);
  if (document.errors.length > 0) return null;
  for (const warning of document.warnings) problems.add(tagFailure(source, warning));
  return new TreeReader(source, problems).read(document.contents, 0);
}

/** Parses YAML to plain JSON: anchors and merge keys resolved, unknown tags ignored. Says in one line what is wrong and where. */
export function parseYamlValue(text: string): Result<JsonValue, { readonly problem: string }> {
  const source = new SourceText('', text.startsWith('\uFEFF') ? text.slice(1) : text);
  const problems = new Problems();
  const document = documentOf(source.text);
  if (typeof document === 'number')
    problems.add(depthFailure(source, { start: document, end: document + 1 }));
  else for (const failure of syntaxFailures(source, document.errors)) problems.add(failure);
  const isRead = typeof document !== 'number' && problems.none;
  const root = isRead ? new TreeReader(source, problems).read(document.contents, 0) : null;
  // Others are laxer about keys, and their files are none of our business.
  const wrong = problems
    .list()
    .find((failure) => failure.code === 'yaml-syntax' || failure.code === 'yaml-alias');
  if (wrong === undefined && root !== null) return ok(plainValue(root));
  const { line = 1, problem = 'this is no YAML' } = wrong
    ? { line: wrong.location.line, problem: wrong.problem }
    : {};
  return fail({ problem: `line ${line}: ${problem}` });
}

/** The JSON value of a tree. */
function plainValue(node: Node): JsonValue {
  switch (node.type) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plainValue);
    case 'map':
      return Object.fromEntries(node.entries.map((entry) => [entry.key, plainValue(entry.value)]));
  }
}

function depthFailure(source: SourceText, span: Span): PipelineFailure {
  const problem = `this is nested more than ${DEEPEST} levels deep`;
  return { code: 'yaml-syntax', location: source.locate(span), problem, hint: null };
}

function tagFailure(source: SourceText, warning: YAMLError): PipelineFailure {
  const [start, end] = warning.pos;
  return {
    code: 'yaml-tag',
    location: source.locate({ start, end }),
    tag: /^[^\s,[\]{}]+/.exec(source.text.slice(start))?.[0] ?? source.text.slice(start, end),
  };
}

/** Turns the library's nodes into located ones; keeps the anchors met so far, as an alias means the last one before it. */
class TreeReader {
  private readonly source: SourceText;
  private readonly problems: Problems;
  /** What an anchor stands for, and of how many values that consists. */
  private readonly anchors = new Map<string, { readonly node: Node; readonly values: number } | 'open'>();
  /** Values read so far, those behind aliases counted again at every alias. */
  private values = 0;
  private aliased = 0;

  constructor(source: SourceText, problems: Problems) {
    this.source = source;
    this.problems = problems;
  }

  read(given: unknown, depth: number, fallback: Span = { start: 0, end: 1 }): Node {
    if (isAlias(given)) return this.readAlias(given.source, spanOf(given, fallback));
    const anchor = anchorOf(given);
    const before = this.values;
    if (anchor !== undefined) this.anchors.set(anchor, 'open');
    const node = this.readPlain(given, depth, fallback);
    if (anchor !== undefined) this.anchors.set(anchor, { node, values: this.values - before });
    return node;
  }

  private readPlain(given: unknown, depth: number, fallback: Span): Node {
    this.values++;
    const span = spanOf(given, fallback);
    if (depth > DEEPEST) {
      this.problems.add(depthFailure(this.source, span));
      return emptyNode(span);
    }
    if (isMap(given))
      return { type: 'map', entries: this.readEntries(given, depth, span), start: span.start, end: span.end };
    if (isSeq(given)) {
      const items = given.items.map((item) => this.read(item, depth + 1, span));
      return { type: 'list', items, start: span.start, end: span.end };
    }
    return isScalar(given) ? this.readScalar(given.value, given.source, span) : emptyNode(span);
  }

  private readScalar(value: unknown, source: string | undefined, span: Span): ScalarNode {
    const { start, end } = span;
    const known =
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null;
    // Dates and binary data need tags, which are refused; what remains are big numbers, kept as written.
    return {
      type: 'scalar',
      value: known ? value : String(value),
      source: source ?? String(value ?? ''),
      start,
      end,
    };
  }

  private readEntries(map: YAMLMap, depth: number, span: Span): readonly MapEntry[] {
    const entries = new Map<string, MapEntry>();
    const merged: MapEntry[] = [];
    for (const pair of map.items) {
      const keySpan = spanOf(pair.key, span);
      const key = this.readKey(pair.key, keySpan);
      const after = { start: keySpan.end, end: keySpan.end + 1 };
      const value = this.read(pair.value, depth + 1, after);
      if (key === null) continue;
      if (key === '<<') {
        merged.push(...this.mergedEntries(value));
        continue;
      }
      const first = entries.get(key);
      if (first)
        this.problems.add({
          code: 'duplicate-key',
          location: this.source.locate(keySpan),
          key,
          first: this.source.locate(first.keySpan),
        });
      else entries.set(key, { key, keySpan, value });
    }
    for (const entry of merged) if (!entries.has(entry.key)) entries.set(entry.key, entry);
    return [...entries.values()];
  }

  /** `<<: *base` and `<<: [*a, *b]`: keys of the map itself win, then the earlier of the merged ones. */
  private mergedEntries(value: Node): readonly MapEntry[] {
    if (value.type === 'map') return value.entries;
    if (value.type === 'list' && value.items.every((item) => item.type === 'map'))
      return value.items.flatMap((item) => (item.type === 'map' ? item.entries : []));
    this.problems.add({
      code: 'bad-key',
      location: this.source.locate(value),
      problem: '`<<` merges a map, or a list of maps, and this is neither',
    });
    return [];
  }

  private readKey(key: unknown, span: Span): string | null {
    const text = isScalar(key) ? (typeof key.value === 'string' ? key.value : (key.source ?? '')) : null;
    const problem =
      text === null
        ? 'a key must be a text'
        : text === ''
          ? 'a key must not be empty'
          : text === '__proto__'
            ? '`__proto__` cannot be a key'
            : null;
    if (problem === null) return text;
    this.problems.add({ code: 'bad-key', location: this.source.locate(span), problem });
    return null;
  }

  private readAlias(name: string, span: Span): Node {
    const anchor = this.anchors.get(name);
    if (anchor !== undefined && anchor !== 'open') {
      const isFirstTooMany = this.aliased <= ALIASED_VALUES;
      this.values += anchor.values;
      this.aliased += anchor.values;
      if (this.aliased <= ALIASED_VALUES) return anchor.node;
      if (!isFirstTooMany) return emptyNode(span);
    }
    const problem =
      anchor === 'open'
        ? `\`*${name}\` stands inside what it stands for`
        : anchor === undefined
          ? `there is no anchor \`&${name}\` before this`
          : `aliases stand for more than ${ALIASED_VALUES} values`;
    this.problems.add({ code: 'yaml-alias', location: this.source.locate(span), problem });
    return emptyNode(span);
  }
}

function emptyNode(span: Span): ScalarNode {
  return { type: 'scalar', value: null, source: '', start: span.start, end: span.end };
}

function anchorOf(given: unknown): string | undefined {
  return isScalar(given) || isMap(given) || isSeq(given) ? given.anchor : undefined;
}

function spanOf(given: unknown, fallback: Span): Span {
  const range = isScalar(given) || isMap(given) || isSeq(given) || isAlias(given) ? given.range : null;
  return range ? { start: range[0], end: Math.max(range[1], range[0] + 1) } : fallback;
}
