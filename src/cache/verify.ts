/** Reads a cache again: whether blobs are what their names say, records have their shape, and results have their blobs; and mends it. */
import type { Host, Stamp } from '../host/host.ts';
import type { ActionResult } from '../model/action.ts';
import type { Content } from '../model/artifact.ts';
import { type Digest, digestOfHex, hexOf } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { ok, type Result } from '../model/result.ts';
import { decodeResult } from './decode-result.ts';
import { decodeEntry, type IndexEntry } from './index-entry.ts';
import { blobKey } from './index-store.ts';
import { type Layout, layoutOf } from './layout.ts';
import { decodeTree } from './tree.ts';

/** What is wrong with one thing. */
export interface Damage {
  readonly what: 'blob' | 'entry' | 'result';
  /** Absolute. */
  readonly path: string;
  readonly problem: string;
  /** The stage whose result cannot be used, where that is known. */
  readonly action: string | null;
}

export interface Verification {
  readonly directory: string;
  readonly blobs: { readonly count: number; readonly checked: number; readonly checkedBytes: number };
  readonly results: number;
  readonly damage: readonly Damage[];
  /** What could not be read: nothing is known of it. */
  readonly unreadable: readonly { readonly path: string; readonly errno: string }[];
}

export interface VerifyOptions {
  /** How many of so many blobs are read. */
  readonly sample: (count: number) => number;
  readonly onProgress: (checked: number, of: number, bytes: number) => void;
  readonly signal: AbortSignal;
}

/** Hears of what could not be read. */
type Tell = (trouble: { readonly path: string; readonly errno: string } | null) => void;

/** Two levels of directories, then the rest of 64 digits: cacache's layout. */
const FANNED = /^[0-9a-f]{2}\/[0-9a-f]{2}\/[0-9a-f]{60}$/;

/** Reads without changing anything. */
export async function verifyCache(
  host: Host,
  directory: string,
  options: VerifyOptions,
): Promise<Verification> {
  const layout = layoutOf(directory);
  const unreadable: { path: string; errno: string }[] = [];
  const trouble: Tell = (one) => {
    if (one !== null) unreadable.push({ path: one.path, errno: one.errno });
  };
  const checked = await verifyBlobs(host, layout, options, trouble);
  const listed = await verifyIndex(host, layout, checked.wrong, trouble);
  return {
    directory,
    blobs: checked.blobs,
    results: listed.results,
    damage: [...checked.damage, ...listed.damage],
    unreadable,
  };
}

/** Moves what is damaged into the quarantine and drops the records that rest on it; stops at the first thing that cannot be moved. */
export async function repairCache(
  host: Host,
  { directory, damage }: Verification,
): Promise<Result<void, HostFailure>> {
  const layout = layoutOf(directory);
  const made = damage.length === 0 ? ok(undefined) : await host.files.makeDirectory(layout.quarantine);
  if (!made.ok) return made;
  // Results first: whoever is interrupted leaves blobs that nobody names.
  for (const { what, path } of damage) {
    const gone = what === 'blob' ? ok(undefined) : await host.files.remove(path);
    if (!gone.ok) return gone;
  }
  for (const { what, path } of damage) {
    if (what !== 'blob') continue;
    const name = path.slice(layout.content.length + 1).replaceAll('/', '');
    const aside = `${layout.quarantine}/${name}-${host.clock.nowMs().toString(36)}`;
    const moved = host.files.stamp(path) === null ? ok(undefined) : await host.files.rename(path, aside);
    if (!moved.ok) return moved;
    await host.files.remove(layout.bucket(blobKey(digestOfHex(name))));
  }
  return ok(undefined);
}

interface CheckedBlobs extends Pick<Verification, 'blobs' | 'damage'> {
  readonly wrong: ReadonlySet<Digest>;
}

async function verifyBlobs(
  host: Host,
  layout: Layout,
  { sample, onProgress, signal }: VerifyOptions,
  trouble: Tell,
): Promise<CheckedBlobs> {
  const walked = host.files.walk(layout.content);
  trouble(walked.trouble);
  const all = walked.entries.filter(({ path }) => FANNED.test(path));
  const chosen = chooseSome(host, all, sample(all.length));
  const damage: Damage[] = [];
  const wrong = new Set<Digest>();
  let checked = 0;
  let checkedBytes = 0;
  const check = async (name: string): Promise<void> => {
    const path = `${layout.content}/${name}`;
    const digest = digestOfHex(name.replaceAll('/', ''));
    const before = host.files.stamp(path);
    const problem = before === null ? null : await blobProblem(host, path, digest, before, trouble);
    checked += 1;
    checkedBytes += before?.type === 'file' ? before.sizeBytes : 0;
    onProgress(checked, chosen.length, checkedBytes);
    if (problem === null) return;
    wrong.add(digest);
    damage.push({ what: 'blob', path, problem, action: null });
  };
  const left = [...chosen];
  // Large ones are read in threads, as many at a time as there are processors.
  const read = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined && !signal.aborted; next = left.pop())
      await check(next.path);
  };
  await Promise.all(Array.from({ length: host.processorCount }, read));
  return { blobs: { count: all.length, checked, checkedBytes }, damage, wrong };
}

/** Null when it is right, went away meanwhile, or could not be read. */
async function blobProblem(
  { files, hashing }: Host,
  path: string,
  digest: Digest,
  { type }: Stamp,
  trouble: Tell,
): Promise<string | null> {
  if (type !== 'file' && type !== 'unknown')
    return `it is a ${type === 'other' ? 'pipe, a socket or a device' : type}`;
  const hashed = await hashing.digestFile(path);
  if (hashed.ok)
    return hashed.value.digest === digest ? null : `its bytes are sha256 ${hexOf(hashed.value.digest)}`;
  if (files.stamp(path) !== null) trouble(hashed.failure);
  return null;
}

/** As many as that, others each time. */
function chooseSome<T extends { readonly path: string }>(
  { hashing, clock }: Host,
  all: readonly T[],
  many: number,
): readonly T[] {
  if (many >= all.length) return all;
  const seed = String(clock.nowMs());
  return all
    .map((one) => ({ one, lot: hashing.digestBytes(seed + one.path) }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, many)
    .map(({ one }) => one);
}

async function verifyIndex(
  host: Host,
  layout: Layout,
  wrong: ReadonlySet<Digest>,
  trouble: Tell,
): Promise<{ readonly results: number; readonly damage: readonly Damage[] }> {
  const walked = host.files.walk(layout.index);
  trouble(walked.trouble);
  const damage: Damage[] = [];
  let results = 0;
  for (const { path: name, type } of walked.entries) {
    if (!FANNED.test(name)) continue;
    const path = `${layout.index}/${name}`;
    const bucket = type === 'file' ? await host.files.readText(path) : null;
    if (bucket?.ok === false) {
      if (host.files.stamp(path) !== null) trouble(bucket.failure);
      continue;
    }
    const entry = bucket === null ? null : decodeEntry(bucket.value, null);
    if (entry?.key.startsWith('result:')) results += 1;
    const found = await entryDamage({ host, layout, wrong, trouble }, path, entry);
    if (found !== null) damage.push(found);
  }
  return { results, damage };
}

/** What results are judged by. */
interface Judging {
  readonly host: Host;
  readonly layout: Layout;
  readonly wrong: ReadonlySet<Digest>;
  readonly trouble: Tell;
}

async function entryDamage(judging: Judging, path: string, entry: IndexEntry | null): Promise<Damage | null> {
  if (entry === null || judging.layout.bucket(entry.key) !== path)
    return { what: 'entry', path, problem: 'it is not an entry of an index', action: null };
  if (!/^(result|latest):/.test(entry.key)) return null;
  const found = await recordProblem(judging, entry.digest, entry.key);
  return found === null ? null : { what: 'result', path, ...found };
}

async function recordProblem(
  judging: Judging,
  digest: Digest,
  key: string,
): Promise<Pick<Damage, 'problem' | 'action'> | null> {
  const { host, layout, wrong, trouble } = judging;
  const path = layout.blob(digest);
  const type = host.files.stamp(path)?.type;
  const bytes = type === 'file' || type === 'unknown' ? await host.files.readBytes(path) : null;
  if (bytes === null) return { problem: 'its record is missing', action: null };
  if (!bytes.ok) {
    if (host.files.stamp(path) !== null) trouble(bytes.failure);
    return null;
  }
  const result = wrong.has(digest) ? null : decodeResult(bytes.value);
  const isIts = result !== null && (key.startsWith('latest:') || key === `result:${result.fingerprint}`);
  if (!isIts) return { problem: 'its record is not that of a result', action: null };
  const problem = await partsProblem(judging, result);
  return problem === null ? null : { problem, action: result.origin.action };
}

/** What is wrong with the blobs that a result rests on. Of what cannot be looked at nothing is known. */
async function partsProblem(
  { host, layout, wrong, trouble }: Judging,
  { log, artifacts }: ActionResult,
): Promise<string | null> {
  const problemOf = (digest: Digest, sizeBytes: number | null): string | null => {
    const path = layout.blob(digest);
    const stamp = host.files.stamp(path);
    if (stamp === null) return `content ${digest} is missing`;
    if (wrong.has(digest)) return `content ${digest} is damaged`;
    if (stamp.type === 'unknown') {
      trouble({ path, errno: stamp.errno ?? 'EIO' });
      return null;
    }
    return stamp.type === 'file' && (sizeBytes ?? stamp.sizeBytes) === stamp.sizeBytes
      ? null
      : `content ${digest} has another size`;
  };
  const partsOf = async (content: Content): Promise<string | null> => {
    if (content.type === 'file') return problemOf(content.digest, content.sizeBytes);
    if (content.type === 'layers')
      return firstOf(content.layers.map((layer) => problemOf(layer.digest, layer.sizeBytes)));
    const own = problemOf(content.digest, null);
    if (own !== null) return own;
    const text = await host.files.readText(layout.blob(content.digest));
    if (!text.ok) {
      const now = problemOf(content.digest, null);
      if (now === null) trouble(text.failure);
      return now;
    }
    const entries = decodeTree(text.value);
    if (entries === null) return `content ${content.digest} is not a directory`;
    return firstOf(
      entries.map((entry) => (entry.type === 'file' ? problemOf(entry.digest, entry.sizeBytes) : null)),
    );
  };
  const ofLog = log === null ? null : problemOf(log.digest, log.sizeBytes);
  if (ofLog !== null) return ofLog;
  for (const { content } of artifacts) {
    const problem = await partsOf(content);
    if (problem !== null) return problem;
  }
  return null;
}

function firstOf(problems: readonly (string | null)[]): string | null {
  return problems.find((problem) => problem !== null) ?? null;
}
