/** Finds many words in one pass over a text that comes piece by piece (Aho and Corasick), past characters that do not count. */

/** What becomes of a character before it is compared: a character, or null when it does not count. */
type Fold = (character: string) => string | null;

export interface Word {
  /** As it was given; null when it may be found in either case and past characters that do not count. */
  readonly exact: string | null;
  /** Characters that count. */
  readonly length: number;
}

/** A word shorter than this is found only as it stands: past gaps and in either case it would be found by chance. */
const SHORTEST_LOOSE = 8;
/** Symbols of the alphabet; every character is one of them. */
const OTHER = 0;
const GAP = 1;
const FIRST_OWN = 2;
/** Character codes below it have their symbol in a table. */
export const ASCII = 128;

/** An automaton over folded characters. Its state is one number, 0 at the beginning. */
export class Automaton {
  /** Symbol by character code, for ASCII. */
  readonly symbols = new Uint8Array(ASCII);
  /** Next state by state plus symbol; states are multiples of `width`. */
  readonly next: Int32Array;
  readonly width: number;
  /** States from here on have found something. */
  readonly foundFrom: number;
  readonly #others = new Map<number, number>();
  readonly #fold: Fold;
  readonly #depths: Int32Array;
  /** By state less `foundFrom`: all that ends there, the longest first. */
  readonly #found: readonly (readonly Word[])[];

  constructor(words: Iterable<string>, fold: Fold) {
    this.#fold = fold;
    const folded = [...words].map((word) => [word, foldAll(word, fold)] as const);
    this.width = this.#makeAlphabet(folded.map(([, characters]) => characters));
    const trie = new Trie();
    for (const [word, characters] of folded) {
      if (characters.length === 0) continue;
      const symbols = Array.from(characters, (character) => this.symbolOf(character.charCodeAt(0)));
      trie.add(symbols, {
        exact: characters.length < SHORTEST_LOOSE ? word : null,
        length: characters.length,
      });
    }
    const order = trie.inOrder();
    const states = new Int32Array(order.length);
    for (const [index, node] of order.entries()) states[node] = index * this.width;
    this.next = new Int32Array(order.length * this.width);
    this.#depths = new Int32Array(order.length);
    const quiet = order.filter((node) => trie.found[node]?.length === 0).length;
    this.foundFrom = quiet * this.width;
    this.#found = order.slice(quiet).map((node) => trie.found[node] ?? []);
    for (const node of trie.breadthFirst) {
      const state = states[node] as number;
      this.#depths[state / this.width] = trie.depths[node] as number;
      const fallback = states[trie.fallbacks[node] as number] as number;
      for (let symbol = 0; symbol < this.width; symbol++) {
        const child = trie.children[node]?.get(symbol);
        const otherwise = node === 0 ? 0 : (this.next[fallback + symbol] as number);
        this.next[state + symbol] = child === undefined ? otherwise : (states[child] as number);
      }
      this.next[state + GAP] = state;
    }
  }

  symbolOf(code: number): number {
    if (code < ASCII) return this.symbols[code] as number;
    const known = this.#others.get(code);
    if (known !== undefined) return known;
    return this.#fold(String.fromCharCode(code)) === null ? GAP : OTHER;
  }

  isGap(code: number): boolean {
    return this.symbolOf(code) === GAP;
  }

  /** How many characters that count lead to a state: so long is what may become a word. */
  depthOf(state: number): number {
    return this.#depths[state / this.width] as number;
  }

  /** What ends at a state that is not before `foundFrom`. */
  foundAt(state: number): readonly Word[] {
    return this.#found[(state - this.foundFrom) / this.width] as readonly Word[];
  }

  #makeAlphabet(words: readonly string[]): number {
    const own = new Map<string, number>();
    for (const character of words.join('')) {
      for (const unit of character.split('')) if (!own.has(unit)) own.set(unit, FIRST_OWN + own.size);
    }
    for (let code = 0; code < ASCII; code++) {
      const character = this.#fold(String.fromCharCode(code));
      this.symbols[code] = character === null ? GAP : (own.get(character) ?? OTHER);
    }
    for (const [character, symbol] of own) {
      // A letter beyond ASCII is compared as it is: its other case is another letter.
      if (character.charCodeAt(0) >= ASCII) this.#others.set(character.charCodeAt(0), symbol);
    }
    return FIRST_OWN + own.size;
  }
}

function foldAll(word: string, fold: Fold): string {
  return word
    .split('')
    .map((character) => fold(character) ?? '')
    .join('');
}

/** The words as a tree, with the links that lead from a state to the longest other one that it ends with. */
class Trie {
  readonly children: Map<number, number>[] = [new Map()];
  readonly depths: number[] = [0];
  readonly found: Word[][] = [[]];
  readonly fallbacks: number[] = [0];
  readonly breadthFirst: number[] = [0];

  add(symbols: readonly number[], word: Word): void {
    let node = 0;
    for (const symbol of symbols) {
      const known = this.children[node]?.get(symbol);
      node = known ?? this.#grow(node, symbol);
    }
    const here = this.found[node] as Word[];
    if (!here.some(({ exact }) => exact === word.exact)) here.push(word);
  }

  /** All nodes, with those at which nothing ends first: then one comparison tells them apart. */
  inOrder(): readonly number[] {
    this.#link();
    const nodes = this.children.map((_, node) => node);
    const isQuiet = (node: number) => this.found[node]?.length === 0;
    return [...nodes.filter(isQuiet), ...nodes.filter((node) => !isQuiet(node))];
  }

  #grow(parent: number, symbol: number): number {
    const node = this.children.length;
    this.children.push(new Map());
    this.depths.push((this.depths[parent] as number) + 1);
    this.found.push([]);
    this.fallbacks.push(0);
    this.children[parent]?.set(symbol, node);
    return node;
  }

  #link(): void {
    // The list grows while it is walked.
    for (const node of this.breadthFirst) {
      for (const [symbol, child] of this.children[node] as Map<number, number>) {
        this.breadthFirst.push(child);
        if (node === 0) continue;
        let back = this.fallbacks[node] as number;
        while (back !== 0 && !this.children[back]?.has(symbol)) back = this.fallbacks[back] as number;
        const fallback = this.children[back]?.get(symbol) ?? 0;
        this.fallbacks[child] = fallback;
        this.found[child]?.push(...(this.found[fallback] as Word[]));
      }
    }
  }
}
