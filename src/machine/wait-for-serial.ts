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
  const limit = new AbortController();
  const over = new AbortController();
  void machine.clock.sleep(timeoutMs, AbortSignal.any([signal, over.signal])).then(() => limit.abort());
  const until = AbortSignal.any([signal, limit.signal]);
  const found = await machine.serial.waitFor(new RegExp(pattern, 'm'), until);
  over.abort();
  if (found === null && limit.signal.aborted && !signal.aborted)
    return fail({ code: 'serial-not-seen', pattern, timeoutMs, guest: await machine.view() });
  if (found !== null) context.log(`the console said /${pattern}/`);
  return ok(undefined);
}
