/**
 * Decides by stats alone that there is nothing to do. On the way of every run, so it loads nothing: a list of paths, one
 * lstat each, and one digest over what they said, compared with the digest of the last run.
 */
import { createHash } from 'node:crypto';

/** The part of a stamp that shows a change. */
export interface QuickStamp {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
}

/** What is told of a run that does nothing. */
export interface QuickSummary {
  readonly stages: number;
  readonly outputs: readonly { readonly path: string; readonly sizeBytes: number }[];
}

interface QuickHeader {
  readonly format: 2;
  /** Everything besides files that the last run depended on. */
  readonly key: string;
  /** Digest over the stamps of all paths, in their order. */
  readonly stamps: string;
  readonly summary: QuickSummary;
}

/** Younger than this when it was looked at, a file may have been written again within the clock's grain: see docs/design/engine.md. */
const RACY_MS = 2000;
/** Size, mtime, ctime, inode. */
const STAMP_NUMBERS = 4;
/** Stands for the size where nothing is. */
const ABSENT = -1;

/** The text of the quick file: a header line, then one path a line. Null when it would not be safe to trust stamps. */
export function quickText(
  key: string,
  stamps: ReadonlyMap<string, QuickStamp | null>,
  summary: QuickSummary,
  nowMs: number,
): string | null {
  const all = new Float64Array(stamps.size * STAMP_NUMBERS);
  let at = 0;
  for (const [path, stamp] of stamps) {
    if (path.includes('\n')) return null;
    if (stamp !== null && stamp.mtimeMs > nowMs - RACY_MS) return null;
    at = putStamp(all, at, stamp);
  }
  const header: QuickHeader = { format: 2, key, stamps: digestOf(all), summary };
  return [JSON.stringify(header), ...stamps.keys()].join('\n');
}

/** What to tell when nothing that the last run looked at has changed; null when bake must look more closely. */
export function quickCheck(
  text: string,
  key: string,
  stampOf: (path: string) => QuickStamp | null,
): QuickSummary | null {
  const lines = text.split('\n');
  const header = readHeader(lines[0] ?? '');
  if (header === null || header.key !== key) return null;
  const all = new Float64Array((lines.length - 1) * STAMP_NUMBERS);
  let at = 0;
  for (let line = 1; line < lines.length; line++) at = putStamp(all, at, stampOf(lines[line] as string));
  return digestOf(all) === header.stamps ? header.summary : null;
}

function readHeader(line: string): QuickHeader | null {
  try {
    const header = JSON.parse(line) as QuickHeader;
    return header.format === 2 ? header : null;
  } catch {
    return null;
  }
}

/** Numbers as they are: writing ten thousand stamps as text would take longer than looking at the files. */
function putStamp(into: Float64Array, at: number, stamp: QuickStamp | null): number {
  into[at] = stamp === null ? ABSENT : stamp.sizeBytes;
  into[at + 1] = stamp?.mtimeMs ?? 0;
  into[at + 2] = stamp?.ctimeMs ?? 0;
  into[at + 3] = stamp?.inode ?? 0;
  return at + STAMP_NUMBERS;
}

function digestOf(numbers: Float64Array): string {
  return createHash('sha256').update(new Uint8Array(numbers.buffer)).digest('hex');
}
