/** Patterns of inputs: what each form matches, and what it does not. */
import { describe, expect, it } from 'vitest';
import { matchesPattern, parsePattern } from '../../src/engine/patterns.ts';

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
