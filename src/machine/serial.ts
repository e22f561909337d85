/** The serial console of a guest: lines as they come, waits for a pattern, notice of a kernel panic. */
import type { Clock } from '../host/host.ts';
import { ConsoleText, KEPT_CHARACTERS, Search } from './console-search.ts';

const PANIC = /Kernel panic - not syncing[^\r\n]*/;

// Colours, cursor movement and terminal queries of boot loaders and of systemd.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_]|[()][A-Z0-9])/g;
/** The beginning of one, at the end of a piece; nobody writes longer ones. */
const BEGUN_ESCAPE = /\x1b(?:\[[0-?]{0,64}[ -/]{0,16}|[()])?$/;
const LONGEST_ESCAPE = 96;

/** When nothing is said for so long, everything that is kept is searched once more. */
const QUIET_MS = 50;

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
export function watchSerial(onLine: (line: string) => void, clock: Pick<Clock, 'sleep'>): Serial {
  const text = new ConsoleText();
  const unfinished = new UnfinishedLine();
  let held = '';
  let saidCharacters = 0;
  let isResting = false;
  const found: number[] = [];
  const recent: string[] = [];
  const waits = new Set<Wait>();
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
  const settle = (wait: Wait, match: string | null): void => {
    if (match === null) return;
    found.push(saidCharacters);
    wait.finish(match);
  };
  const lookWhenQuiet = async (): Promise<void> => {
    if (isResting || ![...waits].some(({ search }) => search.isBehind)) return;
    isResting = true;
    await clock.sleep(QUIET_MS);
    isResting = false;
    for (const wait of waits) if (wait.search.isBehind) settle(wait, text.lookEverywhere(wait.search));
  };

  return {
    panicked,
    found,
    feed(said) {
      saidCharacters += said.length;
      const raw = held + said;
      held = BEGUN_ESCAPE.exec(raw.slice(-LONGEST_ESCAPE))?.[0] ?? '';
      const plain = raw
        .slice(0, raw.length - held.length)
        .replace(ESCAPES, '')
        .replaceAll('\r', '');
      text.append(plain);
      const lines = plain.split('\n');
      for (const part of lines.slice(0, -1)) takeLine(unfinished.end(part));
      unfinished.add(lines.at(-1) ?? '');
      for (const wait of waits) settle(wait, text.look(wait.search, plain.length));
      void lookWhenQuiet();
      for (const listen of listeners) listen(said);
    },
    onText: (listener) => {
      listeners.push(listener);
    },
    tail: (count) =>
      [...recent, unfinished.text()]
        .filter((line, at, all) => line !== '' || at < all.length - 1)
        .slice(-count),
    waitFor: (pattern, signal) =>
      new Promise((resolve) => {
        const abort = (): void => wait.finish(null);
        const wait: Wait = {
          search: new Search(pattern),
          finish(match) {
            waits.delete(wait);
            signal.removeEventListener('abort', abort);
            resolve(match);
          },
        };
        signal.addEventListener('abort', abort, { once: true });
        waits.add(wait);
        if (signal.aborted) abort();
        else settle(wait, text.lookEverywhere(wait.search));
      }),
  };
}

interface Wait {
  readonly search: Search;
  finish(match: string | null): void;
}

/** The line that the guest has not ended yet; of an endless one, the last of it. */
class UnfinishedLine {
  #parts: string[] = [];
  #characters = 0;

  add(part: string): void {
    if (part === '') return;
    this.#parts.push(part);
    this.#characters += part.length;
    if (this.#characters <= 2 * KEPT_CHARACTERS) return;
    this.#parts = [this.text()];
    this.#characters = KEPT_CHARACTERS;
  }

  text(): string {
    return this.#parts.join('').slice(-KEPT_CHARACTERS);
  }

  /** The whole line, with its last part; the next one begins. */
  end(part: string): string {
    this.add(part);
    const line = this.text();
    this.#parts = [];
    this.#characters = 0;
    return line;
  }
}
