/** Looks for patterns in what a console says: the work grows with what is said, and not with how many pieces it comes in. */

/** How much of what was said is kept for patterns that match across lines. */
export const KEPT_CHARACTERS = 256 * 1024;

/** Pieces are joined up to this length, so that a text that comes byte by byte is not a list of bytes. */
const PIECE_CHARACTERS = 1024;
/** How far back every new piece is searched, whatever it costs. */
const NEAR_CHARACTERS = 512;
/** Every character that is said pays for so many that are searched. */
const CREDIT = 8;

/** What can match a line break: then a match may span lines. A pattern that is not sure not to is taken for one that does. */
const SPANS_LINES = /\\[nrsfvWDPpxuc0-9k]|\[\^|[\0-\x1f]|\\t-/;
/** What such a group says of a text depends on all that precedes it. */
const LOOKS_BACK = /\(\?<!/;

/** A pattern that is waited for, and how far the text has been searched for it. */
export class Search {
  readonly pattern: RegExp;
  readonly spansLines: boolean;
  readonly looksBack: boolean;
  /** Where the next whole search begins. */
  from = 0;
  /** How many characters may be searched beyond the newest. */
  credit = 0;
  /** Whether something was said that only a whole search would find. */
  isBehind = false;

  constructor(pattern: RegExp) {
    this.pattern = new RegExp(
      pattern.source,
      pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`,
    );
    this.spansLines = pattern.dotAll || !pattern.multiline || SPANS_LINES.test(pattern.source);
    this.looksBack = LOOKS_BACK.test(pattern.source);
  }
}

/** The last that was said, with the searches in it. Offsets count from the first character ever said. */
export class ConsoleText {
  #pieces: string[] = [];
  #start = 0;
  #end = 0;
  /** What was found is not searched again. */
  #searchable = 0;
  #lineStart = 0;
  #examined = 0;

  /** How many characters have been looked at by all searches: what searching costs. */
  get examined(): number {
    return this.#examined;
  }

  append(text: string): void {
    if (text === '') return;
    const last = this.#pieces.length - 1;
    const before = this.#pieces[last] ?? '';
    if (last >= 0 && before.length + text.length <= PIECE_CHARACTERS) this.#pieces[last] = before + text;
    else this.#pieces.push(text);
    const lineBreak = text.lastIndexOf('\n');
    if (lineBreak !== -1) this.#lineStart = this.#end + lineBreak + 1;
    this.#end += text.length;
    // Not at every piece: what is left would be moved each time.
    if (this.#end - this.#start > 2 * KEPT_CHARACTERS) this.#forget();
  }

  /** The text that matches, when the text appended last (so many characters) may have completed it; it is not found again. */
  look(search: Search, newCharacters: number): string | null {
    search.credit = Math.min(search.credit + newCharacters * CREDIT, 2 * KEPT_CHARACTERS);
    const near = newCharacters + NEAR_CHARACTERS;
    const cost = this.#end - this.#from(search);
    if (cost > near && cost > search.credit) {
      search.isBehind = true;
      if (search.looksBack || !this.#isNear(search, near)) return null;
    } else if (cost > near) search.credit -= cost;
    return this.lookEverywhere(search);
  }

  /** The same in everything that is kept. */
  lookEverywhere(search: Search): string | null {
    const from = this.#from(search);
    search.isBehind = false;
    const match = this.#exec(search, from);
    if (match === null) {
      search.from = search.spansLines ? 0 : this.#lineStart;
      return null;
    }
    this.#searchable = match.end;
    return match.text;
  }

  #from(search: Search): number {
    return Math.max(search.from, this.#searchable, this.#start, this.#end - KEPT_CHARACTERS);
  }

  #isNear(search: Search, near: number): boolean {
    return this.#exec(search, Math.max(this.#end - near, this.#searchable)) !== null;
  }

  #exec({ pattern }: Search, from: number): { readonly text: string; readonly end: number } | null {
    // With the character before it: `^` and `\b` depend on it. What was found before is as if it had never been said.
    const context = from > this.#start && from > this.#searchable ? 1 : 0;
    const text = this.#slice(from - context);
    this.#examined += text.length;
    pattern.lastIndex = context;
    const match = pattern.exec(text);
    return match && { text: match[0], end: from - context + match.index + match[0].length };
  }

  #slice(from: number): string {
    const taken: string[] = [];
    let at = this.#end;
    for (let index = this.#pieces.length - 1; at > from && index >= 0; index -= 1) {
      const piece = this.#pieces[index] ?? '';
      at -= piece.length;
      taken.push(at < from ? piece.slice(from - at) : piece);
    }
    return taken.reverse().join('');
  }

  #forget(): void {
    const text = this.#slice(this.#end - KEPT_CHARACTERS);
    this.#pieces = [text];
    this.#start = this.#end - text.length;
  }
}
