/** Types a boot command at a machine through QMP: presses, held keys, waits. */
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { BootStep } from './boot-command.ts';
import type { MachineContext } from './context.ts';
import type { Machine } from './machine.ts';
import { waitForSerial } from './wait-for-serial.ts';

/**
 * Carries out the steps one by one, `intervalMs` after each key: firmware and boot loaders read slowly and drop what
 * comes too fast.
 */
export async function typeBootCommand(
  context: MachineContext,
  machine: Machine,
  steps: readonly BootStep[],
  intervalMs: number,
): Promise<Result<void, Failure>> {
  return await machine.during('while its boot command was typed', async (signal) => {
    for (const [index, step] of steps.entries()) {
      if (signal.aborted) break;
      context.progress('typing the boot command', index / steps.length);
      const done = await perform(context, machine, step, intervalMs, signal);
      if (!done.ok) return done;
    }
    return ok(undefined);
  });
}

async function perform(
  context: MachineContext,
  machine: Machine,
  step: BootStep,
  intervalMs: number,
  signal: AbortSignal,
): Promise<Result<void, Failure>> {
  if (step.type === 'wait') {
    await context.host.clock.sleep(step.ms, signal);
    return ok(undefined);
  }
  if (step.type === 'wait-for-serial')
    return await waitForSerial(context, machine, step.pattern, step.timeoutMs, signal);
  const sent = await machine.qmp.command('input-send-event', { events: eventsOf(step) });
  if (!sent.ok && !signal.aborted) return fail(unknownKey(step.key, sent.failure));
  await context.host.clock.sleep(intervalMs, signal);
  return ok(undefined);
}

function eventsOf(step: Extract<BootStep, { readonly key: string }>) {
  if (step.type !== 'press') return [event(step.key, step.type === 'hold')];
  const press = [event(step.key, true), event(step.key, false)];
  return step.shift ? [event('shift', true), ...press, event('shift', false)] : press;
}

function event(key: string, down: boolean) {
  return { type: 'key', data: { down, key: { type: 'qcode', data: key } } };
}

function unknownKey(key: string, problem: string): Failure {
  return { code: 'stage-refused', problem: `the key ${key} could not be pressed: ${problem}`, hint: null };
}
