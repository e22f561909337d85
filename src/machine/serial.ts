/** The serial console of a guest: lines as they come, waits for a pattern, notice of a kernel panic. */

/** How much of what was said is kept for patterns that match across lines. */
const KEPT_CHARACTERS = 256 * 1024;

const PANIC = /Kernel panic - not syncing[^\r\n]*/;

// Colours, cursor movement and terminal queries of boot loaders and of systemd.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_]|[()][A-Z0-9])/g;

export interface Serial {
  /** Takes what the guest said, cut anywhere. */
  feed(text: string): void;
  /** The last complete lines, and the unfinished one when it is not empty. */
  tail(lines: number): readonly string[];
  /** `listener` gets everything that is said from now on: for one who looks for texts of his own. */
  onText(listener: (text: string) => void): void;
  /**
   * Resolves to the text that matched, as soon as it is there. What matched once is not looked at again, so that waits
   * one after the other find one text after the other. Null when `signal` fires first.
   */
  waitFor(pattern: RegExp, signal: AbortSignal): Promise<string | null>;
  /**
   * How much had been said each time that a text was found. A prompt without a line break is one only as long as nothing
   * follows: whoever says all of it once more pauses there.
   */
  readonly found: readonly number[];
  /** Resolves when the guest's kernel panics, to that line. */
  readonly panicked: Promise<string>;
}

/** `onLine` gets every complete line without control sequences. */
export function watchSerial(onLine: (line: string) => void): Serial {
  let seen = '';
  let unfinished = '';
  let saidCharacters = 0;
  const found: number[] = [];
  const recent: string[] = [];
  const waits = new Set<() => void>();
  const listeners: ((text: string) => void)[] = [];
  let tellPanic: (line: string) => void = () => {};
  const panicked = new Promise<string>((resolve) => {
    tellPanic = resolve;
  });

  const takeLine = (line: string): void => {
    recent.push(line);
    if (recent.length > 400) recent.splice(0, 200);
    onLine(line);
    const panic = PANIC.exec(line);
    if (panic) tellPanic(panic[0]);
  };

  return {
    panicked,
    found,
    feed(text) {
      saidCharacters += text.length;
      seen = (seen + text).slice(-KEPT_CHARACTERS);
      const lines = (unfinished + text).split(/\r*\n/);
      unfinished = (lines.pop() ?? '').slice(-KEPT_CHARACTERS);
      for (const line of lines) takeLine(plain(line));
      for (const look of waits) look();
      for (const listen of listeners) listen(text);
    },
    onText: (listener) => {
      listeners.push(listener);
    },
    tail: (count) =>
      [...recent, plain(unfinished)]
        .filter((line, at, all) => line !== '' || at < all.length - 1)
        .slice(-count),
    waitFor: (pattern, signal) =>
      new Promise((resolve) => {
        const finish = (found: string | null): void => {
          waits.delete(look);
          signal.removeEventListener('abort', abort);
          resolve(found);
        };
        const abort = (): void => finish(null);
        const look = (): void => {
          const match = pattern.exec(plain(seen));
          if (!match) return;
          seen = plain(seen).slice(match.index + match[0].length);
          found.push(saidCharacters);
          finish(match[0]);
        };
        signal.addEventListener('abort', abort, { once: true });
        waits.add(look);
        if (signal.aborted) abort();
        else look();
      }),
  };
}

function plain(text: string): string {
  return text.replace(ESCAPES, '').replaceAll('\r', '');
}
