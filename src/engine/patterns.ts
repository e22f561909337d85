/** Patterns of input files: parsed once into segments, `*`, `?`, `[…]`, `{a,b}` and `**`, with `!` for exclusion. */

/** One path segment of a pattern: a plain name, a matcher, or any number of directories. */
export type Segment =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'match'; readonly matches: RegExp }
  | { readonly type: 'any-depth' };

export interface Pattern {
  /** As written, without the `!`. */
  readonly text: string;
  readonly excludes: boolean;
  /** Alternatives after `{a,b}` was expanded. */
  readonly alternatives: readonly (readonly Segment[])[];
  /** Whether nothing in it is a wildcard: it names one file or directory. */
  readonly literal: boolean;
}

const MAGIC = /[*?[{]/;

/** Parses one entry of `inputs`. A backslash makes the next character plain. */
export function parsePattern(entry: string): Pattern {
  const excludes = entry.startsWith('!');
  const text = excludes ? entry.slice(1) : entry;
  const alternatives = expandBraces(text).map((path) =>
    path
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .map(parseSegment),
  );
  const literal =
    alternatives.length === 1 && alternatives[0]?.every((part) => part.type === 'name') === true;
  return { text, excludes, alternatives, literal };
}

/** Whether a relative path, or a directory above it, is matched by a pattern. */
export function matchesPattern(pattern: Pattern, path: string): boolean {
  const parts = path.split('/');
  return pattern.alternatives.some((segments) => matchesFrom(segments, 0, parts, 0));
}

function matchesFrom(
  segments: readonly Segment[],
  at: number,
  parts: readonly string[],
  from: number,
): boolean {
  const segment = segments[at];
  if (segment === undefined) return true;
  if (segment.type === 'any-depth') {
    for (let next = from; next < parts.length; next++) {
      if (matchesFrom(segments, at + 1, parts, next)) return true;
    }
    return false;
  }
  const part = parts[from];
  if (part === undefined || !matchesSegment(segment, part)) return false;
  return matchesFrom(segments, at + 1, parts, from + 1);
}

/** Whether one name is matched by one segment that is not `**`. */
export function matchesSegment(segment: Exclude<Segment, { type: 'any-depth' }>, name: string): boolean {
  return segment.type === 'name' ? segment.name === name : segment.matches.test(name);
}

/** Whether a segment asks for a hidden name itself, as `.git*` does. */
export function asksForHidden(segment: Segment): boolean {
  return segment.type === 'match' && segment.matches.source.startsWith('^\\.');
}

function parseSegment(part: string): Segment {
  if (part === '**') return { type: 'any-depth' };
  if (!MAGIC.test(part) && !part.includes('\\')) return { type: 'name', name: part };
  if (!MAGIC.test(part.replace(/\\./g, ''))) return { type: 'name', name: part.replace(/\\(.)/g, '$1') };
  return { type: 'match', matches: new RegExp(`^${segmentSource(part)}$`, 'su') };
}

const TOKEN = /\\(.)|(\*+)|(\?)|\[([!^]?\]?[^\]]*)\]|(.)/gsu;

function segmentSource(part: string): string {
  return part.replace(
    TOKEN,
    (_, quoted?: string, stars?: string, one?: string, inner?: string, other?: string) => {
      if (stars !== undefined) return '.*';
      if (one !== undefined) return '.';
      if (inner !== undefined) return classSource(inner);
      return escaped(quoted ?? other ?? '');
    },
  );
}

function classSource(inner: string): string {
  const negated = inner.startsWith('!') || inner.startsWith('^');
  const characters = (negated ? inner.slice(1) : inner).replace(/[\\\]^[&~|]/g, '\\$&');
  return `[${negated ? '^' : ''}${characters}]`;
}

function escaped(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}

/** `a{b,c}d` → `abd`, `acd`; braces without a comma, and unclosed ones, are plain characters. */
function expandBraces(text: string): readonly string[] {
  for (let open = text.indexOf('{'); open >= 0; open = text.indexOf('{', open + 1)) {
    if (text[open - 1] === '\\') continue;
    const group = braceGroup(text, open);
    if (group === null || group.parts.length < 2) continue;
    const before = text.slice(0, open);
    const after = text.slice(group.end + 1);
    return group.parts.flatMap((part) => expandBraces(before + part + after));
  }
  return [text.replace(/(?<!\\)\{/g, '\\{')];
}

function braceGroup(text: string, open: number): { end: number; parts: string[] } | null {
  const parts: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let at = open; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '{') depth++;
    else if (character === ',' && depth === 1) {
      parts.push(text.slice(start, at));
      start = at + 1;
    } else if (character === '}' && --depth === 0)
      return { end: at, parts: [...parts, text.slice(start, at)] };
  }
  return null;
}
