/** Columns on a terminal. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { styleFor } from '../../src/report/ansi.ts';
import { displayWidth, padEnd, truncate, wrap } from '../../src/report/width.ts';

const WIDTHS: readonly [text: string, columns: number][] = [
  ['', 0],
  ['disk', 4],
  ['größe', 5],
  ['gro\u0308ße', 5],
  ['日本語', 6],
  ['ｆｕｌｌ', 8],
  ['한글', 4],
  ['🚀', 2],
  ['👩‍👩‍👧', 2],
  ['❤️', 2],
  ['✔ ✖ ↓ │ …', 9],
  ['a\u200bb', 2],
  [styleFor(true).red('red'), 3],
];

describe('a text on a terminal', () => {
  for (const [text, columns] of WIDTHS)
    it(`takes ${columns} columns: ${JSON.stringify(text)}`, () => expect(displayWidth(text)).toBe(columns));

  it('is never cut in the middle of a character, and says that it was cut', () => {
    expect(truncate('abcdef', 4)).toBe('abc…');
    expect(truncate('日本語', 4)).toBe('日…');
    expect(truncate('👩‍👩‍👧👩‍👩‍👧', 3)).toBe('👩‍👩‍👧…');
    expect(truncate('abc', 3)).toBe('abc');
    expect(truncate('abc', 0)).toBe('');
    expect(truncate('one two', 5)).toBe('one…');
  });

  it('fits what it was cut to, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(30), (text, columns) => {
        expect(displayWidth(truncate(text, columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('is filled up to a column by what it shows, not by what it holds', () => {
    expect(padEnd('日本', 6)).toBe('日本  ');
    expect(padEnd('toolong', 3)).toBe('toolong');
  });

  it('is folded at spaces, and a long word stays whole', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrap('/a/very/long/path is here', 8)).toEqual(['/a/very/long/path', 'is here']);
  });
});
