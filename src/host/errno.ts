/** Turns what the operating system says into a failure: the only place that reads `errno` codes. */
import { closeSync } from 'node:fs';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';

/** The `code` of a system error (`ENOENT`), or null when the error is of another sort: a bug, to be thrown on. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  // Node's own argument errors are bugs of the caller, not the system speaking.
  return error.code.startsWith('ERR_') ? null : error.code;
}

/** Nothing is there, or nothing that bake wrote: it is no file, a link, too large, or its name is no text. */
const NOTHING_OF_OURS = ['ENOENT', 'ENOTDIR', 'EFBIG', 'EISDIR', 'ELOOP', 'ENOTREG', 'EILSEQ'];

/** Whether something may be there that the system does not give out: then nothing is known of it. */
export function isRefused({ errno }: HostFailure): boolean {
  return !NOTHING_OF_OURS.includes(errno);
}

/** The failure for a system error; anything else is thrown on, because it is a bug. */
export function troubleOf(action: string, path: string, error: unknown): HostFailure {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  return { code: 'file-trouble', action, path, errno };
}

/** Runs `work`; a system error becomes a failure about `path`. */
export function attempt<T>(action: string, path: string, work: () => T): Result<T, HostFailure> {
  try {
    return ok(work());
  } catch (error) {
    return fail(troubleOf(action, path, error));
  }
}

/** As `attempt`, for work that takes its time. */
export async function attemptAsync<T>(
  action: string,
  path: string,
  work: () => Promise<T>,
): Promise<Result<T, HostFailure>> {
  try {
    return ok(await work());
  } catch (error) {
    return fail(troubleOf(action, path, error));
  }
}

/** Closes a file of which nothing is lost when the system reports trouble: it is closed all the same (close(2), NOTES). */
export function closeAnyway(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
  }
}
