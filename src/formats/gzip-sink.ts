/** A gzip stream whose pieces are deflated on all cores: the same bytes whatever their number. (RFC 1951, 1952) */
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';
import type { Appender } from '../model/bytes.ts';

const PIECE_BYTES = 1 << 20;
const PIECES_IN_HAND = 6;
const deflatePiece = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** Magic, deflate, no name, time 0, and 255 for the system, so that the header is the same on every host. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
/** An empty last block: each piece ends in a flush, never in an end. */
const LAST_BLOCK = Uint8Array.of(3, 0);

interface GzipSink extends Appender {
  /** Writes what is left and the trailer. Nothing may be written afterwards. */
  end(): Promise<void>;
}

/** Compresses at `level` (1 to 9) what is written, in independent pieces of 1 MiB of one gzip member, and appends it to `sink`. */
export async function gzipSink(sink: Appender, level: number): Promise<GzipSink> {
  const options: ZlibOptions = { level, memLevel: 8, windowBits: 15, finishFlush: constants.Z_SYNC_FLUSH };
  const running: Promise<Buffer>[] = [];
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let used = 0;
  let checksum = 0;
  let total = 0;
  await sink.write(HEADER);

  async function startPiece(): Promise<void> {
    const started = deflatePiece(piece.subarray(0, used), options);
    // Its failure is told when its turn comes; until then it must not count as unhandled.
    started.catch(() => undefined);
    running.push(started);
    piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    used = 0;
    if (running.length >= PIECES_IN_HAND) await sink.write(await (running.shift() as Promise<Buffer>));
  }

  return {
    async write(bytes) {
      checksum = crc32(bytes, checksum);
      total += bytes.length;
      for (let done = 0; done < bytes.length; ) {
        const count = Math.min(PIECE_BYTES - used, bytes.length - done);
        piece.set(bytes.subarray(done, done + count), used);
        used += count;
        done += count;
        if (used === PIECE_BYTES) await startPiece();
      }
    },
    async end() {
      if (used > 0) await startPiece();
      while (running.length > 0) await sink.write(await (running.shift() as Promise<Buffer>));
      const trailer = new Uint8Array(8);
      const view = new DataView(trailer.buffer);
      view.setUint32(0, checksum, true);
      view.setUint32(4, total % 2 ** 32, true);
      await sink.write(LAST_BLOCK);
      await sink.write(trailer);
    },
  };
}
