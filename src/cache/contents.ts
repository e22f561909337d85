/** What a cache holds, for `bake cache`: every result with its sizes, and which blobs nobody names. What is damaged or of another shape is left out. */
import type { Host, Stamp } from '../host/host.ts';
import type { PrivateLayout } from '../incremental/private-place.ts';
import type { ActionResult } from '../model/action.ts';
import type { Content } from '../model/artifact.ts';
import { type Digest, digestOfHex } from '../model/digest.ts';
import { decodeResult } from './decode-result.ts';
import { decodeEntry, type IndexEntry, LATEST_MS } from './index-entry.ts';
import { type Layout, layoutOf } from './layout.ts';
import { ownLayout } from './own-place.ts';
import { resultKey } from './results.ts';
import { type ListedSides, listSides } from './sides.ts';
import { decodeTree } from './tree.ts';

export interface ListedResult {
  readonly result: ActionResult;
  /** Of its outputs and log together; what it shares with others is counted too. */
  readonly sizeBytes: number;
  readonly storedAtMs: number;
  /** To the hour. */
  readonly lastUsedAtMs: number;
  /** Every blob that it needs, trees looked through. */
  readonly needs: ReadonlySet<Digest>;
}

export interface ListedBlob {
  readonly digest: Digest;
  readonly stamp: Stamp;
}

/** All that a cache holds at one moment. */
export interface Contents {
  readonly layout: Layout;
  /** Newest first. */
  readonly results: readonly ListedResult[];
  readonly blobs: readonly ListedBlob[];
  /** Blobs that hold results themselves, with the index keys that name them. */
  readonly records: ReadonlyMap<string, Digest>;
  readonly sides: readonly ListedSides[];
  /** What this user alone keeps of the cache. */
  readonly own: PrivateLayout | null;
}

/** Reads the whole index and the names of all blobs; touches nothing. Empty for a directory that is no cache. */
export async function readContents(host: Host, directory: string): Promise<Contents> {
  const layout = layoutOf(directory);
  const records = new Map<string, Digest>();
  const results: ListedResult[] = [];
  for (const { key, digest, time } of await readIndex(host, layout)) {
    if (!(key.startsWith('result:') || key.startsWith('latest:'))) continue;
    records.set(key, digest);
    if (!key.startsWith('result:')) continue;
    const result = await readResult(host, layout.blob(digest));
    if (result === null || resultKey(result.fingerprint) !== key) continue;
    const usedAtMs = host.files.stamp(layout.bucket(key))?.mtimeMs ?? time;
    results.push({
      result,
      sizeBytes: sizeOf(result),
      storedAtMs: time,
      lastUsedAtMs: Math.min(Math.max(usedAtMs, time), LATEST_MS),
      needs: await needsOf(host, layout, result),
    });
  }
  results.sort(
    (a, b) => b.storedAtMs - a.storedAtMs || (a.result.fingerprint < b.result.fingerprint ? -1 : 1),
  );
  const own = ownLayout(host, directory);
  const sides = own === null ? [] : listSides(host, own);
  return { layout, own, results, blobs: listBlobs(host, layout), records, sides };
}

async function readResult(host: Host, path: string): Promise<ActionResult | null> {
  if (host.files.stamp(path)?.type !== 'file') return null;
  const bytes = await host.files.readBytes(path, { noFollow: true });
  return bytes.ok ? decodeResult(bytes.value) : null;
}

/** Every entry that lies where its key is looked for. */
async function readIndex(host: Host, layout: Layout): Promise<readonly IndexEntry[]> {
  const entries: IndexEntry[] = [];
  for (const { path, type } of host.files.walk(layout.index).entries) {
    const bucket =
      type === 'file' ? await host.files.readText(`${layout.index}/${path}`, { noFollow: true }) : null;
    const entry = bucket?.ok ? decodeEntry(bucket.value, null) : null;
    if (entry !== null && layout.bucket(entry.key) === `${layout.index}/${path}`) entries.push(entry);
  }
  return entries;
}

function listBlobs(host: Host, layout: Layout): readonly ListedBlob[] {
  const blobs: ListedBlob[] = [];
  for (const { path, type } of host.files.walk(layout.content).entries) {
    const hex = path.replaceAll('/', '');
    const stamp =
      type === 'file' && /^[0-9a-f]{64}$/.test(hex) ? host.files.stamp(`${layout.content}/${path}`) : null;
    if (stamp !== null) blobs.push({ digest: digestOfHex(hex), stamp });
  }
  return blobs;
}

function sizeOf(result: ActionResult): number {
  const outputs = result.artifacts.reduce((sum, { content }) => sum + content.sizeBytes, 0);
  return outputs + (result.log?.sizeBytes ?? 0);
}

async function needsOf(host: Host, layout: Layout, result: ActionResult): Promise<Set<Digest>> {
  const needs = new Set<Digest>();
  if (result.log !== null) needs.add(result.log.digest);
  for (const { content } of result.artifacts) await addNeeds(host, layout, content, needs);
  return needs;
}

async function addNeeds(host: Host, layout: Layout, content: Content, needs: Set<Digest>): Promise<void> {
  if (content.type === 'layers') {
    for (const { digest } of content.layers) needs.add(digest);
    return;
  }
  needs.add(content.digest);
  if (content.type !== 'tree') return;
  const path = layout.blob(content.digest);
  if (host.files.stamp(path)?.type !== 'file') return;
  const manifest = await host.files.readText(path, { noFollow: true });
  for (const entry of (manifest.ok ? decodeTree(manifest.value) : null) ?? [])
    if (entry.type === 'file') needs.add(entry.digest);
}

/** The blobs that some index key or result names. */
export function namedBlobs(contents: Contents): Set<Digest> {
  const named = new Set<Digest>(contents.records.values());
  for (const { needs } of contents.results) for (const digest of needs) named.add(digest);
  return named;
}
