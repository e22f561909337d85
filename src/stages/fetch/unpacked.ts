/** Undoes what a server did to a body although it was asked not to: Content-Encoding. */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';

type Unpack = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

const gzip: readonly Unpack[] = [promisify(gunzip)];
/** `deflate` means zlib, and is often sent without its frame. */
const deflate: readonly Unpack[] = [promisify(inflate), promisify(inflateRaw)];
const UNPACK: { readonly [encoding: string]: readonly Unpack[] } = {
  gzip,
  'x-gzip': gzip,
  deflate,
  br: [promisify(brotliDecompress)],
};

/** The bytes as they were before they were encoded, no more than `most`; null when that cannot be had. */
export async function unpacked(
  bytes: Uint8Array,
  encoding: string,
  most: number,
): Promise<Uint8Array | null> {
  for (const unpack of UNPACK[encoding.toLowerCase().trim()] ?? []) {
    const whole = await unpack(bytes, { maxOutputLength: most }).catch(() => null);
    if (whole !== null) return whole;
  }
  return null;
}
