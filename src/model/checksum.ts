/** A checksum against damage, not against people: for what every run reads, which must not load a module for it. */

/**
 * 16 hexadecimal digits over the bytes from `from` on. Each step is one-to-one in what it adds and in what was before, so that
 * whatever changes within one word always shows.
 */
export function checksumOf(bytes: Uint8Array, from = 0): string {
  // Words are only read where they are aligned.
  const isAligned = (bytes.byteOffset + from) % 4 === 0;
  const own = isAligned ? bytes.subarray(from) : new Uint8Array(bytes.subarray(from));
  const words = new Uint32Array(own.buffer, own.byteOffset, own.length >>> 2);
  let one = own.length | 0;
  let two = ~own.length;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] as number;
    one = Math.imul(one ^ word, 0x85ebca6b);
    one = (one << 13) | (one >>> 19);
    two = Math.imul((two + word) | 0, 0xc2b2ae35);
    two ^= two >>> 15;
  }
  for (let at = words.length * 4; at < own.length; at += 1) {
    one = Math.imul(one ^ (own[at] as number), 0x85ebca6b) ^ (one >>> 9);
    two = Math.imul((two + (own[at] as number)) | 0, 0xc2b2ae35);
  }
  return hex(one) + hex(two);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
