/** One entry of cacache's index (version 5), written by ourselves in one rename: cacache's own insert takes ten times as long. */
import { hash } from 'node:crypto';
import { type Digest, digestOfHex, hexOf, isDigest } from '../model/digest.ts';
import type { JsonObject } from '../model/json.ts';

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
 * says "deleted". Also reads what cacache appended.
 */
export function decodeEntry(bucket: string, key: string | null): IndexEntry | null {
  for (const line of bucket.split('\n').reverse()) {
    const tab = line.indexOf('\t');
    if (tab < 0 || sha1(line.slice(tab + 1)) !== line.slice(0, tab)) continue;
    const value = JSON.parse(line.slice(tab + 1)) as { [field: string]: unknown };
    if (typeof value['key'] !== 'string' || (key !== null && value['key'] !== key)) continue;
    const digest = digestOfIntegrity(value['integrity']);
    if (digest === null) return null;
    return {
      key: value['key'],
      digest,
      sizeBytes: Number(value['size']),
      time: Number(value['time']),
      metadata: (value['metadata'] ?? null) as JsonObject | null,
    };
  }
  return null;
}

/** The digest in `sha256-<base64>`, or null. */
export function digestOfIntegrity(integrity: unknown): Digest | null {
  if (typeof integrity !== 'string' || !integrity.startsWith('sha256-')) return null;
  const digest = digestOfHex(Buffer.from(integrity.slice('sha256-'.length), 'base64').toString('hex'));
  return isDigest(digest) ? digest : null;
}

/** cacache's guard against torn lines; no security rests on it. */
function sha1(text: string): string {
  return hash('sha1', text, 'hex');
}
