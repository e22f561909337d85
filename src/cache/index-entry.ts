/** One entry of cacache's index (version 5), written by ourselves in one rename: cacache's own insert takes ten times as long. */
import { hash } from 'node:crypto';
import { type Digest, digestOfHex, hexOf, isDigest } from '../model/digest.ts';
import type { JsonObject } from '../model/json.ts';
import { parseJson } from './decode-result.ts';

/** A bucket holds one line of ours; cacache may have appended some. */
const MOST_CHARACTERS = 16 * 1024 * 1024;
/** The latest time that a `Date` can hold. */
export const LATEST_MS = 8.64e15;
const LONGEST_INTEGRITY = 128;

export interface IndexEntry {
  readonly key: string;
  /** The content the key names. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly metadata: JsonObject | null;
}

/** The text of a bucket that holds one entry. Every key has a bucket of its own, because buckets are named by the key's sha256. */
export function encodeEntry(entry: IndexEntry): string {
  const json = JSON.stringify({
    key: entry.key,
    integrity: `sha256-${Buffer.from(hexOf(entry.digest), 'hex').toString('base64')}`,
    time: entry.time,
    size: entry.sizeBytes,
    ...(entry.metadata === null ? {} : { metadata: entry.metadata }),
  });
  return `\n${sha1(json)}\t${json}`;
}

/**
 * The newest sound entry of a bucket for a key, or for whatever key it is when that is null; null when there is none or it
 * says "deleted", or is of any other shape. Also reads what cacache appended. Never throws.
 */
export function decodeEntry(bucket: string, key: string | null): IndexEntry | null {
  if (bucket.length > MOST_CHARACTERS) return null;
  for (const line of bucket.split('\n').reverse()) {
    const tab = line.indexOf('\t');
    if (tab < 0 || sha1(line.slice(tab + 1)) !== line.slice(0, tab)) continue;
    const value = parseJson(line.slice(tab + 1));
    if (!isRecord(value) || typeof value['key'] !== 'string') continue;
    if (key === null || value['key'] === key) return entryOf(value['key'], value);
  }
  return null;
}

function entryOf(key: string, value: Fields): IndexEntry | null {
  const { integrity, time, size = 0, metadata = null } = value;
  const digest = digestOfIntegrity(integrity);
  const isSized = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0;
  const isTimed = typeof time === 'number' && time >= 0 && time <= LATEST_MS;
  if (digest === null || !isSized || !isTimed || (metadata !== null && !isRecord(metadata))) return null;
  return { key, digest, sizeBytes: size, time, metadata: metadata as JsonObject | null };
}

type Fields = { readonly [field: string]: unknown };

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The digest in `sha256-<base64>`, or null. */
function digestOfIntegrity(integrity: unknown): Digest | null {
  if (typeof integrity !== 'string' || integrity.length > LONGEST_INTEGRITY) return null;
  if (!integrity.startsWith('sha256-')) return null;
  const digest = digestOfHex(Buffer.from(integrity.slice('sha256-'.length), 'base64').toString('hex'));
  return isDigest(digest) ? digest : null;
}

/** cacache's guard against torn lines; no security rests on it. */
function sha1(text: string): string {
  return hash('sha1', text, 'hex');
}
