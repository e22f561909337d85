/** ActionResults as they lie in a store: a small blob each, named by two index keys. */
import { sha256Hex } from '../host/sha256.ts';
import type { ActionResult, Manifest } from '../model/action.ts';
import type { Content } from '../model/artifact.ts';
import { type Digest, type Fingerprint, fingerprintOfHex, isFingerprint } from '../model/digest.ts';
import type { JsonValue } from '../model/json.ts';
import { canonicalJson } from '../model/json.ts';
import { decodeResult } from './decode-result.ts';
import { decodeEntry, type IndexEntry } from './index-entry.ts';
import type { Store } from './store.ts';

const RESULT = 'result:';
const TRACED = 'traced:';
/** So many branches of a project are remembered: each has read other files, or other content of them. */
export const MOST_TRACES = 16;

export function resultKey(fingerprint: Fingerprint): string {
  return `${RESULT}${fingerprint}`;
}

/** The newest result of a pipeline's action. */
export function latestKey(pipeline: string, action: string): string {
  return `latest:${pipeline}/${action}`;
}

/** The results that the same work had, by what it read: see `tracedKeyOf`. */
export function tracedKey(key: Fingerprint): string {
  return `${TRACED}${key}`;
}

/** The fingerprint of the work itself, without what it read; null where that was not watched. */
export function tracedKeyOf({ reads, ...work }: Manifest): Fingerprint | null {
  if (reads === undefined) return null;
  return fingerprintOfHex(sha256Hex(Buffer.from(canonicalJson(work as unknown as JsonValue), 'utf8')));
}

/** The fingerprints that an entry under a traced key lists, newest first. */
export function tracedIn({ metadata }: Pick<IndexEntry, 'metadata'>): readonly Fingerprint[] {
  const listed = metadata?.['fingerprints'];
  const texts: readonly JsonValue[] = Array.isArray(listed) ? listed : [];
  return texts
    .filter((one) => typeof one === 'string')
    .filter(isFingerprint)
    .slice(0, MOST_TRACES);
}

export function encodeResult(result: ActionResult): string {
  return canonicalJson(result as unknown as JsonValue);
}

/** The digests that a result names itself: artifacts, trees (not the files in them), layers, log. */
export function digestsOf(result: ActionResult): Set<Digest> {
  const digests = new Set<Digest>();
  for (const { content } of result.artifacts) for (const { digest } of partsOf(content)) digests.add(digest);
  if (result.log !== null) digests.add(result.log.digest);
  return digests;
}

/** The blobs that content names itself; for a tree its manifest, whose size is not known here. */
function partsOf(
  content: Content,
): readonly { readonly digest: Digest; readonly sizeBytes: number | null }[] {
  switch (content.type) {
    case 'file':
      return [content];
    case 'tree':
      return [{ digest: content.digest, sizeBytes: null }];
    case 'layers':
      return content.layers;
  }
}

interface StoredResult {
  readonly entry: IndexEntry;
  readonly result: ActionResult;
}

/** Every result of a store that can be read. */
export async function listResults(store: Store): Promise<readonly StoredResult[]> {
  const found: StoredResult[] = [];
  for (const layout of store.layouts()) {
    for (const file of store.host.files.walk(layout.index).entries) {
      if (file.type !== 'file' || store.isHidden(`${layout.index}/${file.path}`)) continue;
      const stored = await readStored(store, `${layout.index}/${file.path}`);
      if (stored !== null) found.push(stored);
    }
  }
  return found;
}

/** The result that an index file names; null when it names something else, or nothing that can be read. */
async function readStored(store: Store, indexFile: string): Promise<StoredResult | null> {
  const { files } = store.host;
  const bucket = await files.readText(indexFile, { noFollow: true });
  const entry = bucket.ok ? decodeEntry(bucket.value, null) : null;
  if (entry === null || !entry.key.startsWith(RESULT)) return null;
  const { path, stamp } = store.locate(entry.digest);
  const bytes = stamp?.type === 'file' ? await files.readBytes(path, { noFollow: true }) : null;
  const result = bytes?.ok ? decodeResult(bytes.value) : null;
  return result !== null && resultKey(result.fingerprint) === entry.key ? { entry, result } : null;
}
