/** Prints failures to standard error as they are meant to be read, and knows the exit status that goes with them. */
import type { Failure } from '../model/failure.ts';
import { exitStatusOf } from '../report/failures.ts';
import { annotation } from '../report/github.ts';
import { renderFailures } from '../report/render-failure.ts';
import type { Invocation } from './command.ts';
import { renderSettingsOf } from './reporters.ts';
import { isSet } from './stream-choice.ts';

/** The exit status for the failures that it printed. */
export function printFailures(
  { env, writeError }: Pick<Invocation, 'env' | 'writeError'>,
  failures: readonly Failure[],
): number {
  writeError(renderFailures(failures, renderSettingsOf(env)));
  if (isSet(env['GITHUB_ACTIONS']))
    for (const failure of failures) writeError(annotation('error', failure, null));
  return Math.max(...failures.map(exitStatusOf));
}
