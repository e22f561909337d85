/**
 * The mark of a file or link that bake put into a checkout: the microseconds of its mtime, which follow from its path and
 * from what it holds. It lies in the file itself, so that bake knows it again when it was killed before it wrote that down, when
 * the cache was deleted, when the checkout was moved, and when another user built there. Whoever edits the file loses it, for it
 * is of these bytes. Nothing is believed for it but that nobody misses what it is on.
 */
import type { Digest } from './digest.ts';
import { hexOf } from './digest.ts';

/** Without 0: what was dated by hand, or lies on a file system that counts whole seconds, has no mark. */
const MARKS = 999_999;
const MARK_DIGITS = 12;
/** Dated back: whatever the clock's grain, a later write gives it another time. */
const BACKDATED_MS = 3_000;
/** A little after the microsecond: neither the way there, which may cut off what is less, nor the way back is exact. */
const A_LITTLE_MS = 0.00025;

/** When a file or link counts as written that is put into the checkout now. `holds`: its digest, or `linkHolds` of its target. */
export function markedTime(
  nowMs: number,
  path: string,
  holds: string,
  digestOf: (text: string) => Digest,
): number {
  const second = Math.floor((nowMs - BACKDATED_MS) / 1000) * 1000;
  return second + markOf(path, holds, digestOf) / 1000 + A_LITTLE_MS;
}

/** Whether a file or link of this path, written at this time, is one that bake put there and that still holds what it held. */
export function isMarked(
  mtimeMs: number,
  path: string,
  holds: string,
  digestOf: (text: string) => Digest,
): boolean {
  return mtimeMs > 0 && Math.round((mtimeMs % 1000) * 1000) === markOf(path, holds, digestOf);
}

/** What a link holds, where a file has a digest. */
export function linkHolds(target: string): string {
  return `link:${target}`;
}

function markOf(path: string, holds: string, digestOf: (text: string) => Digest): number {
  const hex = hexOf(digestOf(`placed ${path}\0${holds}`)).slice(0, MARK_DIGITS);
  return 1 + (Number.parseInt(hex, 16) % MARKS);
}
