/** What the user wants of machines beside their results: checkpoints, and what becomes of one whose work fails. */
import { createInterface } from 'node:readline/promises';
import type { Session } from '../engine/session.ts';
import type { Failure } from '../model/failure.ts';
import { textOf } from '../report/failures.ts';
import type { Invocation } from './command.ts';

/** False with `--no-checkpoint` or `BAKE_CHECKPOINT=0`. */
export function wantsCheckpoints({ flags, env }: Pick<Invocation, 'flags' | 'env'>): boolean {
  const said = env['BAKE_CHECKPOINT'];
  return flags['no-checkpoint'] !== true && said !== '0' && said !== 'false';
}

/** By `--on-error`; `ask` asks on a terminal, one question at a time, and stops the machine where there is none. */
export function afterFailureBy({
  flags,
  signal,
}: Pick<Invocation, 'flags' | 'signal'>): Session['afterFailure'] {
  const wish = flags['on-error'];
  if (wish === 'keep-vm') return async () => 'keep';
  const canAsk = process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (wish !== 'ask' || !canAsk) return async () => 'end';
  let before: Promise<unknown> = Promise.resolve();
  return (action, failure) => {
    const answer = before.then(() => ask(action, failure, signal));
    before = answer;
    return answer;
  };
}

async function ask(action: string, failure: Failure, signal: AbortSignal): Promise<'end' | 'keep'> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // While it is asked, the terminal hands Ctrl-C to us as a key.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const question = `${action}: ${textOf(failure).summary}\nKeep its machine to look inside? [y/N] `;
    return /^\s*y/i.test(await terminal.question(question, { signal })) ? 'keep' : 'end';
  } catch (error) {
    if (signal.aborted) return 'end';
    throw error;
  } finally {
    terminal.close();
  }
}
