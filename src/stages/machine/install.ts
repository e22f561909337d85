/** Runs an installation: media, answers, typing, waiting, the login if one is wanted, and a clean end. */
import { parseBootCommand } from '../../machine/boot-command.ts';
import { HOST_ADDRESS } from '../../machine/command-line.ts';
import { createDisk } from '../../machine/disk-image.ts';
import { keepIfWanted } from '../../machine/kept.ts';
import { typeBootCommand } from '../../machine/keyboard.ts';
import type { Machine } from '../../machine/machine.ts';
import type { SshLogin } from '../../machine/ssh-login.ts';
import { waitForSerial } from '../../machine/wait-for-serial.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext, StageReturn } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';
import { bootMachine, loginOf } from './boot.ts';
import { type Guest, logIn, shutDown } from './guest.ts';
import { kernelOf, seedImage } from './install-media.ts';
import { serveAnswers } from './serve-answers.ts';

const INSTALLATION_LIMIT_MS = 3 * 3_600_000;
const SHUTDOWN_LIMIT_MS = 300_000;

/** The whole stage: leaves `disk` and, with UEFI, `efivars`. */
export async function install(
  options: InstallOptions,
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  const notes: string[] = [];
  const server = await serveAnswers(options, context, (line) => notes.push(line));
  try {
    const installed = await inMachine(options, context, server?.port ?? 0, notes);
    if (!installed.ok) return installed;
  } finally {
    await server?.close();
  }
  if (options.firmware === 'bios') return ok({});
  const kept = await context.host.files.copyFile(`${context.scratch}/efivars.fd`, context.output('efivars'));
  return kept.ok ? ok({}) : kept;
}

async function inMachine(
  options: InstallOptions,
  context: StageContext,
  port: number,
  requests: readonly string[],
): Promise<Result<void, Failure>> {
  const values = { HTTPIP: HOST_ADDRESS, HTTPPort: String(port), Name: context.action };
  const disk = context.output('disk');
  const made = await createDisk(context, disk, options.disk_size);
  if (!made.ok) return made;
  const kernel = await kernelOf(options, context, values);
  if (!kernel.ok) return kernel;
  const seed = await seedImage(options, context);
  if (!seed.ok) return seed;
  const login = options.ssh ? await loginOf(context, options.ssh) : ok(null);
  if (!login.ok) return login;
  const booted = await bootMachine(context, options, {
    layers: [{ path: disk, format: 'qcow2' }],
    cdroms: [...(options.iso ? [context.input(options.iso).path] : []), ...(seed.value ? [seed.value] : [])],
    kernel: kernel.value,
    login: login.value,
    endsAtReboot: options.shutdown.by === 'reboot',
  });
  if (!booted.ok) return booted;
  booted.value.showRequests(requests);
  try {
    booted.value.phase('booting');
    const typed = await typeAnswers(options, context, booted.value, values);
    const done = typed.ok ? await untilInstalled(options, context, booted.value, login.value) : typed;
    return done.ok ? done : fail(await keepIfWanted(context, booted.value, login.value, done.failure));
  } finally {
    await booted.value.end();
  }
}

async function untilInstalled(
  options: InstallOptions,
  context: StageContext,
  machine: Machine,
  login: SshLogin | null,
): Promise<Result<void, Failure>> {
  machine.phase('installing');
  const waited = await waitForTexts(options, context, machine);
  if (!waited.ok) return waited;
  let guest: Guest | null = null;
  if (login && options.ssh) {
    const { timeout, password = null } = options.ssh;
    const entered = await logIn(context, machine, login, { timeoutMs: timeout, password });
    if (!entered.ok) return entered;
    guest = entered.value;
    const worked = await workInGuest(options, context, guest);
    if (!worked.ok) return worked;
  }
  const by = options.shutdown.by ?? (guest ? 'acpi' : 'guest');
  const limitMs = by === 'guest' || by === 'reboot' ? INSTALLATION_LIMIT_MS : SHUTDOWN_LIMIT_MS;
  const timeout = options.shutdown.timeout ?? limitMs;
  return await shutDown(context, machine, guest, { by, command: options.shutdown.command, timeout });
}

async function typeAnswers(
  options: InstallOptions,
  context: StageContext,
  machine: Machine,
  values: Parameters<typeof parseBootCommand>[1],
): Promise<Result<void, Failure>> {
  if (options.boot_command.length === 0) return ok(undefined);
  const parsed = parseBootCommand(options.boot_command.join(''), values);
  if (!parsed.ok) throw new Error(`checked before, but: ${parsed.problems.join('; ')}`);
  const steps = [{ type: 'wait', ms: options.boot_wait } as const, ...parsed.steps];
  return await typeBootCommand(context, machine, steps, options.boot_key_interval);
}

async function waitForTexts(
  options: InstallOptions,
  context: StageContext,
  machine: Machine,
): Promise<Result<void, Failure>> {
  for (const { serial, timeout } of options.wait_for) {
    const seen = await machine.during(`before /${serial}/ appeared on its serial console`, (signal) =>
      waitForSerial(context, machine, serial, timeout, signal),
    );
    if (!seen.ok) return seen;
  }
  return ok(undefined);
}

async function workInGuest(
  options: InstallOptions,
  context: StageContext,
  guest: Guest,
): Promise<Result<void, Failure>> {
  for (const [to, file] of Object.entries(options.files)) {
    context.progress(`copying ${to}`);
    const sent = await guest.machine.during(`while ${to} was copied`, () =>
      guest.ssh().upload(context.input(file).path, to),
    );
    if (!sent.ok) return sent;
  }
  for (const [index, command] of options.run.entries()) {
    context.progress(`command ${index + 1} of ${options.run.length}`, index / options.run.length);
    context.log(`$ ${command}`);
    const ran = await guest.run(command, 'while a command ran in it');
    if (!ran.ok) return ran;
    const { exitCode, tail } = ran.value;
    if (exitCode === 0) continue;
    const view = await guest.machine.view();
    const disconnected = exitCode === 255 || exitCode === null;
    return fail({ code: 'guest-command-failed', command, exitCode, disconnected, tail, guest: view });
  }
  return ok(undefined);
}
