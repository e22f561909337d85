/** The StatRecord: what the file system says of a file that nobody opened, by which bake tells whether it changed. One type, one comparison, one racy rule. */

/** Four numbers of an `lstat`. The ctime is the one that no user can set; a change of type or mode shows in it. */
export interface StatRecord {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
}

/** A StatRecord as it is written down. */
export type StatNumbers = readonly [sizeBytes: number, mtimeMs: number, ctimeMs: number, inode: number];

/** How many numbers that are. */
export const STAT_NUMBERS = 4;

/** The numbers of a stamp to write down. */
export function numbersOf({ sizeBytes, mtimeMs, ctimeMs, inode }: StatRecord): StatNumbers {
  return [sizeBytes, mtimeMs, ctimeMs, inode];
}

/** Whether two stamps describe the same unchanged file, or directory with the same names in it; null is "nothing there". */
export function sameStat(a: StatRecord | null, b: StatRecord | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.ctimeMs === b.ctimeMs && a.mtimeMs === b.mtimeMs && a.sizeBytes === b.sizeBytes && a.inode === b.inode
  );
}

/** `sameStat` for one that was written down, its numbers at `at` of a list, and the numbers of one taken now: makes no object. */
export function isStatAt(
  numbers: ArrayLike<unknown>,
  at: number,
  sizeBytes: number,
  mtimeMs: number,
  ctimeMs: number,
  inode: number,
): boolean {
  return (
    numbers[at] === sizeBytes &&
    numbers[at + 1] === mtimeMs &&
    numbers[at + 2] === ctimeMs &&
    numbers[at + 3] === inode
  );
}

/** `sameStat` for one that was written down and a stamp. */
export function isStat(numbers: ArrayLike<unknown>, at: number, stamp: StatRecord | null): boolean {
  return stamp !== null && isStatAt(numbers, at, stamp.sizeBytes, stamp.mtimeMs, stamp.ctimeMs, stamp.inode);
}

/** The kernel takes times from a clock that ticks every 1 to 10 ms, and ours is cut to whole milliseconds. */
const FINE_GRAIN_MS = 15;
/** FAT counts in two seconds, old ext3 and HFS+ in one. */
const COARSE_GRAIN_MS = 2_000 + FINE_GRAIN_MS;

/** Whether the file system keeps fractions of seconds: a time on the whole second is one of a coarse one, nearly always. */
export function isFineGrained(stat: Pick<StatRecord, 'ctimeMs'>): boolean {
  return stat.ctimeMs % 1000 !== 0;
}

/** From when on any further change gives the file another ctime. */
export function settledAtMs(stat: Pick<StatRecord, 'ctimeMs'>): number {
  return stat.ctimeMs + (isFineGrained(stat) ? FINE_GRAIN_MS : COARSE_GRAIN_MS);
}

/**
 * The racy rule: whether a file with this stamp could be changed after `readAtMs`, when reading it began, and still have the same
 * stamp. Then what was read must not be remembered by it. Only the ctime counts: `cp -p`, `touch -r`, `tar x` set the mtime.
 */
export function isRacy(stat: Pick<StatRecord, 'ctimeMs'>, readAtMs: number): boolean {
  return settledAtMs(stat) > readAtMs;
}
