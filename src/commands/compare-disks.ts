/** What differs between two disks in the cache. */
import { diffDisks } from '../formats/disk-diff.ts';
import { sizeOf, touchedRanges } from '../formats/ranges.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { describeDisk, NO_STATEMENT, readDisk, unusable, withSources } from '../stages/images/open-disk.ts';
import type { DiskDiff } from './diff-words.ts';
import { type FoundDisk, inCache } from './foreign-partitions.ts';
import type { Project } from './wiring.ts';

/** Opens both disks and compares what is in them, file by file. Their first `sharedLayers` layers are the same. */
export async function compareDisks(
  { host, session }: Project,
  was: FoundDisk,
  is: FoundDisk,
  sharedLayers: number,
  signal: AbortSignal,
): Promise<Result<Pick<DiskDiff, 'partitions' | 'touchedBytes'>, Failure>> {
  const [before, after] = [inCache(session.cache, was), inCache(session.cache, is)];
  const [one, other] = [
    await describeDisk(host, before, NO_STATEMENT),
    await describeDisk(host, after, NO_STATEMENT),
  ];
  if (!one.ok) return one;
  if (!other.ok) return other;
  const touched = await withSources(host, before.layers, (were) =>
    withSources(host, after.layers, async (are) => ok(await touchedRanges(were, are, sharedLayers))),
  );
  if (!touched.ok) return touched;
  const context = { host, signal };
  const read = await readDisk<Pick<DiskDiff, 'partitions' | 'touchedBytes'>>(
    context,
    one.value,
    async (left) => {
      const done = await readDisk(context, other.value, async (right) => {
        const partitions = await diffDisks(left, right, touched.value);
        return ok({ partitions, touchedBytes: sharedLayers === 0 ? null : sizeOf(touched.value) });
      });
      return 'reason' in done ? fail(unusable(after.path, done)) : done;
    },
  );
  return 'reason' in read ? fail(unusable(before.path, read)) : read;
}
