/** Matches one name against `*`, `?` and `[…]`: never in more steps than the two lengths multiplied, whatever the pattern. */

export interface NameMatcher {
  matches(name: string): boolean;
  /** Whether its first character is a dot that was written. */
  readonly beginsWithDot: boolean;
}

/** A part of a pattern that takes one character, by its code point. */
type Single = number | 'any' | CharacterClass;

interface CharacterClass {
  readonly negated: boolean;
  /** First and last code point of each. */
  readonly ranges: readonly (readonly [number, number])[];
}

const STAR = '*';

/** Parses one segment of a pattern. A backslash makes the next character plain; a `[` that is not closed is plain too. */
export function parseName(pattern: string): NameMatcher {
  const tokens: (Single | typeof STAR)[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    const group = character === '[' ? classAt(characters, at) : null;
    if (character === '\\' && at + 1 < characters.length) tokens.push(codeOf(characters[++at] as string));
    else if (character === '?') tokens.push('any');
    else if (group !== null) {
      tokens.push(group.value);
      at = group.end;
    } else if (character !== '*') tokens.push(codeOf(character));
    else if (tokens.at(-1) !== STAR) tokens.push(STAR);
  }
  return { matches: (name) => matchesTokens(tokens, name), beginsWithDot: tokens[0] === codeOf('.') };
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

/** `[abc]`, `[a-z]`, `[!a]`; a `]` that comes first is one of the characters. Null when it is not closed. */
function classAt(
  characters: readonly string[],
  open: number,
): { readonly value: CharacterClass; readonly end: number } | null {
  const negated = characters[open + 1] === '!' || characters[open + 1] === '^';
  const first = open + (negated ? 2 : 1);
  const end = characters.indexOf(']', first + 1);
  if (end < 0) return null;
  const ranges: (readonly [number, number])[] = [];
  for (let at = first; at < end; at++) {
    const from = codeOf(characters[at] as string);
    const isRange = characters[at + 1] === '-' && at + 2 < end;
    ranges.push([from, isRange ? codeOf(characters[at + 2] as string) : from]);
    if (isRange) at += 2;
  }
  return { value: { negated, ranges }, end };
}

function takes(single: Single, code: number): boolean {
  if (single === 'any') return true;
  if (typeof single === 'number') return single === code;
  return single.ranges.some(([from, to]) => from <= code && code <= to) !== single.negated;
}

/** Every star takes as little as it can; only the last one has to take more when what follows does not fit. */
function matchesTokens(tokens: readonly (Single | typeof STAR)[], name: string): boolean {
  let token = 0;
  let at = 0;
  let afterStar = -1;
  let starEnd = 0;
  while (at < name.length) {
    const current = tokens[token];
    const code = name.codePointAt(at) as number;
    if (current === STAR) {
      token += 1;
      afterStar = token;
      starEnd = at;
    } else if (current !== undefined && takes(current, code)) {
      token += 1;
      at += unitsOf(code);
    } else if (afterStar >= 0) {
      token = afterStar;
      starEnd += unitsOf(name.codePointAt(starEnd) as number);
      at = starEnd;
    } else return false;
  }
  return tokens.slice(token).every((rest) => rest === STAR);
}

function unitsOf(code: number): number {
  return code > 0xffff ? 2 : 1;
}
