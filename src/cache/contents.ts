/** What a cache holds, for `bake cache`: every result with its sizes, and which blobs nobody names. Read through cacache itself. */
import type { Host, Stamp } from '../host/host.ts';
import type { ActionResult } from '../model/action.ts';
import type { Content } from '../model/artifact.ts';
import { type Digest, digestOfHex } from '../model/digest.ts';
import { digestOfIntegrity } from './index-entry.ts';
import { type Layout, layoutOf } from './layout.ts';
import { decodeResult, resultKey } from './results.ts';
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
}

/** Reads the whole index and the names of all blobs; touches nothing. Empty for a directory that is no cache. */
export async function readContents(host: Host, directory: string): Promise<Contents> {
  const layout = layoutOf(directory);
  const records = new Map<string, Digest>();
  const results: ListedResult[] = [];
  for (const [key, entry] of Object.entries(await readIndex(host, layout))) {
    const digest = digestOfIntegrity(entry.integrity);
    if (digest === null || !(key.startsWith('result:') || key.startsWith('latest:'))) continue;
    records.set(key, digest);
    if (!key.startsWith('result:')) continue;
    const bytes = await host.files.readBytes(layout.blob(digest));
    const result = bytes.ok ? decodeResult(bytes.value) : null;
    if (result === null || resultKey(result.fingerprint) !== key) continue;
    const usedAtMs = host.files.stamp(layout.bucket(key))?.mtimeMs ?? entry.time;
    results.push({
      result,
      sizeBytes: sizeOf(result),
      storedAtMs: entry.time,
      lastUsedAtMs: Math.max(usedAtMs, entry.time),
      needs: await needsOf(host, layout, result),
    });
  }
  results.sort(
    (a, b) => b.storedAtMs - a.storedAtMs || (a.result.fingerprint < b.result.fingerprint ? -1 : 1),
  );
  return { layout, results, blobs: listBlobs(host, layout), records, sides: listSides(host, layout) };
}

interface ForeignEntry {
  readonly integrity: string;
  readonly time: number;
}

/** cacache's own listing: slower than the way we look up one key, but here every key is wanted, once. */
async function readIndex(host: Host, layout: Layout): Promise<{ readonly [key: string]: ForeignEntry }> {
  if (host.files.stamp(layout.index) === null) return {};
  const { default: cacache } = await import('cacache');
  return cacache.ls(layout.root);
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
  const manifest = await host.files.readText(layout.blob(content.digest));
  for (const entry of (manifest.ok ? decodeTree(manifest.value) : null) ?? [])
    if (entry.type === 'file') needs.add(entry.digest);
}

/** The blobs that some index key or result names. */
export function namedBlobs(contents: Contents): Set<Digest> {
  const named = new Set<Digest>(contents.records.values());
  for (const { needs } of contents.results) for (const digest of needs) named.add(digest);
  return named;
}
