/** Where two results of one stage differ: byte by byte, directories file by file, disks by the files in them. */
import type { PartitionDiff } from '../formats/disk-diff.ts';
import type { Artifact, Content, LayeredContent, TreeEntry } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import { canonicalJson, type JsonValue } from '../model/json.ts';
import type { PlannedAction } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { compareDisks } from './compare-disks.ts';
import type { Project } from './wiring.ts';

/** What differs of one output. */
export type Difference =
  | { readonly type: 'bytes'; readonly firstByte: number; readonly sizes: readonly [number, number] }
  /** Only the executable bit, who may read it, or attributes. */
  | { readonly type: 'mode' }
  /** One is a directory, the other is none. */
  | { readonly type: 'kind' }
  | { readonly type: 'files'; readonly files: readonly FileDifference[] }
  | { readonly type: 'disk'; readonly partitions: readonly PartitionDiff[] };

/** A path in a directory that differs. */
export interface FileDifference {
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** Of two files that hold other bytes. */
  readonly firstByte: number | null;
}

export interface ComparedOutput {
  readonly name: string;
  readonly stored: Artifact;
  readonly rebuilt: Artifact;
  /** Null when they are the same. */
  readonly difference: Difference | null;
}

/** Compares what an action made with what is stored of it, output by output in the order of the plan. */
export async function compareOutputs(
  project: Project,
  action: PlannedAction,
  stored: readonly Artifact[],
  rebuilt: readonly Artifact[],
  signal: AbortSignal,
): Promise<Result<readonly ComparedOutput[], Failure>> {
  const compared: ComparedOutput[] = [];
  for (const { name, format } of action.outputs) {
    const [was, is] = [stored, rebuilt].map((some) => some.find((one) => one.name === name));
    if (was === undefined || is === undefined) throw new Error(`no artifact: ${action.name} ${name}`);
    const difference = await compareContents(project, was, is, format, signal);
    if (!difference.ok) return difference;
    compared.push({ name, stored: was, rebuilt: is, difference: difference.value });
  }
  return ok(compared);
}

async function compareContents(
  project: Project,
  was: Artifact,
  is: Artifact,
  format: PlannedAction['outputs'][number]['format'],
  signal: AbortSignal,
): Promise<Result<Difference | null, Failure>> {
  const [before, after] = [was.content, is.content];
  if (before.digest === after.digest) return ok(isAlike(before, after) ? null : { type: 'mode' });
  if (before.type === 'tree' || after.type === 'tree')
    return before.type === after.type ? compareTrees(project, before, after) : ok({ type: 'kind' });
  const statement = format === undefined ? {} : { format };
  const [one, other] = [
    { content: before, name: was.path, ...statement },
    { content: after, name: is.path, ...statement },
  ];
  // What holds no disk is compared as bytes, and so is a disk with nothing in it that can be read.
  const disks = await compareDisks(project, one, other, sharedLayers(before, after), signal);
  const partitions = disks.ok ? disks.value.partitions : [];
  if (partitions.some(isTelling)) return ok({ type: 'disk', partitions });
  if (before.type === 'layers' || after.type === 'layers')
    return disks.ok ? ok({ type: 'disk', partitions }) : disks;
  return compareFiles(project, before, after);
}

function isTelling({ changes }: PartitionDiff): boolean {
  return changes !== null && changes.added.length + changes.removed.length + changes.changed.length > 0;
}

/** Whether all that is kept of two contents of the same bytes is the same. */
function isAlike(before: Content, after: Content): boolean {
  const [was, is] = [before, after].map((content) => canonicalJson(content as unknown as JsonValue));
  return was === is;
}

function sharedLayers(before: Content, after: Content): number {
  const [one, other] = [layersOf(before), layersOf(after)];
  const at = one.findIndex(({ digest }, index) => digest !== other[index]?.digest);
  return at < 0 ? one.length : at;
}

function layersOf(content: Content): LayeredContent['layers'] {
  return content.type === 'layers' ? content.layers : [content];
}

async function compareFiles(
  project: Project,
  before: { readonly digest: Content['digest']; readonly sizeBytes: number },
  after: { readonly digest: Content['digest']; readonly sizeBytes: number },
): Promise<Result<Difference, Failure>> {
  const { blobs } = project.session.cache;
  const first = await firstDifference(project, blobs.pathOf(before.digest), blobs.pathOf(after.digest));
  if (!first.ok) return first;
  return ok({ type: 'bytes', firstByte: first.value, sizes: [before.sizeBytes, after.sizeBytes] });
}

const CHUNK_BYTES = 1024 * 1024;

/** The offset of the first byte that differs: that after the last of the shorter one, if it begins as the longer does. */
async function firstDifference(
  { host }: Project,
  before: string,
  after: string,
): Promise<Result<number, Failure>> {
  const found = await host.files.withReader(before, (one) =>
    host.files.withReader(after, async (other) => {
      const [was, is] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
      for (let offset = 0; ; offset += CHUNK_BYTES) {
        const [wasBytes, isBytes] = [await one.read(was, offset), await other.read(is, offset)];
        const common = commonBytes(was.subarray(0, wasBytes), is.subarray(0, isBytes));
        if (common < CHUNK_BYTES) return offset + common;
      }
    }),
  );
  return found.ok ? found.value : found;
}

/** How many bytes two pieces begin with alike. */
function commonBytes(one: Buffer, other: Buffer): number {
  const length = Math.min(one.length, other.length);
  if (one.subarray(0, length).equals(other.subarray(0, length))) return length;
  let at = 0;
  while (one[at] === other[at]) at += 1;
  return at;
}

async function compareTrees(
  project: Project,
  before: Content,
  after: Content,
): Promise<Result<Difference, Failure>> {
  const { blobs } = project.session.cache;
  const [one, other] = [await blobs.tree(before.digest), await blobs.tree(after.digest)];
  if (one === null) return fail({ code: 'blob-missing', digest: before.digest });
  if (other === null) return fail({ code: 'blob-missing', digest: after.digest });
  const are = new Map(other.map((entry) => [entry.path, entry]));
  const files: FileDifference[] = [];
  for (const entry of one) {
    const is = are.get(entry.path);
    are.delete(entry.path);
    if (is === undefined) files.push({ path: entry.path, change: 'removed', firstByte: null });
    else if (JSON.stringify(entry) !== JSON.stringify(is)) {
      const firstByte = await firstByteOf(project, entry, is);
      if (!firstByte.ok) return firstByte;
      files.push({ path: entry.path, change: 'changed', firstByte: firstByte.value });
    }
  }
  for (const { path } of are.values()) files.push({ path, change: 'added', firstByte: null });
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return ok({ type: 'files', files });
}

async function firstByteOf(
  project: Project,
  was: TreeEntry,
  is: TreeEntry,
): Promise<Result<number | null, Failure>> {
  if (was.type !== 'file' || is.type !== 'file' || was.digest === is.digest) return ok(null);
  const { blobs } = project.session.cache;
  return firstDifference(project, blobs.pathOf(was.digest), blobs.pathOf(is.digest));
}
