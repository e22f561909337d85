/**
 * Reads the YAML that most pipelines are written in, ten times as fast as a reader of all YAML: maps and lists by
 * indentation, plain and quoted scalars and `[…]`, `{…}` on one line, scripts after `|`, comments. Whatever is unusual or
 * wrong it does not read at all: that is left to the `yaml` library, which also says what is wrong.
 */
import type { ListNode, MapEntry, MapNode, Node, ScalarNode, Span } from '../model/pipeline.ts';

const KEY = /[A-Za-z0-9_][A-Za-z0-9_./-]*(?=:(?: |$))/my;
const DOUBLE = /"(?:[^"\\\n]|\\["\\/nt])*"/y;
const SINGLE = /'(?:[^'\n]|'')*'/y;
const FLOW_PLAIN = /[A-Za-z0-9_$./][A-Za-z0-9_$/.@%=+*~^-]*(?: +[A-Za-z0-9_$/.=+~^-]+)*(?= *[,\]}])/y;
const FLOW_KEY = /[A-Za-z0-9_][A-Za-z0-9_./-]*(?=: )/y;
/** A plain scalar may begin with these without meaning something else. */
const PLAIN_START = /[A-Za-z0-9_$/(.<=~^\\;]/;
/** Nothing more on a line. */
const LINE_END = / *(?: #[^\n]*)?(?:\n|$)/y;
/** Tabs and other control characters, other line breaks, directives, and several documents. */
const UNUSUAL = /[\u0000-\u0009\u000B-\u001F\u0085\u2028\u2029\uFEFF]|^(?:---|\.\.\.|%)/m;
const INTEGER = /^(?:0|[1-9][0-9]{0,14})$/;
/** Numbers of other forms, and words that YAML takes for something else than text. */
const NOT_SURELY_TEXT = /^(?:[-+]?\.?[0-9]|[-+]?\.(?:inf|nan)|~|null$|true$|false$)/i;
const DEEPEST = 50;

/**
 * The tree of a text, as the library would give it, but for where maps and lists of several lines end: of those only the
 * first line is ever shown. Null when the text is not written in that part of YAML.
 */
export function readPlainYaml(text: string): Node | null {
  if (UNUSUAL.test(text)) return null;
  const reader = new Reader(text);
  const root = reader.toContent() === 0 ? reader.readMap(0, 0) : null;
  return root !== null && reader.at === text.length ? root : null;
}

class Reader {
  /** Where the next token begins, or the end of the text. */
  at = 0;
  /** Where the line of the last value ended, with its line break: there maps and lists end too. */
  #end = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Goes to the first character of this line, or of the next one that holds something; its indentation, or -1 at the end. */
  toContent(): number {
    const text = this.#text;
    if (this.at === text.length) return -1;
    for (let start = this.#lineStart(); ; ) {
      let at = start;
      while (text.charCodeAt(at) === SPACE) at++;
      const code = text.charCodeAt(at);
      if (code === HASH || code === NEWLINE) {
        const end = text.indexOf('\n', at);
        if (end < 0) {
          this.at = text.length;
          return -1;
        }
        start = end + 1;
        continue;
      }
      this.at = at;
      return at === text.length ? -1 : at - start;
    }
  }

  /** A map whose first key is here, `indent` from the beginning of its line. */
  readMap(indent: number, depth: number): MapNode | null {
    const start = this.at;
    const entries: MapEntry[] = [];
    const keys = new Set<string>();
    for (let column = indent; column === indent; column = this.toContent()) {
      const key = this.#match(KEY);
      if (key === null || key === '__proto__' || keys.has(key) || depth > DEEPEST) return null;
      keys.add(key);
      const keySpan = { start: this.at - key.length, end: this.at };
      this.at += 1;
      const value = this.#readAfter(indent, depth);
      if (value === null) return null;
      entries.push({ key, keySpan, value });
    }
    const isOver = this.at === this.#text.length || this.at - this.#lineStart() < indent;
    return isOver ? { type: 'map', entries, start, end: this.#end } : null;
  }

  /** What follows a key: on its line, or indented below it. */
  #readAfter(indent: number, depth: number): Node | null {
    if (this.#match(LINE_END) === null) {
      this.#skipSpaces();
      return this.#readOnLine(indent);
    }
    const column = this.toContent();
    const isList = this.#isListItem();
    if (column > indent) return isList ? this.#readList(column, depth + 1) : this.readMap(column, depth + 1);
    return column === indent && isList ? this.#readList(column, depth + 1) : null;
  }

  #readList(indent: number, depth: number): ListNode | null {
    const start = this.at;
    const items: Node[] = [];
    for (let column = indent; column === indent && this.#isListItem(); column = this.toContent()) {
      const dash = this.at;
      this.at += 1;
      this.#skipSpaces();
      const inner = indent + this.at - dash;
      KEY.lastIndex = this.at;
      const item = KEY.test(this.#text) ? this.readMap(inner, depth + 1) : this.#readOnLine(indent);
      if (item === null || depth > DEEPEST) return null;
      items.push(item);
    }
    return { type: 'list', items, start, end: this.#end };
  }

  #isListItem(): boolean {
    return this.#text.charCodeAt(this.at) === DASH && this.#text.charCodeAt(this.at + 1) === SPACE;
  }

  #lineStart(): number {
    return this.at === 0 ? 0 : this.#text.lastIndexOf('\n', this.at - 1) + 1;
  }

  /** A value that ends with its line, or a script that begins below it. */
  #readOnLine(indent: number): Node | null {
    const code = this.#text.charCodeAt(this.at);
    if (code === BAR) return this.#readScript(indent);
    const isDelimited = code === BRACKET || code === BRACE || code === QUOTE || code === APOSTROPHE;
    const node = isDelimited ? this.#readDelimited(0) : this.#readPlain();
    if (node === null || this.#match(LINE_END) === null) return null;
    this.#end = this.at;
    return node;
  }

  #readPlain(): ScalarNode | null {
    const start = this.at;
    const newline = this.#text.indexOf('\n', start);
    const line = this.#text.slice(start, newline < 0 ? this.#text.length : newline);
    const comment = line.indexOf(' #');
    const source = (comment < 0 ? line : line.slice(0, comment)).trimEnd();
    if (!PLAIN_START.test(source[0] ?? '') || source.includes(': ') || source.endsWith(':')) return null;
    this.at += source.length;
    return plainScalar(source, { start, end: this.at });
  }

  /** Quoted, or a list or map in brackets. */
  #readDelimited(depth: number): Node | null {
    const start = this.at;
    switch (this.#text.charCodeAt(start)) {
      case QUOTE: {
        const quoted = this.#match(DOUBLE);
        return quoted === null ? null : text(JSON.parse(quoted) as string, { start, end: this.at });
      }
      case APOSTROPHE: {
        const quoted = this.#match(SINGLE);
        return quoted === null
          ? null
          : text(quoted.slice(1, -1).replaceAll("''", "'"), { start, end: this.at });
      }
      case BRACKET:
        return depth > DEEPEST ? null : this.#readFlowList(depth);
      case BRACE:
        return depth > DEEPEST ? null : this.#readFlowMap(depth);
      default: {
        const source = this.#match(FLOW_PLAIN);
        return source === null ? null : plainScalar(source, { start, end: this.at });
      }
    }
  }

  #readFlowList(depth: number): ListNode | null {
    const start = this.at++;
    const items: Node[] = [];
    for (let more = !this.#skipTo(']'); more; ) {
      const item = this.#readDelimited(depth + 1);
      if (item === null) return null;
      items.push(item);
      const isLast = this.#skipTo(']');
      if (!isLast && !this.#skipTo(',')) return null;
      more = !isLast;
    }
    return { type: 'list', items, start, end: this.at };
  }

  #readFlowMap(depth: number): MapNode | null {
    const start = this.at++;
    const entries: MapEntry[] = [];
    const keys = new Set<string>();
    for (let more = !this.#skipTo('}'); more; ) {
      const key = this.#match(FLOW_KEY);
      if (key === null || key === '__proto__' || keys.has(key)) return null;
      keys.add(key);
      const keySpan = { start: this.at - key.length, end: this.at };
      this.at += 1;
      this.#skipSpaces();
      const value = this.#readDelimited(depth + 1);
      if (value === null) return null;
      entries.push({ key, keySpan, value });
      const isLast = this.#skipTo('}');
      if (!isLast && !this.#skipTo(',')) return null;
      more = !isLast;
    }
    return { type: 'map', entries, start, end: this.at };
  }

  /** Lines after `|`, indented deeper than what they belong to. */
  #readScript(indent: number): ScalarNode | null {
    const start = this.at;
    if (!this.#text.startsWith('|\n', start)) return null;
    const first = start + 2;
    this.at = first;
    while (this.#text.charCodeAt(this.at) === SPACE) this.at++;
    const own = this.at - first;
    if (own <= indent || this.#text.charCodeAt(this.at) === NEWLINE) return null;
    const margin = ' '.repeat(own);
    let value = '';
    for (this.at = first; this.#text.startsWith(margin, this.at); ) {
      const newline = this.#text.indexOf('\n', this.at);
      if (newline < 0) return null;
      value += this.#text.slice(this.at + own, newline + 1);
      this.at = newline + 1;
    }
    // Empty lines and less indented comments at its end have rules of their own.
    const next = this.#text.charCodeAt(this.at);
    if (next === NEWLINE || /^ *(?:#|\n|$)/.test(this.#text.slice(this.at, this.at + own + 1))) {
      if (this.at < this.#text.length) return null;
    }
    this.#end = this.at;
    return /^ *\n/m.test(value) ? null : text(value, { start, end: this.at });
  }

  #skipSpaces(): void {
    while (this.#text.charCodeAt(this.at) === SPACE) this.at++;
  }

  /** Skips spaces, and the character if it is the next, with the spaces after it. */
  #skipTo(character: string): boolean {
    this.#skipSpaces();
    if (this.#text[this.at] !== character) return false;
    this.at += 1;
    if (character === ',') this.#skipSpaces();
    return true;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text);
    if (found === null) return null;
    this.at += found[0].length;
    return found[0];
  }
}

const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const APOSTROPHE = 39;
const DASH = 45;
const BRACKET = 91;
const BRACE = 123;
const BAR = 124;

function text(value: string, { start, end }: Span): ScalarNode {
  return { type: 'scalar', value, source: value, start, end };
}

function plainScalar(source: string, span: Span): ScalarNode | null {
  if (source === 'true' || source === 'false') return { ...text(source, span), value: source === 'true' };
  if (INTEGER.test(source)) return { ...text(source, span), value: Number(source) };
  return NOT_SURELY_TEXT.test(source) ? null : text(source, span);
}
