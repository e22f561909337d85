/** Patterns of inputs: what each form matches, and what it does not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern, parsePattern } from '../../src/engine/patterns.ts';
import { processorMs } from '../support/processor-time.ts';

const TABLE: readonly [pattern: string, matches: readonly string[], not: readonly string[]][] = [
  ['a.txt', ['a.txt', 'a.txt/below'], ['b.txt', 'x/a.txt', 'a.txt2']],
  ['src', ['src/a', 'src/deep/b'], ['src2/a', 'x/src']],
  ['src/', ['src/a'], ['a']],
  ['./src/*.ts', ['src/a.ts'], ['src/deep/a.ts', 'src/a.tsx']],
  ['**/*.ts', ['a.ts', 'x/a.ts', 'x/y/a.ts'], ['a.js']],
  ['src/**', ['src/a', 'src/b/c'], ['other/a']],
  ['a?c', ['abc', 'aüc', 'a😀c'], ['ac', 'abbc']],
  ['[a-c].txt', ['b.txt'], ['d.txt', '-.txt']],
  ['[!a].txt', ['b.txt'], ['a.txt']],
  ['[]x].txt', ['].txt', 'x.txt'], ['y.txt']],
  ['{a,b}/*.{yml,yaml}', ['a/x.yml', 'b/y.yaml'], ['c/x.yml', 'a/x.json']],
  ['{a,b{c,d}}', ['a', 'bc', 'bd'], ['b']],
  ['a{b}c', ['a{b}c'], ['abc']],
  ['a\\*b', ['a*b'], ['axb']],
  ['a+b(c).txt', ['a+b(c).txt'], ['aab(c).txt']],
  ['[open', ['[open'], ['open']],
];

describe('a pattern', () => {
  for (const [text, matches, not] of TABLE) {
    it(`${text} matches ${matches.join(', ')} and not ${not.join(', ')}`, () => {
      const pattern = parsePattern(text);
      expect(matches.filter((path) => !matchesPattern(pattern, path))).toEqual([]);
      expect(not.filter((path) => matchesPattern(pattern, path))).toEqual([]);
    });
  }

  it('excludes when it begins with an exclamation mark', () => {
    expect(parsePattern('!a').excludes).toBe(true);
    expect(parsePattern('a').excludes).toBe(false);
  });

  it('is literal only without wildcards', () => {
    expect(parsePattern('a/b.txt').literal).toBe(true);
    expect(parsePattern('a\\*b').literal).toBe(true);
    for (const text of ['a*', '{a,b}', '**', '[ab]', 'a?'])
      expect(parsePattern(text).literal, text).toBe(false);
  });
});

/** One pattern segment as a regular expression, by the book. */
function reference(pattern: string): RegExp {
  const source = pattern.replace(/\[(!?)([^\]]+)\]|[*?]|./gsu, (token, not: string, inner?: string) => {
    if (token === '*') return '.*';
    if (token === '?') return '.';
    if (inner !== undefined) return `[${not === '!' ? '^' : ''}${inner}]`;
    return token.replace(/[.\\^$+(){}|[\]/]/u, '\\$&');
  });
  return new RegExp(`^${source}$`, 'su');
}

describe('the matcher', () => {
  const segment = fc
    .array(fc.constantFrom('a', 'b', '😀', '.', '*', '?', '[ab]', '[!a]', '[a-c]', '+'), { maxLength: 8 })
    .map((parts) => parts.join(''))
    .filter((text) => text !== '' && text !== '.' && !text.includes('**'));
  const name = fc.string({
    unit: fc.constantFrom('a', 'b', 'c', '😀', '.', '+'),
    minLength: 1,
    maxLength: 8,
  });

  it('agrees with a regular expression about every name', () => {
    fc.assert(
      fc.property(segment, name, (pattern, text) => {
        expect(matchesPattern(parsePattern(pattern), text)).toBe(reference(pattern).test(text));
      }),
      { numRuns: 3000 },
    );
  });

  it('agrees with trying everything about every path', () => {
    const slow = (segments: readonly string[], parts: readonly string[]): boolean => {
      const [first, ...rest] = segments;
      if (first === undefined) return true;
      if (parts.length === 0) return false;
      if (first !== '**') return reference(first).test(parts[0] ?? '') && slow(rest, parts.slice(1));
      return parts.some((_, from) => slow(rest, parts.slice(from)));
    };
    const parts = fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 7 });
    const segments = fc.array(fc.constantFrom('a', 'b', '*', 'a*', '?', '**'), {
      minLength: 1,
      maxLength: 7,
    });
    fc.assert(
      fc.property(segments, parts, (pattern, path) => {
        expect(matchesPattern(parsePattern(pattern.join('/')), path.join('/'))).toBe(slow(pattern, path));
      }),
      { numRuns: 3000 },
    );
  });

  it('expands braces as nested loops would', () => {
    const group = fc.array(fc.constantFrom('', 'x', 'y{p,q}', '\\{'), { minLength: 2, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 3 }), (groups) => {
        const text = groups.map((parts) => `{${parts.join(',')}}`).join('-');
        const expected = groups.reduce<string[]>(
          (before, parts) =>
            before.flatMap((start) =>
              parts.flatMap((part) =>
                (part === 'y{p,q}' ? ['yp', 'yq'] : [part.replace('\\', '')]).map((end) =>
                  start === '/' ? end : `${start}-${end}`,
                ),
              ),
            ),
          ['/'],
        );
        const names = parsePattern(`d${text}`).alternatives.map(([first]) =>
          first?.type === 'name' ? first.name : null,
        );
        expect(names).toEqual(expected.map((end) => `d${end}`));
      }),
    );
  });
});

describe('no pattern takes long', () => {
  const long = 'a'.repeat(255);
  /** What is not linear takes years. */
  const soon = (work: () => void) => expect(processorMs(work)).toBeLessThan(2_000);

  it.each([
    ['stars', `${'*a'.repeat(100)}*b`, long],
    ['stars and questions', `${'*?'.repeat(120)}b`, long],
    ['classes', `${'*[a-z]'.repeat(100)}b`, long],
    ['an open class', `${'['.repeat(4000)}`, long],
    ['any depth', `${'**/a*/'.repeat(100)}b`, Array.from({ length: 500 }, () => 'ab').join('/')],
    ['open braces', '{'.repeat(4000), long],
    ['alternatives, then open braces', `${'{a,b}'.repeat(9)}${'{'.repeat(4000)}`, long],
    ['empty alternatives', `x{${','.repeat(1000)}}`, long],
    ['a nest', `${'{a,'.repeat(1000)}b${'}'.repeat(1000)}`, long],
  ])('%s', (_, pattern, path) => {
    soon(() => expect(matchesPattern(parsePattern(pattern), path)).toBe(false));
  });

  it('with more alternatives than anybody means, or longer than any path: it is refused', () => {
    for (const text of ['{a,b}'.repeat(22), `{${','.repeat(2000)}}`, '{a,b,c}/'.repeat(100)])
      soon(() => expect(parsePattern(text).problem).toBe('too-many-alternatives'));
    expect(parsePattern('{a,b}'.repeat(10)).alternatives).toHaveLength(1024);
    expect(parsePattern('x'.repeat(5000)).problem).toBe('too-long');
    expect(parsePattern('[z-a]x').problem).toBeNull();
  });
});
