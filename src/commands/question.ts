/** A question at the terminal, above which a run may go on to write. */
import type { Interface } from 'node:readline/promises';

/** What was typed before the question was there is read within this time, and thrown away: it answers nothing. */
const FORGET_MS = 50;

/** The question that stands on the terminal now. */
let standing: Interface | null = null;

/** Asks until yes or no is said; nothing, Ctrl-D, Ctrl-C and a terminal that is gone mean no. Short: on one row it can be moved. */
export async function isAffirmed(question: string, signal: AbortSignal): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  await forgetTyped();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // While it is asked, the terminal hands Ctrl-C to us as a key.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const closed = new Promise<null>((resolve) => terminal.once('close', () => resolve(null)));
  standing = terminal;
  try {
    for (;;) {
      const answer = await Promise.race([terminal.question(question, { signal }), closed]);
      if (answer === null) return unanswered(signal);
      if (/^\s*(?:no?\s*)?$/i.test(answer)) return false;
      if (/^\s*y(?:es)?\s*$/i.test(answer)) return true;
    }
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
    return unanswered(signal);
  } finally {
    standing = null;
    terminal.close();
  }
}

/** After a signal the row has ended by itself. */
function unanswered(signal: AbortSignal): false {
  if (!signal.aborted) process.stderr.write('\n');
  return false;
}

/** Writes whole lines; above the question, if one stands there, which then stands below them again. */
export function aboveQuestion(write: () => void): void {
  if (standing !== null) process.stderr.write(process.env['TERM'] === 'dumb' ? '\n' : '\r\u001b[J');
  write();
  standing?.prompt(true);
}

async function forgetTyped(): Promise<void> {
  const { stdin } = process;
  const forget = (): void => undefined;
  stdin.setRawMode(true).on('data', forget);
  await new Promise((resolve) => setTimeout(resolve, FORGET_MS));
  stdin.off('data', forget).setRawMode(false).pause();
}
