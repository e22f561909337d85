/** How many stages run at a time. */
import type { Host } from '../host/host.ts';
import type { UsageFailure } from '../model/failure-usage.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Invocation } from './command.ts';

/** `--jobs`, else the number of processors. */
export function jobsOf(
  { flags }: Pick<Invocation, 'flags'>,
  { processorCount }: Pick<Host, 'processorCount'>,
): Result<number, UsageFailure> {
  const flag = flags['jobs'];
  if (flag === undefined) return ok(processorCount);
  const jobs = Number(flag);
  if (Number.isInteger(jobs) && jobs >= 1) return ok(jobs);
  return fail({
    code: 'bad-flag-value',
    flag: '--jobs',
    value: String(flag),
    expected: 'a number from 1',
  });
}
