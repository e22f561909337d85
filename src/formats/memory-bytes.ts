/** Byte sources and sinks in memory, for small images and for tests. */
import type { ByteSink, ByteSource } from '../model/bytes.ts';

/** Reads from an array. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    read(into, offset) {
      const part = bytes.subarray(offset, offset + into.length);
      into.set(part);
      return Promise.resolve(part.length);
    },
  };
}

/** Keeps what is written; `bytes` gives it back as one array. */
export function memorySink(): ByteSink & { bytes(): Uint8Array } {
  let whole = new Uint8Array(1 << 16);
  let used = 0;
  return {
    write(bytes) {
      if (used + bytes.length > whole.length) {
        const larger = new Uint8Array(Math.max(whole.length * 2, used + bytes.length));
        larger.set(whole.subarray(0, used));
        whole = larger;
      }
      whole.set(bytes, used);
      used += bytes.length;
      return Promise.resolve();
    },
    writeAt(bytes, offset) {
      whole.subarray(0, used).set(bytes, offset);
      return Promise.resolve();
    },
    bytes: () => whole.slice(0, used),
  };
}
