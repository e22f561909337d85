/** How many columns a text takes on a terminal, and texts cut or filled up to a number of columns. */
import { cleanLine } from './ansi.ts';

/** Ranges of code points that take two columns: East Asian wide and full-width, and what terminals draw as pictures. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];
const ESCAPE = /\u001b\[[0-9;]*m/g;
const PLAIN_ASCII = /^[\u0020-\u007e]*$/;
const INVISIBLE = /^[\p{M}\p{Cc}\p{Cf}]+$/u;
const PICTURE = /\p{Emoji_Presentation}|\ufe0f/u;

let segmenter: Intl.Segmenter | null = null;

/** User-perceived characters; the segmenter is made when the first text needs it. */
function charactersOf(text: string): Iterable<{ readonly segment: string }> {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return segmenter.segment(text);
}

function widthOfCharacter(character: string): number {
  if (INVISIBLE.test(character)) return 0;
  const code = character.codePointAt(0) as number;
  if (code < 0x300) return character.endsWith('\ufe0f') ? 2 : 1;
  if (PICTURE.test(character)) return 2;
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/** Columns that a text without line breaks takes; colour escapes take none. */
export function displayWidth(text: string): number {
  const bare = text.includes('\u001b') ? text.replace(ESCAPE, '') : text;
  if (PLAIN_ASCII.test(bare)) return bare.length;
  let width = 0;
  for (const { segment } of charactersOf(bare)) width += widthOfCharacter(segment);
  return width;
}

/**
 * The text as one clean line if it fits into `columns`, else its beginning with `…` at the end. Escapes are lost: style it
 * afterwards.
 */
export function truncate(foreign: string, columns: number, ellipsis = '…'): string {
  if (columns <= 0) return '';
  const text = PLAIN_ASCII.test(foreign) ? foreign : cleanLine(foreign);
  if (displayWidth(text) <= columns) return text;
  const room = columns - displayWidth(ellipsis);
  if (room < 0) return '';
  let kept = '';
  let width = 0;
  for (const { segment } of charactersOf(text)) {
    width += widthOfCharacter(segment);
    if (width > room) break;
    kept += segment;
  }
  return `${kept.trimEnd()}${ellipsis}`;
}

/** The text followed by as many spaces as it lacks to `columns`. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
}

/** Lines of at most `columns`, broken at spaces; a word that is longer than a line stays whole, so that it can be copied. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && displayWidth(longer) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}
