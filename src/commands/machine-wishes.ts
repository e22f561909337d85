/** What the user wants of machines beside their results: checkpoints, and what becomes of one whose work fails. */
import type { Session } from '../engine/session.ts';
import type { Failure } from '../model/failure.ts';
import type { Invocation } from './command.ts';

/** False with `--no-checkpoint` or `BAKE_CHECKPOINT=0`. */
export function wantsCheckpoints({ flags, env }: Pick<Invocation, 'flags' | 'env'>): boolean {
  const said = env['BAKE_CHECKPOINT'];
  return flags['no-checkpoint'] !== true && said !== '0' && said !== 'false';
}

/** By `--on-error`; `ask` asks on a terminal, one question at a time, and stops the machine where there is none. */
export function afterFailureBy(
  invocation: Pick<Invocation, 'flags' | 'env' | 'signal'>,
): Session['afterFailure'] {
  const wish = invocation.flags['on-error'];
  if (wish === 'keep-vm') return async () => 'keep';
  const canAsk = process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (wish !== 'ask' || !canAsk) return async () => 'end';
  let before: Promise<unknown> = Promise.resolve();
  return (action, failure) => {
    const answer = before.then(() => ask(invocation, action, failure));
    before = answer;
    return answer;
  };
}

async function ask(
  { env, signal }: Pick<Invocation, 'env' | 'signal'>,
  action: string,
  failure: Failure,
): Promise<'end' | 'keep'> {
  if (signal.aborted) return 'end';
  const { renderSoFar } = await import('../report/render-failure.ts');
  const { renderSettingsOf } = await import('./reporters.ts');
  const { isAffirmed } = await import('./question.ts');
  const { printable } = await import('../report/printable.ts');
  const { sinkRules } = await import('./sink.ts');
  const screen = renderSoFar(action, failure, renderSettingsOf(env));
  process.stderr.write(printable(screen, sinkRules(env, process.stderr)));
  return (await isAffirmed('Keep its machine? [y/N] ', signal)) ? 'keep' : 'end';
}
