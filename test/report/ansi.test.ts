/** Foreign output made harmless for a screen. */
import { describe, expect, it } from 'vitest';
import { cleanLine, styleFor } from '../../src/report/ansi.ts';

describe('a line of foreign output', () => {
  it.each([
    ['colour', '\u001b[1;31mred\u001b[0m', 'red'],
    ['cursor movements', '\u001b[2J\u001b[10;20Hup\u001b[A', 'up'],
    ['private modes', '\u001b[?25lhidden\u001b[?2026h', 'hidden'],
    ['a window title', '\u001b]0;title\u0007text', 'text'],
    ['a link', '\u001b]8;;http://x\u001b\\here\u001b]8;;\u001b\\', 'here'],
    ['an unfinished escape', 'text\u001b[', 'text'],
    ['C1 controls', '\u009b31mred\u0085', 'red'],
    ['overwritten progress', '10%\r20%\r100%', '100%'],
    ['a DOS line end', 'done\r', 'done'],
    ['tabs', 'a\tb', 'a  b'],
    ['bells and backspaces', 'a\u0007b\bc', 'abc'],
    ['a character set switch', '\u001b(Btext', 'text'],
  ])('loses %s', (_, line, clean) => expect(cleanLine(line)).toBe(clean));

  it('keeps unicode as it is', () => expect(cleanLine('größe 日本 🚀')).toBe('größe 日本 🚀'));
});

describe('a style', () => {
  it('without colour gives text back untouched', () => {
    const style = styleFor(false);
    expect(style.red(style.bold('x'))).toBe('x');
  });

  it('with colour closes what it opens', () => {
    expect(styleFor(true).red('x')).toBe('\u001b[31mx\u001b[39m');
    expect(styleFor(true).red('')).toBe('');
  });
});
