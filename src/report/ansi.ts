/** Colour and other terminal escapes: the few that are used, switched off as a whole, and the removal of foreign ones. */
import { withoutSequences } from './printable.ts';

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  blue(text: string): string;
  cyan(text: string): string;
}

const plainText = (text: string): string => text;

function sgr(open: number, close: number): (text: string) => string {
  return (text) => (text === '' ? '' : `\u001b[${open}m${text}\u001b[${close}m`);
}

const COLOURED: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  blue: sgr(34, 39),
  cyan: sgr(36, 39),
};

const PLAIN: Style = {
  bold: plainText,
  dim: plainText,
  red: plainText,
  green: plainText,
  yellow: plainText,
  blue: plainText,
  cyan: plainText,
};

/** The style to write with: real escapes when `colour`, else every function gives its text back. */
export function styleFor(colour: boolean): Style {
  return colour ? COLOURED : PLAIN;
}

const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * One line as a screen may show it: of text that was overwritten after a carriage return only the last stays, escapes
 * and control characters are gone, tabs are two spaces, line breaks and what would deceive the eye are written as escapes.
 * Output of guests and commands must not be able to move our cursor.
 */
export function cleanLine(line: string): string {
  const bare = withoutSequences(line).replace(/\r+$/, '');
  return bare
    .slice(bare.lastIndexOf('\r') + 1)
    .replace(/\t/g, '  ')
    .replace(/\n/g, '\\n')
    .replace(CONTROLS, '');
}
