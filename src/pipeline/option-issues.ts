/** What zod says about options, told in our words at the place in the file where the value stands. */
import type { z } from 'zod';
import type { Span } from '../model/pipeline.ts';
import { suggest } from '../model/suggest.ts';
import { isRefused, refuseOption } from './option-values.ts';
import type { ResolvedNode } from './resolve.ts';
import { type Alternative, below, expectedOf, keysOf } from './schema-view.ts';
import { type Reading, refuseValue } from './shape.ts';

type Issue = z.core.$ZodIssue;

/** The options of a stage while their issues are told. */
interface Options {
  /** `with:`, or null when the stage has none. */
  readonly node: ResolvedNode | null;
  /** The values that were given to the schema. */
  readonly value: unknown;
  /** Where to point when something is missing at the top. */
  readonly span: Span;
  readonly taken: readonly Alternative[];
  /** What lacks a key that is missing at the top: `the options of fetch-iso`. */
  readonly what: string;
  readonly at: Reading;
  /** Our own name for an option that stands elsewhere in the file: a command is written under `run`. */
  readonly command: boolean;
}

/** What lies at a path of the options. */
interface Spot {
  readonly node: ResolvedNode | null;
  /** The nearest thing that is there. */
  readonly span: Span;
  readonly taken: readonly Alternative[];
  readonly where: string;
  readonly refused: boolean;
}

/** Reports zod's issues. */
export function reportIssues(issues: readonly Issue[], options: Options): void {
  // Misspelt keys first: what they were meant to be is then not missing.
  const isKeys = (issue: Issue): boolean => issue.code === 'unrecognized_keys';
  for (const issue of issues.filter(isKeys)) reportIssue(issue, [], options);
  for (const issue of issues.filter((other) => !isKeys(other))) reportIssue(issue, [], options);
}

function reportIssue(issue: Issue, before: readonly PropertyKey[], options: Options): void {
  const path = [...before, ...issue.path];
  const spot = spotAt(path, options);
  if (spot.refused) return;
  const at = { ...options.at, where: spot.where };
  const node = spot.node;
  if (node === null) reportMissing(path, spot, options);
  else if (issue.code === 'unrecognized_keys') reportKeys(issue.keys, spot, options);
  else if (issue.code === 'invalid_union') reportUnion(issue, path, spot, options);
  else if (issue.code === 'invalid_value') reportValue(issue.values, spot, at);
  else if (issue.code === 'invalid_key' || issue.code === 'invalid_element')
    for (const inner of issue.issues) reportIssue(inner, path, options);
  else if (issue.code === 'too_small' || issue.code === 'too_big') refuseValue(node, boundWords(issue), at);
  else if (issue.code !== 'invalid_type') reportMessage(issue.message, node, spot, at);
  else if (issue.expected === 'int' && node.type === 'scalar' && typeof node.value === 'number')
    refuseValue(node, `\`${node.source}\` is not a whole number`, at);
  else refuseOption(node, spot.taken, at);
}

function reportMissing(path: readonly PropertyKey[], spot: Spot, options: Options): void {
  const parent = spotAt(path.slice(0, -1), options);
  const known = keysOf(parent.taken);
  const unknown =
    parent.node?.type === 'map' ? parent.node.entries.filter(({ key }) => !known.includes(key)) : [];
  if (unknown.some(({ key }) => suggest(key, known) === path.at(-1))) return;
  options.at.problems.add({
    code: 'missing-key',
    location: options.at.source.locate(spot.span),
    key: String(path.at(-1) ?? 'with'),
    where: path.length <= 1 ? options.what : `\`${parent.where}\``,
    expected: spot.taken.length === 0 ? null : expectedOf(spot.taken),
  });
}

function reportKeys(keys: readonly string[], spot: Spot, options: Options): void {
  const known = keysOf(spot.taken);
  const { source, problems } = options.at;
  for (const key of keys) {
    const entry = spot.node?.type === 'map' ? spot.node.entries.find((one) => one.key === key) : undefined;
    problems.add({
      code: 'unknown-key',
      location: source.locate(entry?.keySpan ?? spot.span),
      key,
      where: spot.where === options.at.where ? options.what : `\`${spot.where}\``,
      known,
      suggestion: problems.suggest(key, known),
    });
  }
}

/** Of several alternatives the one is meant whose type is right: its own issues are told. None: what was expected instead. */
function reportUnion(
  issue: Issue & { readonly code: 'invalid_union' },
  path: readonly PropertyKey[],
  spot: Spot,
  options: Options,
): void {
  const at = { ...options.at, where: spot.where };
  const meant = issue.errors.find((issues) => issues.length > 0 && issues.every(isInside));
  if (meant) for (const inner of meant) reportIssue(inner, path, options);
  else if (spot.node?.type === 'scalar' && typeof spot.node.value === 'string')
    refuseValue(spot.node, `\`${spot.node.value}\` is not ${expectedOf(spot.taken)}`, at);
  else if (spot.node) refuseOption(spot.node, spot.taken, at);
}

/** Whether an issue is about something in a value of the right type, and not about its type. */
function isInside(issue: Issue): boolean {
  if (issue.path.length > 0) return true;
  return !['invalid_type', 'invalid_value', 'invalid_union', 'custom'].includes(issue.code);
}

function reportValue(values: readonly unknown[], spot: Spot, at: Reading): void {
  if (spot.node?.type !== 'scalar' || typeof spot.node.value !== 'string') {
    if (spot.node) refuseOption(spot.node, spot.taken, at);
    return;
  }
  const words = values.map(String);
  const expected = words.map((word) => `\`${word}\``).join(' or ');
  const suggestion = at.problems.suggest(spot.node.value, words);
  refuseValue(spot.node, `\`${spot.node.value}\` is not ${expected}`, at, suggestion);
}

/** `it needs at least 1 entry`, `it must be less than 10`. */
function boundWords(issue: Issue & { readonly code: 'too_small' | 'too_big' }): string {
  const isSmall = issue.code === 'too_small';
  const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum;
  const unit = { array: 'entries', set: 'entries', map: 'keys', string: 'characters' }[
    issue.origin as string
  ];
  if (unit)
    return `it needs at ${isSmall ? 'least' : 'most'} ${bound} ${bound === 1 ? unit.replace(/ies$/, 'y').replace(/s$/, '') : unit}`;
  if (issue.inclusive === false) return `it must be ${isSmall ? 'more' : 'less'} than ${bound}`;
  return `it must be at ${isSmall ? 'least' : 'most'} ${bound}`;
}

function reportMessage(message: string, node: ResolvedNode, spot: Spot, at: Reading): void {
  const expected = /^expected (.*)/i.exec(message)?.[1];
  if (expected === undefined) {
    const sentence = message.replace(/^Invalid input: /, '');
    refuseValue(node, sentence.charAt(0).toLowerCase() + sentence.slice(1), at);
  } else if (node.type === 'scalar' && (typeof node.value === 'string' || spot.taken.some(isNumeric)))
    refuseValue(node, `\`${node.source}\` is not ${expected}`, at);
  else refuseOption(node, spot.taken, at);
}

function isNumeric({ marker }: Alternative): boolean {
  return marker === 'size' || marker === 'duration';
}

function spotAt(path: readonly PropertyKey[], options: Options): Spot {
  let { node, value, span, taken } = options;
  let where = options.at.where;
  let refused = isRefused(value);
  for (const key of path) {
    const step = typeof key === 'symbol' ? String(key) : key;
    taken = below(taken, step);
    const named = options.command && step === 'command' ? 'run' : step;
    where = typeof named === 'number' ? `${where}[${named}]` : `${where}.${named}`;
    value =
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined;
    refused ||= isRefused(value);
    const inner = childOf(node, step);
    if (node !== null && inner.node !== null) span = inner.span;
    node = inner.node;
  }
  return { node, span: node ?? span, taken, where, refused };
}

function childOf(
  node: ResolvedNode | null,
  key: string | number,
): { readonly node: ResolvedNode | null; readonly span: Span } {
  if (node?.type === 'list' && typeof key === 'number') {
    const item = node.items[key];
    if (item) return { node: item, span: { start: item.start, end: item.start + 1 } };
  }
  if (node?.type === 'map') {
    const entry = node.entries.find((candidate) => candidate.key === String(key));
    if (entry) return { node: entry.value, span: entry.keySpan };
  }
  return { node: null, span: { start: 0, end: 1 } };
}
