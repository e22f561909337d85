/** Disk images in a few bytes: a size and the stretches that are not zeros. So a seed is small, and a mutation hits a header or a table. */
import type { ByteSource } from '../../src/model/bytes.ts';

/** Larger than any image that a seed needs, small enough that looking at all of it takes no time. */
const MOST_IMAGE_BYTES = 2 ** 25;
const UNIT = 16;
const MOST_PIECE = 0xffff - (0xffff % UNIT);

/** No table that a format allows is larger; a header must not make a reader ask for more at once. */
const MOST_AT_ONCE = 2 ** 25;
/** Every table may be read more than once, and each of them is at most as large as the file. */
const MOST_TIMES = 8;

/** Writes down an image: its size, then offset, length and bytes of each stretch that holds something. */
export function encodeImage(image: Uint8Array): Buffer {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.length);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.length);
  const parts: Uint8Array[] = [size];
  const isEmpty = (at: number) => bytes.subarray(at, at + UNIT).every((byte) => byte === 0);
  for (let at = 0; at < bytes.length; ) {
    if (isEmpty(at)) {
      at += UNIT;
      continue;
    }
    let end = at + UNIT;
    while (end < bytes.length && end - at < MOST_PIECE && !isEmpty(end)) end += UNIT;
    const piece = bytes.subarray(at, end);
    const head = Buffer.alloc(6);
    head.writeUInt32LE(at / UNIT);
    head.writeUInt16LE(piece.length, 4);
    parts.push(head, piece);
    at = end;
  }
  return Buffer.concat(parts);
}

/** A stretch of an image that is laid over what is written there. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The stretches of an image that was written down; whatever the bytes are, they are one. */
export function decodeImage(input: Uint8Array): { readonly sizeBytes: number; readonly patches: Patch[] } {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.length);
  if (bytes.length < 4) return { sizeBytes: bytes.length, patches: [{ offset: 0, bytes }] };
  const patches: Patch[] = [];
  for (let at = 4; at + 6 < bytes.length; ) {
    const offset = bytes.readUInt32LE(at) * UNIT;
    const length = bytes.readUInt16LE(at + 4);
    patches.push({ offset, bytes: bytes.subarray(at + 6, at + 6 + length) });
    at += 6 + length;
  }
  return { sizeBytes: bytes.readUInt32LE(0) % (MOST_IMAGE_BYTES + 1), patches };
}

/** Thrown where a reader asks for what it must not ask for. */
class BadRead extends Error {}

/** An image as a source that watches its reader: no offset that is none, no buffer that is too large, no endless work. */
export function imageSource(input: Uint8Array, over: readonly Patch[] = []): ByteSource {
  const { sizeBytes, patches } = decodeImage(input);
  const all = [...patches, ...over];
  let left = MOST_TIMES * sizeBytes + 2 * MOST_AT_ONCE;
  return {
    sizeBytes,
    read(into, offset) {
      if (!Number.isSafeInteger(offset) || offset < 0) throw new BadRead(`a read at ${offset}`);
      if (offset > sizeBytes) throw new BadRead(`a read at ${offset}, behind the end at ${sizeBytes}`);
      if (into.length > MOST_AT_ONCE) throw new BadRead(`a read of ${into.length} bytes at once`);
      const count = Math.min(into.length, sizeBytes - offset);
      left -= count;
      if (left < 0) throw new BadRead(`more is read than ${MOST_TIMES} times the image`);
      into.fill(0, 0, count);
      for (const patch of all) {
        const from = Math.max(offset, patch.offset);
        const to = Math.min(offset + count, patch.offset + patch.bytes.length);
        if (from < to) into.set(patch.bytes.subarray(from - patch.offset, to - patch.offset), from - offset);
      }
      return Promise.resolve(count);
    },
  };
}

/** The bytes at an offset of an image. */
export async function bytesAt(source: ByteSource, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  if (offset >= 0 && offset < source.sizeBytes) await source.read(bytes, offset);
  return bytes;
}
