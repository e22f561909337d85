/** What a cache holds, for `bake cache`: every result with its sizes, and which blobs nobody names. What is damaged or of another shape is left out. */
import { isRefused } from '../host/errno.ts';
import type { Host, Stamp } from '../host/host.ts';
import type { PrivateLayout } from '../incremental/private-place.ts';
import type { ActionResult } from '../model/action.ts';
import type { Content } from '../model/artifact.ts';
import { type Digest, digestOfHex } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
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
  /** The first thing that is there and could not be read: what rests on it is not among the rest. */
  readonly trouble: HostFailure | null;
}

/** Hears of what cannot be read. */
type Tell = (failure: HostFailure | null) => void;

/** Reads the whole index and the names of all blobs; touches nothing. Empty for a directory that is no cache. */
export async function readContents(host: Host, directory: string): Promise<Contents> {
  const layout = layoutOf(directory);
  const records = new Map<string, Digest>();
  const results: ListedResult[] = [];
  let trouble: HostFailure | null = null;
  const tell: Tell = (failure) => {
    if (failure !== null && isRefused(failure)) trouble ??= failure;
  };
  for (const { key, digest, time } of await readIndex(host, layout, tell)) {
    if (!(key.startsWith('result:') || key.startsWith('latest:'))) continue;
    records.set(key, digest);
    if (!key.startsWith('result:')) continue;
    const result = await readResult(host, layout.blob(digest), tell);
    if (result === null || resultKey(result.fingerprint) !== key) continue;
    const usedAtMs = host.files.stamp(layout.bucket(key))?.mtimeMs ?? time;
    results.push({
      result,
      sizeBytes: sizeOf(result),
      storedAtMs: time,
      lastUsedAtMs: Math.min(Math.max(usedAtMs, time), LATEST_MS),
      needs: await needsOf(host, layout, result, tell),
    });
  }
  results.sort(
    (a, b) => b.storedAtMs - a.storedAtMs || (a.result.fingerprint < b.result.fingerprint ? -1 : 1),
  );
  const own = ownLayout(host, directory);
  const sides = own === null ? [] : listSides(host, own);
  const blobs = listBlobs(host, layout, tell);
  return { layout, own, results, blobs, records, sides, trouble };
}

async function readResult(host: Host, path: string, tell: Tell): Promise<ActionResult | null> {
  if (!mayBeFile(host, path)) return null;
  const bytes = await host.files.readBytes(path, { noFollow: true });
  if (!bytes.ok) tell(bytes.failure);
  return bytes.ok ? decodeResult(bytes.value) : null;
}

/** Of what cannot be looked at, reading tells what is wrong. */
function mayBeFile({ files }: Host, path: string): boolean {
  return ['file', 'unknown'].includes(files.stamp(path)?.type ?? '');
}

/** Every entry that lies where its key is looked for. */
async function readIndex(host: Host, layout: Layout, tell: Tell): Promise<readonly IndexEntry[]> {
  const entries: IndexEntry[] = [];
  const walked = host.files.walk(layout.index);
  tell(walked.trouble);
  for (const { path, type } of walked.entries) {
    const bucket =
      type === 'file' ? await host.files.readText(`${layout.index}/${path}`, { noFollow: true }) : null;
    if (bucket?.ok === false) tell(bucket.failure);
    const entry = bucket?.ok ? decodeEntry(bucket.value, null) : null;
    if (entry !== null && layout.bucket(entry.key) === `${layout.index}/${path}`) entries.push(entry);
  }
  return entries;
}

function listBlobs(host: Host, layout: Layout, tell: Tell): readonly ListedBlob[] {
  const blobs: ListedBlob[] = [];
  const walked = host.files.walk(layout.content);
  tell(walked.trouble);
  for (const { path, type } of walked.entries) {
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

async function needsOf(host: Host, layout: Layout, result: ActionResult, tell: Tell): Promise<Set<Digest>> {
  const needs = new Set<Digest>();
  if (result.log !== null) needs.add(result.log.digest);
  for (const { content } of result.artifacts) await addNeeds(host, layout, content, { needs, tell });
  return needs;
}

async function addNeeds(
  host: Host,
  layout: Layout,
  content: Content,
  { needs, tell }: { readonly needs: Set<Digest>; readonly tell: Tell },
): Promise<void> {
  if (content.type === 'layers') {
    for (const { digest } of content.layers) needs.add(digest);
    return;
  }
  needs.add(content.digest);
  if (content.type !== 'tree') return;
  const path = layout.blob(content.digest);
  if (!mayBeFile(host, path)) return;
  const manifest = await host.files.readText(path, { noFollow: true });
  if (!manifest.ok) tell(manifest.failure);
  for (const entry of (manifest.ok ? decodeTree(manifest.value) : null) ?? [])
    if (entry.type === 'file') needs.add(entry.digest);
}

/** The blobs that some index key or result names. */
export function namedBlobs(contents: Contents): Set<Digest> {
  const named = new Set<Digest>(contents.records.values());
  for (const { needs } of contents.results) for (const digest of needs) named.add(digest);
  return named;
}
