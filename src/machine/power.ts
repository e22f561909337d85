/** Ends a machine cleanly: asks the guest to power off and waits until QEMU is gone; anything else is a failure. */
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Machine, MachineEnd } from './machine.ts';

/**
 * Waits until the guest has powered off by itself. `asked` says how it was made to, for the failure; `accepts` names the
 * endings that are clean: a reboot is one where that ends the installation.
 */
export async function waitForPowerOff(
  machine: Machine,
  options: { readonly asked: string; readonly timeoutMs: number; readonly accepts?: MachineEnd['type'] },
): Promise<Result<void, Failure>> {
  const { asked, timeoutMs, accepts = 'powered-off' } = options;
  const timer = new AbortController();
  const outcome = await machine
    .during<'ended' | 'late'>('', async (signal) => {
      await machine.clock.sleep(timeoutMs, AbortSignal.any([signal, timer.signal]));
      return ok('late');
    })
    .finally(() => timer.abort());
  if (outcome.ok)
    return fail({ code: 'guest-did-not-shut-down', asked, timeoutMs, guest: await machine.view() });
  // `during` tells every ending as a failure; the one that was waited for is none.
  if (outcome.failure.code === 'guest-panicked') return outcome;
  const end = await machine.ended;
  return end.type === accepts ? ok(undefined) : outcome;
}

/** Presses the ACPI power button: acpid or systemd-logind in the guest does the rest. */
export async function pressPowerButton(machine: Machine): Promise<void> {
  await machine.qmp.command('system_powerdown');
}
