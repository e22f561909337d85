/** What is typed at a booting machine: Packer's boot command grammar, with unknown `<words>` as errors and waits for the serial console. */
import { suggest } from '../model/suggest.ts';
import { keyOf, SPECIAL_KEY_NAMES, specialKey } from './keys.ts';
import { type BootValues, fillPlaceholders } from './placeholders.ts';

/** One thing to do at the keyboard. Keys are QEMU's qcodes. */
export type BootStep =
  | { readonly type: 'press'; readonly key: string; readonly shift: boolean }
  | { readonly type: 'hold'; readonly key: string }
  | { readonly type: 'release'; readonly key: string }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'wait-for-serial'; readonly pattern: string; readonly timeoutMs: number };

export type BootCommand =
  | { readonly ok: true; readonly steps: readonly BootStep[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/** How long a `<waitFor …>` without a time of its own waits. */
const DEFAULT_SERIAL_WAIT_MS = 300_000;

const WAIT = /^wait(.*)$/i;
/** The pattern ends after at most 1000 characters, for an unclosed one not to be looked for in all that follows. */
const WAIT_FOR = /^<waitFor\s+serial:\/((?:\\.|[^/\\]){1,1000})\/(?:\s+([0-9a-z]+))?\s*>/i;
const WORD = /^<([A-Za-z][A-Za-z0-9]*)>/;
const HELD_CHARACTER = /^<(.)(On|Off)>/iu;
const DURATION = /^(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Parses a whole boot command (the list joined without anything between); all problems at once. */
export function parseBootCommand(text: string, values: BootValues): BootCommand {
  const problems: string[] = [];
  const steps: BootStep[] = [];
  let rest = fill(text, values, problems);
  while (rest !== '') {
    const taken = takeTag(rest, problems) ?? takeCharacter(rest, problems);
    steps.push(...taken.steps);
    rest = rest.slice(taken.length);
  }
  return problems.length === 0 ? { ok: true, steps } : { ok: false, problems };
}

/** What is wrong with a boot command whatever the values will be; for use before anything runs. */
export function bootCommandProblems(text: string): readonly string[] {
  const values = { HTTPIP: '10.0.2.2', HTTPPort: '8080', HTTPPath: 'path', Name: 'name' };
  const parsed = parseBootCommand(text, values);
  return parsed.ok ? [] : parsed.problems;
}

interface Taken {
  readonly length: number;
  readonly steps: readonly BootStep[];
}

function fill(text: string, values: BootValues, problems: string[]): string {
  return fillPlaceholders(text, values, (whole) => {
    problems.push(
      `\`${whole}\` is not known here: {{ .HTTPIP }}, {{ .HTTPPort }}, {{ .HTTPPath }} and {{ .Name }} are; for variables of the pipeline write \${{ vars.name }}`,
    );
    return '';
  });
}

/** `<…>` at the start of the text, or null when the `<` there is just a character. */
function takeTag(text: string, problems: string[]): Taken | null {
  if (!text.startsWith('<')) return null;
  const waitFor = WAIT_FOR.exec(text);
  if (waitFor) return { length: waitFor[0].length, steps: serialWait(waitFor, problems) };
  const word = WORD.exec(text);
  const name = word?.[1] ?? '';
  if (word && name.length > 1) return { length: word[0].length, steps: wordSteps(name, problems) };
  const held = HELD_CHARACTER.exec(text);
  if (held) return { length: held[0].length, steps: heldCharacter(held[1] ?? '', held[2] ?? '', problems) };
  if (/^<waitFor\b/i.test(text)) {
    problems.push(
      '`<waitFor …>` is written `<waitFor serial:/pattern/ 5m>`, with `\\/` for a slash in the pattern',
    );
    return { length: Math.max(text.indexOf('>') + 1, 1), steps: [] };
  }
  return null;
}

function takeCharacter(text: string, problems: string[]): Taken {
  const character = String.fromCodePoint(text.codePointAt(0) ?? 0);
  const stroke = keyOf(character);
  if (!stroke) problems.push(`the character \`${character}\` is not on a US keyboard`);
  return { length: character.length, steps: stroke ? [{ type: 'press', ...stroke }] : [] };
}

function wordSteps(name: string, problems: string[]): readonly BootStep[] {
  const key = specialKey(name);
  if (key !== null) return [{ type: 'press', key, shift: false }];
  const held = /^(.+?)(on|off)$/i.exec(name);
  const heldKey = held ? heldKeyOf(held[1] ?? '') : null;
  if (held && heldKey !== null)
    return [{ type: held[2]?.toLowerCase() === 'on' ? 'hold' : 'release', key: heldKey }];
  const wait = WAIT.exec(name);
  const ms = wait ? waitMs(wait[1] ?? '') : null;
  if (ms !== null) return [{ type: 'wait', ms }];
  if (name.toLowerCase() === 'lt') return [{ type: 'press', key: 'comma', shift: true }];
  problems.push(unknownWord(name));
  return [];
}

function heldKeyOf(name: string): string | null {
  return specialKey(name) ?? (name.length === 1 ? (keyOf(name)?.key ?? null) : null);
}

function heldCharacter(character: string, onOff: string, problems: string[]): readonly BootStep[] {
  const stroke = keyOf(character);
  if (stroke) return [{ type: onOff.toLowerCase() === 'on' ? 'hold' : 'release', key: stroke.key }];
  problems.push(`the character \`${character}\` is not on a US keyboard`);
  return [];
}

/** `<wait>` is a second, `<wait5>` five, `<wait1m20s>` what it says. */
function waitMs(text: string): number | null {
  if (text === '') return 1000;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  return durationMs(text);
}

function durationMs(text: string): number | null {
  const match = DURATION.exec(text.toLowerCase());
  if (!match || text === '') return null;
  const [, hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = match;
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(milliseconds);
}

function serialWait(match: RegExpExecArray, problems: string[]): readonly BootStep[] {
  const [whole, pattern = '', time] = match;
  const timeoutMs = time === undefined ? DEFAULT_SERIAL_WAIT_MS : waitMs(time);
  if (timeoutMs === null) problems.push(`\`${time}\` in \`${whole}\` is not a duration such as 90s or 5m`);
  const problem = patternProblem(pattern);
  if (problem !== null) problems.push(`the pattern in \`${whole}\` is wrong: ${problem}`);
  return [{ type: 'wait-for-serial', pattern, timeoutMs: timeoutMs ?? 0 }];
}

/** Why a text is no regular expression, or null. */
export function patternProblem(pattern: string): string | null {
  try {
    new RegExp(pattern);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function unknownWord(name: string): string {
  const known = [...SPECIAL_KEY_NAMES, 'wait', 'lt'];
  const nearest = suggest(name, known);
  const suggestion =
    nearest === null ? 'to type it as it is, write `<lt>` for the `<`' : `did you mean \`<${nearest}>\`?`;
  return `\`<${name}>\` is no key: ${suggestion}`;
}
