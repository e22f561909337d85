/** Waits until a guest says something on its serial console. */
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { MachineContext } from './context.ts';
import type { Machine } from './machine.ts';

/** Succeeds as soon as the pattern is there; fails after `timeoutMs`. To be called within `machine.during`. */
export async function waitForSerial(
  context: MachineContext,
  machine: Machine,
  pattern: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Result<void, Failure>> {
  const limit = AbortSignal.timeout(Math.max(0, Math.ceil(timeoutMs)));
  const found = await machine.serial.waitFor(new RegExp(pattern, 'm'), AbortSignal.any([signal, limit]));
  if (found === null && limit.aborted && !signal.aborted)
    return fail({ code: 'serial-not-seen', pattern, timeoutMs, guest: await machine.view() });
  if (found !== null) context.log(`the console said /${pattern}/`);
  return ok(undefined);
}
