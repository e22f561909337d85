/** Checksums that name the content of a file to be fetched, and the hashing of what arrives. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ByteSource } from '../../model/bytes.ts';
import { checkoutPath } from './source.ts';

type Algorithm = 'sha256' | 'sha512';

/** What the file must be: at least one of the two. Both must hold when both are given. */
export interface Checksums {
  readonly sha256?: string | undefined;
  readonly sha512?: string | undefined;
}

const DIGITS: Readonly<Record<Algorithm, number>> = { sha256: 64, sha512: 128 };
const READ_BYTES = 1 << 20;

/** The hex digits of a checksum, in either case; lower case afterwards. */
export function hex(algorithm: Algorithm) {
  return z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${DIGITS[algorithm]}}$`), {
      error: `expected the ${DIGITS[algorithm]} hex digits of a ${algorithm}`,
    })
    .transform((digits) => digits.toLowerCase());
}

/** `sha256:<hex>`, `sha512:<hex>`, or `file:<address of a checksum file>`. */
export function checksumText() {
  return z.string().superRefine((text, context) => {
    const problem = problemWith(text);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });
}

function problemWith(text: string): string | null {
  if (statedChecksum(text) !== null) return null;
  const [, method = '', rest = ''] = /^([a-z0-9]+):(.*)$/i.exec(text) ?? [];
  switch (method) {
    case 'sha256':
    case 'sha512':
      return `expected ${DIGITS[method]} hex digits after ${method}:`;
    case 'md5':
    case 'sha1':
      return `${method} can be forged: use sha256 or sha512`;
    case 'file':
      return checksumAddress(text) === null
        ? `expected the https:// address or the path of a checksum file after file:, found "${rest}"`
        : null;
    default:
      return text === 'none'
        ? 'a remote file needs a checksum: without one nobody could tell whether it has changed'
        : 'expected sha256:<hex>, sha512:<hex> or file:<address of a checksum file>';
  }
}

/** The checksum in `sha256:<hex>`; null when the text is something else. */
export function statedChecksum(text: string): Checksums | null {
  const [, algorithm, digits = ''] = /^(sha256|sha512):([0-9a-fA-F]+)$/.exec(text) ?? [];
  if (algorithm !== 'sha256' && algorithm !== 'sha512') return null;
  return digits.length === DIGITS[algorithm] ? { [algorithm]: digits.toLowerCase() } : null;
}

/** The address in `file:<address>`: a URL, which may be a file URL, an absolute path, or one beside the pipeline; null when the text is something else. */
export function checksumAddress(text: string): string | null {
  const rest = /^file:(.+)$/.exec(text)?.[1];
  if (rest === undefined) return null;
  if (/^https?:\/\//i.test(rest)) return URL.canParse(rest) ? rest : null;
  if (rest.startsWith('///')) return rest.slice(2);
  if (rest.startsWith('/')) return rest.startsWith('//') ? null : rest;
  return checkoutPath(rest);
}

/** Hashes bytes as they come, by every algorithm that is wanted. */
export interface Hashing {
  add(bytes: Uint8Array): void;
  /** May be asked in between; more can be added afterwards. */
  found(): Checksums;
}

export function hashingFor(wanted: Checksums): Hashing {
  const algorithms = (['sha256', 'sha512'] as const).filter((name) => wanted[name] !== undefined);
  const hashes = algorithms.map((name) => [name, createHash(name)] as const);
  return {
    add: (bytes) => {
      for (const [, hash] of hashes) hash.update(bytes);
    },
    found: () => Object.fromEntries(hashes.map(([name, hash]) => [name, hash.copy().digest('hex')])),
  };
}

/** Adds a whole file, a MiB at a time. */
export async function addAll(source: ByteSource, hashing: Hashing): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  for (let offset = 0; offset < source.sizeBytes; ) {
    const count = await source.read(buffer, offset);
    if (count === 0) return;
    hashing.add(buffer.subarray(0, count));
    offset += count;
  }
}

interface Mismatch {
  readonly algorithm: Algorithm;
  readonly expected: string;
  readonly actual: string;
}

/** The first checksum that does not hold; null when all do. */
export function mismatch(wanted: Checksums, found: Checksums): Mismatch | null {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const [expected, actual = ''] = [wanted[algorithm], found[algorithm]];
    if (expected !== undefined && expected !== actual) return { algorithm, expected, actual };
  }
  return null;
}
