/** Changes to inputs that are worth trying: bits, numbers of either byte order, pieces copied, cut and spliced, and words that the program compares with. */

const INTERESTING = [
  0, 1, 2, 7, 8, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 1024, 4096, 32_767,
];
const LARGE = [32_768, 65_535, 65_536, 2 ** 20, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 53, 2 ** 63];

/** What a mutation may draw from. */
export interface Material {
  /** A whole number from 0 to before `below`. */
  random(below: number): number;
  /** Words of the program and of what it compared. */
  readonly words: readonly Uint8Array[];
  /** Another input, to splice with. */
  other(): Uint8Array;
  readonly longest: number;
}

/** A changed copy. */
export function mutated(input: Uint8Array, material: Material): Uint8Array {
  let bytes: Uint8Array = new Uint8Array(input);
  for (let left = 1 << material.random(4); left > 0; left--) {
    const change = CHANGES[material.random(CHANGES.length)] as Change;
    bytes = change(bytes, material).subarray(0, material.longest);
  }
  return bytes;
}

type Change = (bytes: Uint8Array, material: Material) => Uint8Array;

const CHANGES: readonly Change[] = [
  function flipBit(bytes, { random }) {
    const at = random(bytes.length);
    if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << random(8));
    return bytes;
  },
  function setByte(bytes, { random }) {
    if (bytes.length > 0) bytes[random(bytes.length)] = random(256);
    return bytes;
  },
  function addToByte(bytes, { random }) {
    const at = random(bytes.length);
    if (bytes.length > 0) bytes[at] = (bytes[at] as number) + random(33) - 16;
    return bytes;
  },
  function setNumber(bytes, { random }) {
    const width = [1, 2, 4, 8][random(4)] as number;
    if (bytes.length < width) return bytes;
    const values = random(3) === 0 ? LARGE : INTERESTING;
    const number = BigInt(values[random(values.length)] as number);
    return withNumber(bytes, random(bytes.length - width + 1), width, number, random(2) === 0);
  },
  function addToNumber(bytes, { random }) {
    const width = [2, 4, 8][random(3)] as number;
    if (bytes.length < width) return bytes;
    const at = random(bytes.length - width + 1);
    const little = random(2) === 0;
    const part = Buffer.from(bytes.subarray(at, at + width));
    if (little) part.reverse();
    const now = BigInt(`0x${part.toString('hex')}`);
    return withNumber(bytes, at, width, now + BigInt(random(65) - 32), little);
  },
  function cut(bytes, { random }) {
    const at = random(bytes.length);
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random(1 << random(10))));
  },
  function end(bytes, { random }) {
    return random(8) === 0 ? bytes.slice(0, random(bytes.length)) : bytes;
  },
  function double(bytes, { random }) {
    const from = random(bytes.length);
    const piece = bytes.subarray(from, from + 1 + random(1 << random(10)));
    const at = random(bytes.length + 1);
    return joined(bytes.subarray(0, at), piece, bytes.subarray(at));
  },
  function copyOver(bytes, { random }) {
    const from = random(bytes.length);
    const piece = bytes.slice(from, from + 1 + random(1 << random(8)));
    const at = random(Math.max(1, bytes.length - piece.length));
    if (at + piece.length <= bytes.length) bytes.set(piece, at);
    return bytes;
  },
  function word(bytes, { random, words }) {
    if (words.length === 0) return bytes;
    const chosen = words[random(words.length)] as Uint8Array;
    const at = random(bytes.length + 1);
    const skipped = random(2) === 0 ? 0 : chosen.length;
    return joined(bytes.subarray(0, at), chosen, bytes.subarray(at + skipped));
  },
  function splice(bytes, { random, other }) {
    const second = other();
    const from = random(second.length);
    const piece = second.subarray(from, from + 1 + random(1 << random(11)));
    const at = random(bytes.length + 1);
    const skipped = random(2) === 0 ? 0 : piece.length;
    return joined(bytes.subarray(0, at), piece, bytes.subarray(at + skipped));
  },
];

function withNumber(bytes: Uint8Array, at: number, width: number, value: bigint, little: boolean) {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt.asUintN(64, value));
  const part = number.subarray(0, width);
  bytes.set(little ? part : part.reverse(), at);
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A generator of whole numbers that gives the same ones for the same seed (Marsaglia's xorshift). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return below <= 1 ? 0 : (state >>> 0) % below;
  };
}
