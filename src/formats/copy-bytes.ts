/** Copying from a source to a sink in pieces of fixed size. */
import type { Appender, ByteSource } from '../model/bytes.ts';

const PIECE_BYTES = 1 << 20;

/** Copies exactly `sizeBytes` from the start of a source. A source that ends before is a bug: its size was read from it. */
export async function copyExactly(
  source: ByteSource,
  sizeBytes: number,
  sink: Appender,
  onBytes?: (count: number) => void,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes));
  for (let done = 0; done < sizeBytes; ) {
    const piece = buffer.subarray(0, Math.min(PIECE_BYTES, sizeBytes - done));
    const count = await source.read(piece, done);
    if (count === 0) throw new Error(`a source ended after ${done} of ${sizeBytes} bytes`);
    await sink.write(piece.subarray(0, count));
    onBytes?.(count);
    done += count;
  }
}
