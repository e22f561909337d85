/** A guest that bake is logged in to: commands as root, reboots that are waited for, shutting down. */
import type { MachineContext } from '../../machine/context.ts';
import type { Machine } from '../../machine/machine.ts';
import { pressPowerButton, waitForPowerOff } from '../../machine/power.ts';
import { CONNECTION_LOST, type GuestEnd, openSsh, type RunOptions, type Ssh } from '../../machine/ssh.ts';
import { expectHostKeys, knownHostKeys, type SshLogin } from '../../machine/ssh-login.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { quoteWord } from '../../model/shell-words.ts';

const BOOT_ID = 'cat /proc/sys/kernel/random/boot_id';
const BOOT_ID_PAUSE_MS = 500;

export interface Guest {
  readonly machine: Machine;
  /** The open login; a new one after a reboot. */
  ssh(): Ssh;
  /** Runs a command line for the guest's shell. `during` says what for, if the machine ends meanwhile. */
  run(command: string, during: string, options?: RunOptions): Promise<Result<GuestEnd, Failure>>;
  /** The same as root, through sudo where the user is another. */
  runAsRoot(script: string, during: string, options?: RunOptions): Promise<Result<GuestEnd, Failure>>;
  /** A command line of the guest's shell with which root runs a script, and what it reads. */
  asRoot(script: string): RootCommand;
  /** The id of the guest's present boot; null when it cannot be asked. */
  bootId(): Promise<string | null>;
  /**
   * Logs in again after the connection was, or may have been, cut. `rebooted`: waits until the guest has booted anew since
   * `before`. `usable`: the same boot will do, unless the system is on its way down.
   */
  logInAgain(
    until: 'rebooted' | 'usable',
    before: string | null,
    timeoutMs: number,
  ): Promise<Result<void, Failure>>;
}

interface RootCommand {
  readonly command: string;
  readonly options: Pick<RunOptions, 'input'>;
}

/** Waits for the login. `password` is for sudo. */
export async function logIn(
  context: MachineContext,
  machine: Machine,
  login: SshLogin,
  options: { readonly timeoutMs: number; readonly password: string | null },
): Promise<Result<Guest, Failure>> {
  machine.phase('booting');
  const open = (timeoutMs: number) =>
    machine.during('before bake had logged in', (signal) =>
      openSsh(context, machine, login, { timeoutMs, signal }),
    );
  const first = await open(options.timeoutMs);
  if (!first.ok) return first;
  machine.phase(null);
  context.log(`logged in as ${login.user}`);
  let ssh = first.value;

  const run: Guest['run'] = (command, during, runOptions = {}) =>
    machine.during(during, (signal) => ssh.run(command, { ...runOptions, signal }));
  const asRoot = (script: string): RootCommand => {
    if (login.user === 'root') return { command: script, options: {} };
    const quoted = quoteWord(script);
    return options.password === null
      ? { command: `sudo -n sh -c ${quoted}`, options: {} }
      : { command: `sudo -S -p '' sh -c ${quoted}`, options: { input: `${options.password}\n` } };
  };
  const bootId = async (): Promise<string | null> => {
    const answer = await run(BOOT_ID, 'while it was asked for its boot id', {
      quiet: true,
      timeoutMs: 30_000,
    });
    const id = answer.ok && answer.value.exitCode === 0 ? answer.value.stdout.trim() : '';
    return id === '' ? null : id;
  };

  const isStopping = async (): Promise<boolean> => {
    const options = { quiet: true, timeoutMs: 30_000 };
    const answer = await run('systemctl is-system-running', 'while it was asked for its state', options);
    return (
      !answer.ok || answer.value.exitCode === CONNECTION_LOST || answer.value.stdout.trim() === 'stopping'
    );
  };

  return ok({
    machine,
    ssh: () => ssh,
    run,
    asRoot,
    runAsRoot(script, during, runOptions = {}) {
      const { command, options } = asRoot(script);
      return run(command, during, { ...runOptions, ...options });
    },
    bootId,
    async logInAgain(until, before, timeoutMs) {
      machine.phase('waiting for the guest');
      const isNewBoot = until === 'rebooted' || before !== null || ssh.hasEnded();
      const tellKeys = isNewBoot ? await expectNewKeys(context, login) : null;
      const deadline = context.host.clock.monotonicMs() + timeoutMs;
      const leftMs = (): number => Math.max(1, Math.round(deadline - context.host.clock.monotonicMs()));
      for (;;) {
        await ssh.close();
        const again = await open(leftMs());
        if (!again.ok) return again;
        ssh = again.value;
        const now = await bootId();
        if (now !== null && now !== before) break;
        // The old system may still answer while it goes down: only another boot id says that the new one is there.
        if (now !== null && until === 'usable' && !(await isStopping())) break;
        if (leftMs() <= 1 || context.signal.aborted)
          return fail(await neverRebooted(machine, ssh, timeoutMs));
        await context.host.clock.sleep(BOOT_ID_PAUSE_MS, context.signal);
      }
      machine.phase(null);
      context.log('logged in again');
      await tellKeys?.();
      return ok(undefined);
    },
  });
}

/**
 * A new boot may come with new host keys, of an image that makes its own; the port is still that of the same QEMU. Gives back
 * what tells of that after the login.
 */
async function expectNewKeys(context: MachineContext, login: SshLogin): Promise<() => Promise<void>> {
  const before = await knownHostKeys(context, login);
  await expectHostKeys(context, login, null);
  return async () => {
    if (before !== null && (await knownHostKeys(context, login)) !== before)
      context.log('the guest has other host keys since its reboot');
  };
}

async function neverRebooted(machine: Machine, ssh: Ssh, timeoutMs: number): Promise<Failure> {
  return {
    code: 'ssh-not-ready',
    user: ssh.user,
    timeoutMs,
    command: ssh.command,
    problem: 'the guest still runs the boot that was to be replaced by a new one',
    answered: false,
    guest: await machine.view(),
  };
}

/** How a guest is made to power off. */
export interface Shutdown {
  readonly by: 'guest' | 'reboot' | 'acpi' | 'command';
  readonly command?: string | undefined;
  readonly timeout: number;
}

/** Makes the guest power off, waits for it, and gives the machine back clean; a guest that does not is a failure. */
export async function shutDown(
  machine: Machine,
  guest: Guest | null,
  shutdown: Shutdown,
): Promise<Result<void, Failure>> {
  const waits = shutdown.by === 'guest' || shutdown.by === 'reboot';
  if (!waits) machine.phase('shutting down');
  const command = shutdown.command ?? 'poweroff';
  if (shutdown.by === 'acpi') await pressPowerButton(machine);
  else if (shutdown.by === 'command' && guest !== null) {
    const asGiven: RootCommand = { command, options: {} };
    const words = shutdown.command === undefined ? guest.asRoot(command) : asGiven;
    // The connection may be cut before the command's status arrives, so only what happens to the machine counts.
    const ran = guest.ssh().run(words.command, words.options);
    // A guest whose host keys are gone by now takes no new connection: then the button asks it. One that is ending has no use for it.
    if (shutdown.command === undefined)
      void ran
        .then((end) => (end.ok && end.value.exitCode === 0 ? undefined : pressPowerButton(machine)))
        .catch(() => undefined);
  }
  const asked = {
    guest: 'nobody: the guest was to power off by itself',
    reboot: 'nobody: the guest was to reboot by itself',
    acpi: 'the ACPI power button',
    command: `\`${command}\` through ssh`,
  }[shutdown.by];
  return await waitForPowerOff(machine, {
    asked,
    timeoutMs: shutdown.timeout,
    accepts: shutdown.by === 'reboot' ? 'reset' : 'powered-off',
  });
}
