/** What may reach a terminal or a job's log: printable text, line breaks and our own colours; nothing that they would obey. */

/** Whether a text is for a terminal with colours, and whether a service reads commands out of it. */
export interface SinkRules {
  /** Keeps the escapes that `styleFor(true)` writes. */
  readonly colour: boolean;
  /** Lines that a continuous integration service would take for a command are made harmless. */
  readonly workflow: boolean;
}

/** A line that GitHub Actions is to obey: a group, an annotation. Every such line that is not one of these is defused. */
export class WorkflowCommand {
  readonly #line: string;

  constructor(line: string) {
    this.#line = line;
  }

  /** The line with its line break. */
  toString(): string {
    return this.#line;
  }
}

/** What is handed to a sink: text, in which anything may stand, or a command of ours. */
export type SinkText = string | WorkflowCommand;

/**
 * Terminal sequences, 7-bit and 8-bit: CSI; OSC, DCS, SOS, PM and APC strings with their end, or up to the end of the line;
 * escapes of two or more characters.
 */
const SEQUENCE =
  '\\u001b\\[[0-?]*[ -/]*[@-~]|\\u009b[0-?]*[ -/]*[@-~]|(?:\\u001b[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u001b\\u009c\\n]*(?:\\u0007|\\u001b\\\\|\\u009c)?|\\u001b[ -/]*[0-~]';
/** Characters that show nothing, or turn the reading direction round, so that a text reads as another one. */
const DECEPTIVE = '\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb';
const TAGS = '\\u{e0000}-\\u{e007f}';
const CONTROLS = '\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f';
const UNPRINTABLE = new RegExp(`${SEQUENCE}|[${CONTROLS}${DECEPTIVE}${TAGS}]`, 'gu');
/** Asked of every text, so without the flag that makes it several times slower: tags are known by their first half. */
const SUSPICIOUS = new RegExp(`[${CONTROLS}${DECEPTIVE}\\udb40]`);
/** Sequences and controls begin below it, deceptive characters do not. */
const FIRST_PRINTABLE = '\u00a0';
const OWN_COLOUR = /^\u001b\[(?:1|2|22|3[12346]|39)m$/;
/**
 * GitHub reads `::` after blanks and `##[` anywhere, Azure `##vso[`, TeamCity `##teamcity[`. They compare by rules of
 * language, in which characters that show nothing do not count.
 */
const COMMAND_LINE = /^((?:[^\S\n]|\p{DI})*)(?=:\p{DI}*:)/gmu;
const COMMAND_ANYWHERE = /#\p{DI}*#(?=\p{DI}*(?:vso|teamcity)?\p{DI}*\[)/giu;

/** The text as it may be written to a terminal or a log. Foreign text can be anywhere in it. */
export function printable(text: string, rules: SinkRules): string {
  const clean = SUSPICIOUS.test(text)
    ? text.replace(UNPRINTABLE, (found, index: number) => {
        if (rules.colour && OWN_COLOUR.test(found)) return found;
        // A Windows line break is one; a lone return would let a line overwrite itself.
        if (found === '\r') return text[index + 1] === '\n' ? '' : '\\r';
        return found < FIRST_PRINTABLE ? '' : shown(found);
      })
    : text;
  return rules.workflow ? defused(clean) : clean;
}

/** The text in which no line is a command of a continuous integration service: a backslash stands in its way. */
function defused(text: string): string {
  if (!text.includes(':') && !text.includes('#')) return text;
  return text.replace(COMMAND_LINE, '$1\\').replace(COMMAND_ANYWHERE, '##\\');
}

/** Terminal sequences gone, deceptive characters as escapes; other controls are left to the caller. */
export function withoutSequences(line: string): string {
  if (!SUSPICIOUS.test(line)) return line;
  return line.replace(UNPRINTABLE, (found) => {
    if (found >= FIRST_PRINTABLE) return shown(found);
    return found.length > 1 ? '' : found;
  });
}

/** A character by its number, as JSON and JavaScript write it. */
function shown(character: string): string {
  const code = character.codePointAt(0) as number;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

const JSON_ESCAPED = new RegExp(`[\\u007f-\\u009f${DECEPTIVE}${TAGS}]|##(?=(?:vso|teamcity)?\\[)`, 'giu');

/** JSON that a terminal can show and that no service reads commands out of: the same value, written with more escapes. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(JSON_ESCAPED, (found) => {
    if (found === '##') return '#\\u0023';
    return [...Array(found.length).keys()]
      .map((index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join('');
  });
}
