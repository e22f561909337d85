/**
 * Decides by stats alone that there is nothing to do. On the way of every run, so it loads nothing and makes little: one
 * lstat for each path, compared with four numbers of the last run.
 */
import { checksumOf } from '../model/checksum.ts';
import {
  isFineGrained,
  isRacy,
  isStatAt,
  numbersOf,
  STAT_NUMBERS,
  type StatRecord,
} from '../model/stat-record.ts';

/** The same as the file system gives it: an object of our own for each of ten thousand files would cost more than comparing them. */
export interface RawStamp {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
}

/** What is told of a run that does nothing. */
export interface QuickSummary {
  readonly stages: number;
  readonly outputs: readonly { readonly path: string; readonly sizeBytes: number }[];
}

interface QuickHeader {
  readonly format: 4;
  /** Everything besides files that the last run depended on. */
  readonly key: string;
  readonly paths: number;
  /** All bytes after the header's line. */
  readonly bytes: number;
  readonly summary: QuickSummary;
}

/** What a run leaves for the quick check of the next one. */
export interface QuickRecord {
  readonly key: string;
  readonly stamps: ReadonlyMap<string, StatRecord | null>;
  /** Those of them that bake itself put there, dated back: what somebody writes after it shows even within a fine grain. */
  readonly own: ReadonlySet<string>;
  /** Before the first of the others was read. */
  readonly startedAtMs: number;
  readonly summary: QuickSummary;
  /** The directory in which the next run is as this one: paths in it are written without it. Null: all are absolute. */
  readonly base: string | null;
}

const STAT_BYTES = STAT_NUMBERS * Float64Array.BYTES_PER_ELEMENT;
/** Stands for the size where nothing is. */
const ABSENT = -1;
const LINE_BREAK = 10;

/** `<checksum>\n` before all else, a multiple of four so that the rest is read word by word. */
const SUM_BYTES = 20;

function sumOf(file: Buffer): string {
  return `${checksumOf(file, SUM_BYTES)}   \n`;
}

/** The quick file: its checksum, a header line, the numbers of all stamps, then one path a line. Null when it would not be safe to trust stamps. */
export function quickFile(
  { key, stamps, own, startedAtMs, summary, base }: QuickRecord,
  nowMs: number,
): Buffer | null {
  const numbers = new Float64Array(stamps.size * STAT_NUMBERS);
  const paths: string[] = [];
  const prefix = base === null ? null : `${base === '/' ? '' : base}/`;
  for (const [path, stamp] of stamps) {
    if (path.includes('\n')) return null;
    const isTrusted =
      stamp === null ||
      (own.has(path) ? isFineGrained(stamp) || !isRacy(stamp, nowMs) : !isRacy(stamp, startedAtMs));
    if (!isTrusted) return null;
    putStamp(numbers, paths.length * STAT_NUMBERS, stamp);
    paths.push(prefix !== null && path.startsWith(prefix) ? path.slice(prefix.length) : path);
  }
  const text = Buffer.from(paths.join('\n'));
  const bytes = numbers.byteLength + text.length;
  const header: QuickHeader = { format: 4, key, paths: paths.length, bytes, summary };
  const whole = Buffer.concat([
    Buffer.alloc(SUM_BYTES),
    Buffer.from(`${JSON.stringify(header)}\n`),
    new Uint8Array(numbers.buffer),
    text,
  ]);
  whole.write(sumOf(whole), 'latin1');
  return whole;
}

/** What to tell when nothing that the last run looked at has changed; null when bake must look more closely. */
export function quickCheck(
  file: Buffer,
  key: string,
  look: (path: string) => RawStamp | null,
): QuickSummary | null {
  if (file.length < SUM_BYTES || file.toString('latin1', 0, SUM_BYTES) !== sumOf(file)) return null;
  const headerEnd = file.indexOf(LINE_BREAK, SUM_BYTES);
  const header = readHeader(file.toString('utf8', SUM_BYTES, Math.max(SUM_BYTES, headerEnd)));
  if (header === null || header.key !== key) return null;
  const numbersAt = headerEnd + 1;
  const pathsAt = numbersAt + header.paths * STAT_BYTES;
  if (file.length !== numbersAt + header.bytes || pathsAt > file.length) return null;
  // What is no path at all cannot be looked at.
  if (file.includes(0, pathsAt)) return null;
  const paths = file.toString('utf8', pathsAt);
  // Copied, because numbers are only read where they are aligned.
  const numbers = new Float64Array(file.buffer.slice(file.byteOffset + numbersAt, file.byteOffset + pathsAt));
  let at = 0;
  // One path after the other: a list of them all would be copied by each collection of the garbage that stats are.
  for (let from = 0; from <= paths.length; at += STAT_NUMBERS) {
    const lineEnd = paths.indexOf('\n', from);
    const end = lineEnd === -1 ? paths.length : lineEnd;
    if (!isStamp(numbers, at, look(paths.slice(from, end)))) return null;
    from = end + 1;
  }
  if (at !== numbers.length) return null;
  return header.summary;
}

function readHeader(line: string): QuickHeader | null {
  try {
    const header = JSON.parse(line) as QuickHeader;
    return header.format === 4 ? header : null;
  } catch {
    return null;
  }
}

function putStamp(into: Float64Array, at: number, stamp: StatRecord | null): void {
  into.set(stamp === null ? [ABSENT, 0, 0, 0] : numbersOf(stamp), at);
}

function isStamp(numbers: Float64Array, at: number, now: RawStamp | null): boolean {
  if (now === null) return numbers[at] === ABSENT;
  return isStatAt(numbers, at, now.size, now.mtimeMs, now.ctimeMs, now.ino);
}
