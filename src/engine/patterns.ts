/** Patterns of input files: parsed once into segments, `*`, `?`, `[…]`, `{a,b}` and `**`, with `!` for exclusion. Matched in linear time. */
import { type NameMatcher, parseName } from './name-matcher.ts';

/** One path segment of a pattern: a plain name, a matcher, or any number of directories. */
export type Segment =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'match'; readonly matcher: NameMatcher }
  | { readonly type: 'any-depth' };

export interface Pattern {
  /** As written, without the `!`. */
  readonly text: string;
  readonly excludes: boolean;
  /** Alternatives after `{a,b}` was expanded; none when there are too many. */
  readonly alternatives: readonly (readonly Segment[])[];
  /** Whether nothing in it is a wildcard: it names one file or directory. */
  readonly literal: boolean;
  /** Why it cannot be used; null when it can. */
  readonly problem: 'too-long' | 'too-many-alternatives' | null;
}

const MAGIC = /[*?[{]/;
/** The longest path that the kernel takes. */
const LONGEST = 4096;
/** So many patterns may one with braces stand for. */
const MOST_ALTERNATIVES = 1024;

/** Parses one entry of `inputs`. A backslash makes the next character plain. */
export function parsePattern(entry: string): Pattern {
  const excludes = entry.startsWith('!');
  const text = excludes ? entry.slice(1) : entry;
  const unusable = { text, excludes, alternatives: [], literal: false } as const;
  if (text.length > LONGEST) return { ...unusable, problem: 'too-long' };
  const expanded = expandBraces(text);
  if (expanded === null) return { ...unusable, problem: 'too-many-alternatives' };
  const alternatives = expanded.map(parseSegments);
  const literal =
    alternatives.length === 1 && alternatives[0]?.every((part) => part.type === 'name') === true;
  return { text, excludes, alternatives, literal, problem: null };
}

/** Several `**` in a row are one. */
function parseSegments(path: string): readonly Segment[] {
  const segments: Segment[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    const segment = parseSegment(part);
    if (segment.type !== 'any-depth' || segments.at(-1)?.type !== 'any-depth') segments.push(segment);
  }
  return segments;
}

/** Whether a relative path, or a directory above it, is matched by a pattern. */
export function matchesPattern(pattern: Pattern, path: string): boolean {
  const parts = path.split('/');
  return pattern.alternatives.some((segments) => matchesParts(segments, parts));
}

/**
 * Takes the leftmost place for what comes after each `**`: should the rest not fit there, only the last `**` has to take
 * one directory more, for what an earlier one takes more leaves less.
 */
function matchesParts(segments: readonly Segment[], parts: readonly string[]): boolean {
  let at = 0;
  let from = 0;
  /** Where to go on when something does not fit: after the last `**`, one part later. */
  let retry: { readonly at: number; from: number } | null = null;
  for (;;) {
    const segment = segments[at];
    if (segment === undefined) return true;
    const part = parts[from];
    // Also the last `**` stands for one name at least.
    if (part === undefined) return false;
    if (segment.type === 'any-depth') {
      at += 1;
      retry = { at, from };
    } else if (matchesSegment(segment, part)) {
      at += 1;
      from += 1;
    } else if (retry !== null) {
      retry.from += 1;
      at = retry.at;
      from = retry.from;
    } else return false;
  }
}

/** Whether one name is matched by one segment that is not `**`. */
export function matchesSegment(segment: Exclude<Segment, { type: 'any-depth' }>, name: string): boolean {
  return segment.type === 'name' ? segment.name === name : segment.matcher.matches(name);
}

/** Whether a segment asks for a hidden name itself, as `.git*` does. */
export function asksForHidden(segment: Segment): boolean {
  return segment.type === 'match' && segment.matcher.beginsWithDot;
}

function parseSegment(part: string): Segment {
  if (part === '**') return { type: 'any-depth' };
  if (!MAGIC.test(part.replace(/\\./gsu, ''))) return { type: 'name', name: part.replace(/\\(.)/gsu, '$1') };
  return { type: 'match', matcher: parseName(part) };
}

/** `a{b,c}d` → `abd`, `acd`; braces without a comma, and unclosed ones, are plain characters. Null when they are too many. */
function expandBraces(text: string): readonly string[] | null {
  const expanded: string[] = [];
  return expandInto(expanded, text, 0) ? expanded : null;
}

/** Adds what `text` stands for, whose braces before `from` are plain; false when there is no room. */
function expandInto(expanded: string[], text: string, from: number): boolean {
  const group = firstGroup(text, from);
  if (group === null) {
    expanded.push(text.replace(/\\.|\{/gsu, (token) => (token === '{' ? '\\{' : token)));
    return expanded.length <= MOST_ALTERNATIVES;
  }
  const before = text.slice(0, group.open);
  const after = text.slice(group.end + 1);
  const starts = [group.open, ...group.commas].map((at) => at + 1);
  const ends = [...group.commas, group.end];
  return starts.every((start, at) =>
    expandInto(expanded, before + text.slice(start, ends[at]) + after, group.open),
  );
}

interface BraceGroup {
  readonly open: number;
  readonly commas: number[];
  end: number;
}

/** The first braces that are closed and hold a comma of their own. */
function firstGroup(text: string, from: number): BraceGroup | null {
  const opened: BraceGroup[] = [];
  let first: BraceGroup | null = null;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '{') opened.push({ open: at, commas: [], end: -1 });
    else if (character === ',') opened.at(-1)?.commas.push(at);
    else if (character === '}') {
      const closed = opened.pop();
      if (closed === undefined) continue;
      closed.end = at;
      if (closed.commas.length > 0 && (first === null || closed.open < first.open)) first = closed;
    }
  }
  return first;
}
