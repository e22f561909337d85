/** How a grain of a VMDK becomes compressed bytes: deflate at a pinned level in libuv's threads, or what an earlier image holds. */
import { promisify } from 'node:util';
import { deflate, inflate, type ZlibOptions } from 'node:zlib';
import { GRAIN_BYTES } from './vmdk-layout.ts';

/** Turns a grain into an RFC 1950 stream, which depends on the grain's bytes alone. */
export interface GrainCompressor {
  /** `index` is the grain's place on the disk: a hint for who looks for the same grain elsewhere. */
  compress(grain: Uint8Array, index: number): Promise<Uint8Array>;
}

/** Grains of another image, compressed by the compressor whose work they are to save. */
export interface CompressedGrains {
  /** The stream of a grain; null when the image does not hold it. */
  stream(index: number): Promise<Uint8Array | null>;
}

const deflateInThread = promisify<Uint8Array, ZlibOptions, Buffer>(deflate);
/** With `info`, which the types do not know of. */
const inflateInThread = promisify(inflate) as unknown as (
  stream: Uint8Array,
  options: ZlibOptions & { readonly info: true },
) => Promise<{ readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } }>;

/** zlib at `level` (1 to 9), everything else that could change the bytes pinned. */
export function zlibCompressor(level: number): GrainCompressor {
  const options: ZlibOptions = { level, memLevel: 8, windowBits: 15, strategy: 0, chunkSize: 1 << 16 };
  return { compress: (grain) => deflateInThread(grain, options) };
}

interface ReusingCompressor extends GrainCompressor {
  /** How many grains were taken over. */
  reused(): number;
}

/**
 * Takes a grain's stream from `earlier` if it gives the very same bytes, else has `base` make it. Inflating costs an eighth
 * of deflating and proves what it saves: a damaged stream only costs time, and nothing has to be remembered beside the image.
 */
export function reusingCompressor(base: GrainCompressor, earlier: CompressedGrains): ReusingCompressor {
  let reused = 0;
  return {
    reused: () => reused,
    async compress(grain, index) {
      const stream = await earlier.stream(index);
      if (stream === null || !(await holds(stream, grain))) return base.compress(grain, index);
      reused += 1;
      return stream;
    },
  };
}

async function holds(stream: Uint8Array, grain: Uint8Array): Promise<boolean> {
  const options = { chunkSize: GRAIN_BYTES, maxOutputLength: GRAIN_BYTES, info: true } as const;
  const inflated = await inflateInThread(stream, options).catch(() => null);
  // What followed the stream's end would be taken over, too.
  return inflated !== null && inflated.engine.bytesWritten === stream.length && inflated.buffer.equals(grain);
}
