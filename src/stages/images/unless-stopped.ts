/** Ends a long copy early when its stage has to stop. */
import type { Failure } from '../../model/failure.ts';
import type { Result } from '../../model/result.ts';
import { fail } from '../../model/result.ts';

/**
 * Gives `copy` a check to call now and then: once `signal` has fired the check throws, and the copy ends as a failure of its
 * stage. Any other exception is a bug, and goes on.
 */
export async function unlessStopped<T>(
  signal: AbortSignal,
  copy: (check: () => void) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> {
  try {
    return await copy(() => signal.throwIfAborted());
  } catch (error) {
    if (signal.aborted) return fail({ code: 'stage-refused', problem: 'it was stopped', hint: null });
    throw error;
  }
}
