/** How the difference between two disks is told, to people and to programs. */
import type { PartitionDiff } from '../formats/disk-diff.ts';
import type { Aspect, FileFacts, TreeChanges } from '../formats/file-tree.ts';
import type { LayeredContent } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { JsonObject } from '../model/json.ts';
import type { Style } from '../report/ansi.ts';
import { formatSize } from '../report/format.ts';

/** One side of the comparison. */
export interface DiffSide {
  /** As the command line names it. */
  readonly name: string;
  readonly digest: Digest;
  readonly layers: LayeredContent['layers'];
  /** Bytes of the layers that the other side does not have, as they lie in the cache. */
  readonly ownBytes: number;
}

/** All that there is to tell. */
export interface DiskDiff {
  readonly before: DiffSide;
  readonly after: DiffSide;
  readonly sharedLayers: number;
  /** Bytes of the disk that may differ: what the layers that are not shared say of it. Null when none is shared. */
  readonly touchedBytes: number | null;
  readonly partitions: readonly PartitionDiff[];
}

/** Lines for people. `all` lists what is inside of added and removed directories, too. */
export function diffText(diff: DiskDiff, style: Style, all: boolean): string {
  const { before, after, partitions } = diff;
  const lines = [style.bold(`${before.name} → ${after.name}`)];
  for (const partition of partitions) lines.push(...partitionLines(partition, partitions, style, all));
  const read = partitions.flatMap(({ changes }) => (changes === null ? [] : [changes]));
  const count = (kind: keyof TreeChanges) => read.reduce((sum, changes) => sum + changes[kind].length, 0);
  const unread = partitions.length - read.length;
  const left = unread === 0 ? '' : `, ${unread} ${unread === 1 ? 'partition' : 'partitions'} not compared`;
  lines.push('', `${count('added')} added, ${count('removed')} removed, ${count('changed')} changed${left}`);
  for (const { number } of partitions.filter(({ isLive }) => isLive))
    lines.push(
      `partition ${number} was read in the running systems: what they write at their boot is listed, too`,
    );
  lines.push(...bytesLines(diff));
  return `${lines.join('\n')}\n`;
}

/** The files of one partition that differ, a line each. */
export function partitionLines(
  { number, changes, isRoot, problem }: PartitionDiff,
  all: readonly PartitionDiff[],
  style: Style,
  inside: boolean,
): readonly string[] {
  if (changes === null)
    return problem === null
      ? []
      : [`  ${style.yellow('?')} partition ${number}: not compared, it holds ${problem}`];
  const prefix = isRoot || all.length === 1 ? '' : `partition ${number}:`;
  const listed = (mark: string, files: TreeChanges['added']) =>
    (inside ? files.map(([path, facts]) => ({ path, facts, below: 0 })) : folded(files)).map(
      ({ path, facts, below }) =>
        `  ${mark} ${prefix}${path}${facts.type === 'directory' ? '/' : ''}  ${factsText(facts)}${below > 0 ? `, and ${below} more in it` : ''}`,
    );
  return [
    ...listed(style.green('+'), changes.added),
    ...listed(style.red('-'), changes.removed),
    ...changes.changed.map(
      ({ path, aspects, before, after }) =>
        `  ${style.yellow('~')} ${prefix}${path}  ${aspects
          .map((aspect) => aspectText(aspect, before, after))
          .filter(Boolean)
          .join(', ')}`,
    ),
  ];
}

/** What lies in a directory that is listed itself is only counted. */
function folded(files: TreeChanges['added']) {
  const found: { path: string; facts: FileFacts; below: number }[] = [];
  for (const [path, facts] of files) {
    const last = found.at(-1);
    if (last?.facts.type === 'directory' && path.startsWith(`${last.path}/`)) last.below += 1;
    else found.push({ path, facts, below: 0 });
  }
  return found;
}

function factsText({ type, mode, sizeBytes, target }: FileFacts): string {
  if (type === 'file') return `${modeText(mode)} ${formatSize(sizeBytes)}`;
  return type === 'link' ? `→ ${target}` : modeText(mode);
}

function aspectText(aspect: Aspect, before: FileFacts, after: FileFacts): string {
  switch (aspect) {
    case 'content':
      return before.sizeBytes === after.sizeBytes ? 'content' : '';
    case 'size':
      return `content, ${formatSize(before.sizeBytes)} → ${formatSize(after.sizeBytes)}`;
    case 'mode':
      return `mode ${modeText(before.mode)} → ${modeText(after.mode)}`;
    case 'owner':
      return `owner ${before.uid}:${before.gid} → ${after.uid}:${after.gid}`;
    case 'type':
      return `${before.type} → ${after.type}`;
    case 'target':
      return `leads to ${after.target}, before to ${before.target}`;
  }
}

function modeText(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function bytesLines({ before, after, sharedLayers, touchedBytes }: DiskDiff): readonly string[] {
  const layers = (count: number) => `${count} ${count === 1 ? 'layer' : 'layers'}`;
  const own = (side: DiffSide) =>
    `${side.name}: ${layers(side.layers.length - sharedLayers)} of its own, ${formatSize(side.ownBytes)}`;
  const shared =
    touchedBytes === null
      ? 'no layer in common'
      : `${layers(sharedLayers)} in common, ${formatSize(touchedBytes)} of the disk written or trimmed since`;
  return [shared, own(before), own(after)];
}

/** What `--json` prints; see docs/schema/diff.schema.json. */
export function diffJson({ before, after, sharedLayers, touchedBytes, partitions }: DiskDiff): JsonObject {
  const side = ({ name, digest, layers, ownBytes }: DiffSide) => ({
    stage: name,
    digest,
    layers: layers.map((layer) => layer.digest),
    ownBytes,
  });
  return {
    schemaVersion: 1,
    before: side(before),
    after: side(after),
    sharedLayers,
    touchedBytes,
    partitions: partitions.map(({ number, changes, isRoot, isLive, problem }) => ({
      number,
      isRoot,
      isLive,
      problem,
      added: changes?.added.map(fileJson) ?? null,
      removed: changes?.removed.map(fileJson) ?? null,
      changed:
        changes?.changed.map((change) => ({
          path: change.path,
          aspects: change.aspects,
          before: factsJson(change.before),
          after: factsJson(change.after),
        })) ?? null,
    })),
  };
}

function fileJson([path, facts]: readonly [string, FileFacts]): JsonObject {
  return { path, ...factsJson(facts) };
}

function factsJson({ type, mode, uid, gid, sizeBytes, target }: FileFacts): JsonObject {
  return { type, mode: modeText(mode), uid, gid, sizeBytes, target };
}
