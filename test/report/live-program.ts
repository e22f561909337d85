/** A program for a pseudo-terminal: tells events that come as JSON lines over a socket, so that a test decides when each happens. */
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import type { Event } from '../../src/model/event.ts';
import { styleFor } from '../../src/report/ansi.ts';
import { liveReporter } from '../../src/report/live.ts';
import { START_MS } from './story.ts';

/** One line of the socket. */
export interface Told {
  readonly event?: Event;
  /** Something that another part of bake writes to the terminal. */
  readonly stray?: string;
  /** Ends the program as a bug does. */
  readonly crash?: true;
}

const stop = new AbortController();
process.on('SIGINT', () => stop.abort());
const reporter = liveReporter({
  terminal: {
    write: (text) => process.stdout.write(text.toString()),
    columns: () => process.stdout.columns,
    rows: () => process.stdout.rows,
    style: styleFor(true),
    unicode: true,
  },
  stdout: process.stdout,
  stderr: process.stderr,
  now: () => START_MS + 72_000,
  signal: stop.signal,
});
const socket = createConnection(Number(process.argv[2]), '127.0.0.1');
for await (const line of createInterface({ input: socket })) {
  const { stray, crash, event } = JSON.parse(line) as Told;
  if (stray !== undefined) process.stderr.write(`${stray}\n`);
  if (crash === true) process.exit(70);
  if (event !== undefined) reporter.on(event);
}
await reporter.close();
