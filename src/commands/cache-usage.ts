/** What takes up the space in a cache: by kind, by stage, and on the disk. */
import { type Contents, type ListedResult, namedBlobs } from '../cache/contents.ts';
import type { Host } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import { byCodeUnit } from '../model/json.ts';

interface Share {
  readonly name: string;
  readonly results: number;
  /** As the files say, what is shared counted for each. */
  readonly sizeBytes: number;
}

interface Amount {
  readonly count: number;
  /** What it occupies: holes take no space. */
  readonly allocatedBytes: number;
}

/** `bake cache du --json`. */
interface CacheUsage {
  readonly totalBytes: number;
  readonly kinds: readonly Share[];
  readonly stages: readonly Share[];
  readonly blobs: Amount;
  /** Blobs that more than one result names. */
  readonly shared: Amount;
  /** Blobs that nobody names; `bake cache rm` removes them. */
  readonly garbage: Amount;
  /** Side files, such as the memory of machines. */
  readonly checkpoints: Amount;
  readonly workspacesBytes: number;
  readonly quarantineBytes: number;
  /** Index, memo, and per checkout: state and logs. */
  readonly otherBytes: number;
}

/** Adds up; looks at every file once. */
export function usageOf(host: Host, contents: Contents): CacheUsage {
  const { layout, results, own } = contents;
  const sizeOfAll = (directories: readonly (string | undefined)[]): number =>
    directories.reduce((sum, one) => sum + (one === undefined ? 0 : allocatedBelow(host, one)), 0);
  const named = namedBlobs(contents);
  const uses = new Map<Digest, number>();
  for (const { needs } of results) for (const digest of needs) uses.set(digest, (uses.get(digest) ?? 0) + 1);
  const amount = (isPart: (digest: Digest) => boolean): Amount => {
    const part = contents.blobs.filter(({ digest }) => isPart(digest));
    return {
      count: part.length,
      allocatedBytes: part.reduce((sum, { stamp }) => sum + stamp.allocatedBytes, 0),
    };
  };
  const blobs = amount(() => true);
  const workspacesBytes = sizeOfAll([
    layout.inUse,
    layout.temporary,
    own?.work,
    own?.temporary,
    own?.partial,
  ]);
  const checkpoints = {
    count: contents.sides.length,
    allocatedBytes: contents.sides.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0),
  };
  const quarantineBytes = allocatedBelow(host, layout.quarantine);
  const otherBytes = sizeOfAll([
    layout.index,
    layout.locks,
    ...layout.old,
    own?.memo,
    own?.checkouts,
    own?.quick,
  ]);
  return {
    totalBytes:
      blobs.allocatedBytes + checkpoints.allocatedBytes + workspacesBytes + quarantineBytes + otherBytes,
    kinds: sharesBy(results, ({ result }) => result.manifest.kind),
    stages: sharesBy(results, ({ result }) => result.origin.action),
    blobs,
    shared: amount((digest) => (uses.get(digest) ?? 0) > 1),
    garbage: amount((digest) => !named.has(digest)),
    checkpoints,
    workspacesBytes,
    quarantineBytes,
    otherBytes,
  };
}

/** Largest first. */
function sharesBy(
  results: readonly ListedResult[],
  nameOf: (result: ListedResult) => string,
): readonly Share[] {
  const shares = new Map<string, Share>();
  for (const listed of results) {
    const name = nameOf(listed);
    const before = shares.get(name) ?? { name, results: 0, sizeBytes: 0 };
    shares.set(name, { name, results: before.results + 1, sizeBytes: before.sizeBytes + listed.sizeBytes });
  }
  return [...shares.values()].sort((a, b) => b.sizeBytes - a.sizeBytes || byCodeUnit(a.name, b.name));
}

/** What a workspace shares with the content by hard links is counted there. */
function allocatedBelow(host: Host, directory: string): number {
  let bytes = 0;
  for (const { path, type } of host.files.walk(directory).entries) {
    const stamp = type === 'file' ? host.files.stamp(`${directory}/${path}`) : null;
    if (stamp?.links === 1) bytes += stamp.allocatedBytes;
  }
  return bytes;
}
