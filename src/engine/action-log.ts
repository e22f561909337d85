/** The log of one action: lines are masked before they go anywhere, then to the log file, to whoever watches, and to the tail. */
import type { Files } from '../host/host.ts';
import { LineMasks, type Masks } from './masks.ts';

const TAIL_LINES = 200;
/** Lines are handed to the file when this much has come together, or when the event loop is idle. */
const BATCH_CHARACTERS = 64 * 1024;

export class ActionLog {
  readonly path: string;
  readonly #files: Files;
  readonly #masks: LineMasks;
  readonly #onLine: (line: string) => void;
  #tail: string[] = [];
  #batch: string[] = [];
  #batchCharacters = 0;
  #scheduled = false;
  #written: Promise<void> | null = null;
  #bytes = 0;

  constructor(path: string, files: Files, masks: Masks, onLine: (line: string) => void) {
    this.path = path;
    this.#files = files;
    this.#masks = new LineMasks(masks);
    this.#onLine = onLine;
  }

  /** Adds a line, or the first part of one that was `cut` for its length. It is held back while it may begin a secret. */
  line(text: string, cut = false): void {
    for (const line of this.#masks.add(text, cut)) this.#take(line);
  }

  /** The last lines, masked, with those that are still held back. */
  tail(count = 20): readonly string[] {
    return [...this.#tail, ...this.#masks.held()].slice(-count);
  }

  /** Waits until every line is in the file; false when there was none, and so no file. */
  async close(): Promise<boolean> {
    for (const line of this.#masks.end()) this.#take(line);
    this.#flush();
    await this.#written;
    return this.#bytes > 0;
  }

  #take(line: string): void {
    this.#tail.push(line);
    if (this.#tail.length > 2 * TAIL_LINES) this.#tail = this.#tail.slice(-TAIL_LINES);
    this.#onLine(line);
    this.#batch.push(line);
    this.#batchCharacters += line.length + 1;
    if (this.#batchCharacters >= BATCH_CHARACTERS) this.#flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#batch.length === 0) return;
    const text = `${this.#batch.join('\n')}\n`;
    this.#batch = [];
    this.#batchCharacters = 0;
    const first = this.#bytes === 0;
    this.#bytes += text.length;
    // A log that cannot be written fails nothing: its lines have been seen.
    this.#written = (this.#written ?? Promise.resolve()).then(async () => {
      if (first) await this.#files.makeDirectory(this.path.slice(0, this.path.lastIndexOf('/')));
      await this.#files.appendFile(this.path, text);
    });
  }
}
