/** The text of a file that is being read, and where its offsets are. */
import type { PipelineFailure } from '../model/failure-pipeline.ts';
import type { Location } from '../model/location.ts';
import { fail, ok, type Result } from '../model/result.ts';

/** More than anyone writes, little enough to be read at once; 10,000 stages take less than half of it. */
const LIMIT_BYTES = 4 * 2 ** 20;

/** Longer lines are not shown with a message: they are generated, and no terminal could show them. */
const LONGEST_SHOWN_LINE = 1000;

export class SourceText {
  readonly file: string;
  readonly text: string;
  private lineStarts: readonly number[] | null = null;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
  }

  /** The Location of a span; a span over several lines is underlined to the end of its first. */
  locate(span: { readonly start: number; readonly end: number }): Location {
    this.lineStarts ??= findLineStarts(this.text);
    const start = Math.min(Math.max(0, span.start), this.text.length);
    const line = lineAt(this.lineStarts, start);
    const lineStart = this.lineStarts[line] as number;
    const lineEnd = endOfLine(this.text, lineStart, this.lineStarts[line + 1]);
    const text = lineEnd - lineStart > LONGEST_SHOWN_LINE ? '' : this.text.slice(lineStart, lineEnd);
    const length = Math.max(1, Math.min(span.end, lineEnd) - start);
    return { file: this.file, line: line + 1, column: start - lineStart + 1, length, text };
  }
}

function findLineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] as number) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

function endOfLine(text: string, start: number, next: number | undefined): number {
  const end = next === undefined ? text.length : next - 1;
  return end > start && text[end - 1] === '\r' ? end - 1 : end;
}

/** The text in a file's bytes, without a byte order mark; fails when it is too large, empty or no text in UTF-8. */
export function decodeSource(file: string, bytes: Uint8Array): Result<SourceText, PipelineFailure> {
  const top: Location = { file, line: 1, column: 1, length: 1, text: '' };
  if (bytes.length > LIMIT_BYTES)
    return fail({
      code: 'pipeline-too-large',
      location: top,
      sizeBytes: bytes.length,
      limitBytes: LIMIT_BYTES,
    });
  const utf16 =
    (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
      ? 'it is written in UTF-16: save it as UTF-8'
      : null;
  const zero = bytes.indexOf(0);
  if (utf16 !== null || zero >= 0)
    return fail({
      code: 'pipeline-not-text',
      location: utf16 === null ? binaryLocation(file, bytes, zero) : top,
      problem: utf16 ?? 'it holds a zero byte: this is a binary file',
    });
  const text = new TextDecoder('utf-8', { ignoreBOM: false }).decode(bytes);
  const broken = text.indexOf('\uFFFD');
  if (broken >= 0 && !isUtf8(bytes))
    return fail({
      code: 'pipeline-not-text',
      location: new SourceText(file, text).locate({ start: broken, end: broken + 1 }),
      problem: 'it is not written in UTF-8',
    });
  const source = new SourceText(file, text);
  return /[^\s\uFEFF]/.test(text)
    ? ok(source)
    : fail({ code: 'pipeline-empty', location: source.locate({ start: 0, end: 1 }) });
}

function binaryLocation(file: string, bytes: Uint8Array, at: number): Location {
  let line = 1;
  let lineStart = 0;
  for (let next = bytes.indexOf(10); next >= 0 && next < at; next = bytes.indexOf(10, next + 1)) {
    line++;
    lineStart = next + 1;
  }
  return { file, line, column: at - lineStart + 1, length: 1, text: '' };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
