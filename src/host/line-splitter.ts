/** Cuts a byte stream into lines: UTF-8 across chunks, progress bars (`\r`) as lines of their own, a bound on their length. */
import { StringDecoder } from 'node:string_decoder';

/** A longer line is cut, so that output without line breaks does not fill the memory. */
const LONGEST_LINE = 64 * 1024;

export interface LineSplitter {
  push(chunk: Uint8Array): void;
  /** Gives the last line when it did not end with a line break. */
  end(): void;
}

/** `onLine` gets every line without its break: `\n`, `\r\n`, or a lone `\r`; `cut` says that the line goes on in the next. */
export function lineSplitter(onLine: (line: string, cut: boolean) => void): LineSplitter {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let afterReturn = false;

  const take = (text: string): void => {
    if (text === '') return;
    // The second half of a `\r\n` that was cut in two by the chunks ends no further line.
    let start = afterReturn && text.startsWith('\n') ? 1 : 0;
    for (const found of text.matchAll(/\r\n|\n|\r/g)) {
      if (found.index < start) continue;
      onLine(rest + text.slice(start, found.index), false);
      rest = '';
      start = found.index + found[0].length;
    }
    afterReturn = text.endsWith('\r');
    rest += text.slice(start);
    while (rest.length > LONGEST_LINE) {
      onLine(rest.slice(0, LONGEST_LINE), true);
      rest = rest.slice(LONGEST_LINE);
    }
  };

  return {
    push: (chunk) => take(decoder.write(chunk as Buffer)),
    end() {
      take(decoder.end());
      if (rest !== '') onLine(rest, false);
      rest = '';
    },
  };
}
