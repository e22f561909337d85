/** Replaces secret values in text by `***` before anyone sees the text: log file, events, tails, failures. */
import { ASCII, Automaton } from './automaton.ts';
import { spellingsOf } from './spellings.ts';

const MASK = '***';
/** What ends with so much of a secret is held back until it is clear what follows. */
const HELD = 4;
/** What was held back and never went on is hidden when it is as long as this. */
const TELLING = 8;
/** More than this is not held back: then what may be a secret's beginning is hidden. */
const MOST_HELD = 1 << 20;
/** Stands where a long line was cut: no character of any text. */
const CUT = '\uffff';

/** Escapes that change how text looks, without their like that carry text. */
const LOOKS = /\u001b\[[0-?]*[ -/]*[@-~]|\u009b[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]/g;
/** Characters that show nothing: controls but the tab, spaces without width, the sign of a cut. */
const UNSEEN = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u200b-\u200d\u2060\ufeff\uffff]/;

const foldText = (character: string) => (UNSEEN.test(character) ? null : foldCase(character));
const foldBase64 = (character: string) => {
  if (/[\s\\]/.test(character) || UNSEEN.test(character)) return null;
  return character === '-' ? '+' : character === '_' ? '/' : foldCase(character);
};
const foldHex = (character: string) =>
  /[\s:,\\xX-]/.test(character) || UNSEEN.test(character) ? null : foldCase(character);

function foldCase(character: string): string {
  return character >= 'A' && character <= 'Z' ? character.toLowerCase() : character;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

type Automata = readonly [Automaton, Automaton, Automaton];

export class Masks {
  readonly #secrets = new Set<string>();
  #automata: Automata | null = null;
  #version = 0;

  /** Adds a value with all its spellings. */
  add(secret: string): void {
    if (secret.trim() === '' || this.#secrets.has(secret)) return;
    this.#secrets.add(secret);
    this.#automata = null;
    this.#version++;
  }

  /** What is masked. */
  get secrets(): ReadonlySet<string> {
    return this.#secrets;
  }

  /** Another one after each secret that was added. */
  get version(): number {
    return this.#version;
  }

  /** The text without secrets. */
  apply(text: string): string {
    if (this.#secrets.size === 0) return text;
    const scan = new Scan(this.automata());
    scan.feed(text);
    return scan.takeAll();
  }

  /** All strings within a value without secrets. */
  applyDeep<T>(value: T): T {
    return this.#secrets.size === 0 ? value : (this.#deep(value) as T);
  }

  /** Three ways to read a text: as it is, as base64, as hex digits. */
  automata(): Automata {
    if (this.#automata !== null) return this.#automata;
    const spellings = [...this.#secrets].map(spellingsOf);
    this.#automata = [
      new Automaton(
        spellings.flatMap(({ text }) => [...text]),
        foldText,
      ),
      new Automaton(
        spellings.flatMap(({ base64 }) => [...base64]),
        foldBase64,
      ),
      new Automaton(
        spellings.flatMap(({ hex }) => [...hex]),
        foldHex,
      ),
    ];
    return this.#automata;
  }

  #deep(value: unknown): unknown {
    if (typeof value === 'string') return this.apply(value);
    if (Array.isArray(value)) return value.map((item) => this.#deep(item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [this.apply(name), this.#deep(item)]),
    );
  }
}

/** Masks lines as they come, also a secret that lines or the cut of a long line break into pieces. */
export class LineMasks {
  readonly #masks: Masks;
  #scan: Scan | null = null;
  #version = 0;

  constructor(masks: Masks) {
    this.#masks = masks;
  }

  /** Takes a line, or the first part of one that was `cut`; gives the lines that are clear now. */
  add(line: string, cut: boolean): readonly string[] {
    if (this.#masks.secrets.size === 0) return [line];
    const scan = this.#current();
    if (!cut && scan.passes(line)) return [line];
    scan.feed(line + (cut ? CUT : '\n'));
    return linesOf(scan.takeClear());
  }

  /** The lines that are held back, as they would be shown if nothing followed. */
  held(): readonly string[] {
    return this.#scan === null ? [] : linesOf(this.#scan.lookAtRest());
  }

  /** The lines that were held back, when nothing follows. */
  end(): readonly string[] {
    return this.#scan === null ? [] : linesOf(this.#scan.takeAll());
  }

  #current(): Scan {
    if (this.#scan !== null && this.#version === this.#masks.version) return this.#scan;
    const rest = this.#scan?.raw() ?? '';
    this.#version = this.#masks.version;
    this.#scan = new Scan(this.#masks.automata());
    if (rest !== '') this.#scan.feed(rest);
    return this.#scan;
  }
}

function linesOf(text: string): readonly string[] {
  if (text === '') return [];
  const lines = text.split(/[\n\uffff]/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** A text that is read once, from its beginning to where nothing more is known to follow. */
class Scan {
  readonly #automata: Automata;
  readonly #states: [number, number, number] = [0, 0, 0];
  #text = '';
  /** The same with escapes that change how text looks blanked out. */
  #shadow = '';
  #ranges: Range[] = [];

  constructor(automata: Automata) {
    this.#automata = automata;
  }

  raw(): string {
    return this.#text;
  }

  /**
   * Whether a line has nothing of a secret, nor a part of one: nearly all have not, and need not be put together. When it
   * has, nothing has happened.
   */
  passes(line: string): boolean {
    if (this.#text !== '' || /[\u001b\u009b]/.test(line)) return false;
    const [plain, base64, hex] = this.#automata;
    const { next: nextA, symbols: symbolsA, foundFrom: foundA } = plain;
    const { next: nextB, symbols: symbolsB, foundFrom: foundB } = base64;
    const { next: nextC, symbols: symbolsC, foundFrom: foundC } = hex;
    let [a, b, c] = this.#states;
    for (let index = 0; index < line.length; index++) {
      const code = line.charCodeAt(index);
      if (code >= ASCII) {
        a = nextA[a + plain.symbolOf(code)] as number;
        b = nextB[b + base64.symbolOf(code)] as number;
        c = nextC[c + hex.symbolOf(code)] as number;
      } else {
        a = nextA[a + (symbolsA[code] as number)] as number;
        b = nextB[b + (symbolsB[code] as number)] as number;
        c = nextC[c + (symbolsC[code] as number)] as number;
      }
      if (a >= foundA || b >= foundB || c >= foundC) return false;
    }
    const isPart = [a, b, c].some(
      (state, index) => (this.#automata[index] as Automaton).depthOf(state) >= HELD,
    );
    if (isPart) return false;
    this.#states[0] = a;
    this.#states[1] = b;
    this.#states[2] = c;
    return true;
  }

  feed(text: string): void {
    const from = this.#text.length;
    this.#text += text;
    this.#shadow += /[\u001b\u009b]/.test(text)
      ? text.replace(LOOKS, (sequence) => '\0'.repeat(sequence.length))
      : text;
    this.#read(from);
  }

  /** What is whole lines and surely no part of a secret that goes on, masked. */
  takeClear(): string {
    const length = this.#text.length;
    if (length > MOST_HELD) return this.takeAll();
    const held = this.#heldFrom(HELD);
    let end = held === length ? length : this.#lineStart(held);
    for (let index = this.#ranges.length - 1; index >= 0; index--) {
      const range = this.#ranges[index] as Range;
      if (range.start < end && range.end > end) end = this.#lineStart(range.start);
    }
    if (end === 0) return '';
    const clear = this.#masked(end, []);
    this.#drop(end);
    return clear;
  }

  /** All that is left, with what may be most of a secret hidden. */
  takeAll(): string {
    const text = this.lookAtRest();
    this.#drop(this.#text.length);
    return text;
  }

  lookAtRest(): string {
    const { length } = this.#text;
    const from = this.#heldFrom(TELLING);
    const hasBreak = /[\n\uffff]$/.test(this.#text);
    return this.#masked(length, from < length ? [{ start: from, end: length - (hasBreak ? 1 : 0) }] : []);
  }

  #read(from: number): void {
    const shadow = this.#shadow;
    const [plain, base64, hex] = this.#automata;
    let [a, b, c] = this.#states;
    for (let index = from; index < shadow.length; index++) {
      const code = shadow.charCodeAt(index);
      if (code < ASCII) {
        a = plain.next[a + (plain.symbols[code] as number)] as number;
        b = base64.next[b + (base64.symbols[code] as number)] as number;
        c = hex.next[c + (hex.symbols[code] as number)] as number;
      } else {
        a = plain.next[a + plain.symbolOf(code)] as number;
        b = base64.next[b + base64.symbolOf(code)] as number;
        c = hex.next[c + hex.symbolOf(code)] as number;
      }
      if (a >= plain.foundFrom) this.#found(plain, a, index);
      if (b >= base64.foundFrom) this.#found(base64, b, index);
      if (c >= hex.foundFrom) this.#found(hex, c, index);
    }
    this.#states[0] = a;
    this.#states[1] = b;
    this.#states[2] = c;
  }

  #found(automaton: Automaton, state: number, last: number): void {
    // A gap after a word finds it again.
    if (automaton.isGap(this.#shadow.charCodeAt(last))) return;
    for (const word of automaton.foundAt(state)) {
      const start = this.#startOf(automaton, word.length, last + 1);
      const end = last + 1;
      if (word.exact !== null && this.#text.slice(start, end).replaceAll(CUT, '') !== word.exact) continue;
      this.#note(automaton === this.#automata[1] ? this.#wholeBase64(start, end) : { start, end });
      return;
    }
  }

  /** Ranges stay in order and apart: a new one takes over those that it reaches. */
  #note({ start, end }: Range): void {
    let first = start;
    let last = end;
    for (
      let before = this.#ranges.at(-1);
      before !== undefined && before.end >= first;
      before = this.#ranges.at(-1)
    ) {
      first = Math.min(first, before.start);
      last = Math.max(last, before.end);
      this.#ranges.pop();
    }
    this.#ranges.push({ start: first, end: last });
  }

  /** The characters at both ends, which a secret decides only in part, and the padding, belong to it. */
  #wholeBase64(start: number, end: number): Range {
    const isDigit = (index: number) => /[A-Za-z0-9+/_-]/.test(this.#text[index] ?? '');
    let last = isDigit(end) ? end + 1 : end;
    while (this.#text[last] === '=') last++;
    return { start: start > 0 && isDigit(start - 1) ? start - 1 : start, end: last };
  }

  /** Where so many characters that count begin, before `end`. */
  #startOf(automaton: Automaton, count: number, end: number): number {
    let start = end;
    for (let left = count; left > 0 && start > 0; ) {
      start--;
      if (!automaton.isGap(this.#shadow.charCodeAt(start))) left--;
    }
    return start;
  }

  /** Where what may become a secret begins; the end of the text when there is nothing of that length. */
  #heldFrom(least: number): number {
    const { length } = this.#text;
    return this.#automata.reduce((from, automaton, index) => {
      const depth = automaton.depthOf(this.#states[index] as number);
      const enough = this.#text.endsWith(CUT) ? Math.min(least, 1) : least;
      return depth < enough ? from : Math.min(from, this.#startOf(automaton, depth, length));
    }, length);
  }

  #lineStart(index: number): number {
    const text = this.#text;
    if (index === 0) return 0;
    return Math.max(text.lastIndexOf('\n', index - 1), text.lastIndexOf(CUT, index - 1)) + 1;
  }

  #masked(end: number, more: readonly Range[]): string {
    const ranges = [...this.#ranges.filter(({ start }) => start < end), ...more];
    if (ranges.length === 0) return end === this.#text.length ? this.#text : this.#text.slice(0, end);
    let masked = '';
    let at = 0;
    for (const range of ranges.sort((one, other) => one.start - other.start)) {
      if (range.start >= at) masked += this.#text.slice(at, range.start) + MASK;
      at = Math.max(at, range.end);
    }
    return masked + this.#text.slice(at, end);
  }

  #drop(end: number): void {
    this.#text = this.#text.slice(end);
    this.#shadow = this.#shadow.slice(end);
    this.#ranges = this.#ranges
      .filter((range) => range.end > end)
      .map((range) => ({ start: range.start - end, end: range.end - end }));
  }
}
