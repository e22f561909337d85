/** How a grain of a VMDK becomes compressed bytes: deflate at a pinned level, in libuv's threads. */
import { promisify } from 'node:util';
import { deflate, type ZlibOptions } from 'node:zlib';

/**
 * Turns a grain into an RFC 1950 stream. It must depend on the grain's bytes alone: what remembers grains by their content
 * from one run to the next can stand in its place.
 */
export interface GrainCompressor {
  compress(grain: Uint8Array): Promise<Uint8Array>;
}

const deflateInThread = promisify<Uint8Array, ZlibOptions, Buffer>(deflate);

/** zlib at `level` (1 to 9), everything else that could change the bytes pinned. */
export function zlibCompressor(level: number): GrainCompressor {
  const options: ZlibOptions = { level, memLevel: 8, windowBits: 15, strategy: 0, chunkSize: 1 << 16 };
  return { compress: (grain) => deflateInThread(grain, options) };
}
