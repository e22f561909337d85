/** The renderer that listr2 drives: a moving block at the foot of the terminal, and above it lines that stay. */
import type { ListrRenderer } from 'listr2';
import { ProcessOutput, Spinner } from 'listr2';
import { displayWidth } from './width.ts';

interface ScreenSettings {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Makes a line fit to be written: nothing in it moves the cursor. */
  readonly clean: (line: string) => string;
  /** Lines that stay, asked for once before each frame. */
  readonly takeStaying: () => readonly string[];
  /** The moving block; every line fits the terminal. */
  readonly frame: (tick: number) => readonly string[];
  /** The last words, written when the block is gone; they may end with line breaks of their own. */
  readonly farewell: () => string;
}

/** Ten frames a second: a spinner looks alive, a slow link is not flooded. */
const FRAME_MS = 100;

/**
 * Lines written over what stands there, each row cleared as it is passed: clearing all of it first would flicker, and
 * some terminals push what is cleared from the top of the screen into their scroll-back.
 */
function over(rowsAbove: number, lines: readonly string[]): string {
  const up = rowsAbove > 0 ? `\u001b[${rowsAbove}A\r` : '';
  const left = Math.max(0, rowsAbove - lines.length);
  const cleared = left > 0 ? `${'\u001b[K\n'.repeat(left)}\u001b[${left}A` : '';
  return `${up}${lines.map((line) => `${line}\u001b[K\n`).join('')}${cleared}`;
}

/** Implements listr2's renderer interface; see docs/design/reporting.md for why its own renderer is not used. */
export class LiveScreen implements ListrRenderer {
  static nonTTY = true;
  static rendererOptions: ScreenSettings;
  static rendererTaskOptions: never;
  readonly #settings: ScreenSettings;
  readonly #output: ProcessOutput;
  readonly #clock = new Spinner();
  readonly #onExit = (): void => this.end();
  #drawn: readonly string[] = [];
  #tick = 0;
  #ended = false;

  constructor(_tasks: unknown, settings: ScreenSettings) {
    this.#settings = settings;
    this.#output = new ProcessOutput(settings.stdout, settings.stderr, { leaveEmptyLine: false });
  }

  render(): void {
    // Whatever else writes to the terminal while the view is up is kept and written after it, so that it tears nothing.
    this.#output.hijack();
    // A run that ends without its last event (a bug, a second Ctrl-C) must still give the cursor back.
    process.once('exit', this.#onExit);
    this.#clock.start(() => this.#draw(), FRAME_MS);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    process.removeListener('exit', this.#onExit);
    this.#clock.stop();
    const farewell = this.#settings.farewell();
    const last = farewell === '' ? [] : farewell.replace(/\n$/, '').split('\n');
    const lines = [...this.#staying(), ...last.map(this.#settings.clean)];
    this.#output.toStdout(over(this.#rowsDrawn(), lines), false);
    this.#output.release();
  }

  #draw(): void {
    this.#tick++;
    const rows = this.#rowsDrawn();
    const frame = this.#settings.frame(this.#tick).map(this.#settings.clean);
    const text = over(rows, [...this.#staying(), ...frame]);
    this.#drawn = frame;
    // Synchronized output: terminals that know it show the frame at once, the others ignore it.
    this.#output.toStdout(`\u001b[?2026h${text}\u001b[?2026l`, false);
  }

  #staying(): readonly string[] {
    return this.#settings.takeStaying().flatMap((text) => text.split('\n').map(this.#settings.clean));
  }

  /** Rows that the moving block takes: lines drawn on a wider terminal take several rows of a narrower one. */
  #rowsDrawn(): number {
    const columns = Math.max(1, this.#settings.stdout.columns || 80);
    return this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0);
  }
}
