/** Runs an installation: answers, typing, waiting, the login if one is wanted, and a clean end. */

import type { ServedPlace } from '../../host/sockets.ts';
import { parseBootCommand } from '../../machine/boot-command.ts';
import type { CheckpointFacts } from '../../machine/checkpoint.ts';
import { keepIfWanted } from '../../machine/kept.ts';
import { typeBootCommand } from '../../machine/keyboard.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Accelerator } from '../../machine/shape.ts';
import type { SshLogin } from '../../machine/ssh-login.ts';
import { waitForSerial } from '../../machine/wait-for-serial.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext, StageReturn } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';
import { chooseAccelerator, passwordOf } from './boot.ts';
import { type Guest, logIn, shutDown } from './guest.ts';
import { MarkWatch } from './mark-watch.ts';
import { fittingMarks, installFacts, type Mark } from './marks.ts';
import { type Answers, serveAnswers } from './serve-answers.ts';
import {
  clearAway,
  goOnAt,
  placeholders,
  type Started,
  startInstaller,
  type Unusable,
  variablesOf,
} from './start-installer.ts';

const INSTALLATION_LIMIT_MS = 3 * 3_600_000;
const SHUTDOWN_LIMIT_MS = 300_000;

/** What is to be done, and the marks that are wanted on the way; null when none are. */
interface Work {
  readonly options: InstallOptions;
  readonly context: StageContext;
  readonly accelerator: Accelerator;
  readonly facts: CheckpointFacts | null;
}

/** The whole stage: leaves `disk` and, with UEFI, `efivars`. */
export async function install(
  options: InstallOptions,
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  const accelerator = await chooseAccelerator(context, options.accelerator);
  const wantsMarks = options.marks.length > 0 && options.checkpoint && context.checkpoints;
  const facts = wantsMarks ? await installFacts(options, context, accelerator) : null;
  const installed = await fromSomewhere({ options, context, accelerator, facts });
  if (!installed.ok) return installed;
  const variables = variablesOf(options, context);
  if (variables === null) return ok({});
  const kept = await context.host.files.copyFile(variables, context.output('efivars'));
  return kept.ok ? ok({}) : kept;
}

/** At the last mark that works, else from the beginning. */
async function fromSomewhere(work: Work): Promise<Result<void, Failure>> {
  const { options, context, facts } = work;
  if (facts !== null) {
    for await (const mark of fittingMarks(options, context, facts)) {
      const done = await attempt(work, mark);
      if (!('unusable' in done)) return done;
      context.log(`the mark ${mark.name} is of no use: ${done.unusable}`);
      await clearAway(options, context);
    }
    context.log('installing from the beginning');
  }
  const done = await attempt(work, null);
  if ('unusable' in done) throw new Error(`no mark was to be used, but: ${done.unusable}`);
  return done;
}

async function attempt(work: Work, mark: Mark | null): Promise<Result<void, Failure> | Unusable> {
  const earlier =
    mark === null ? undefined : { ...mark.record, asked: mark.record.asked.map(([path]) => path) };
  const answers = await serveAnswers(work.options, work.context, earlier);
  if (answers === null) return { unusable: `the port of its HTTP server, ${earlier?.port}, is taken` };
  try {
    return await inMachine(work, answers, mark);
  } finally {
    await answers.close();
  }
}

async function inMachine(
  work: Work,
  answers: Answers,
  mark: Mark | null,
): Promise<Result<void, Failure> | Unusable> {
  const { options, context, accelerator } = work;
  const started = await startInstaller(options, context, { place: answers, accelerator }, mark);
  if ('unusable' in started || !started.ok) return started;
  const { machine, login } = started.value;
  machine.showRequests(answers.requests);
  const watch = watchFor(work, answers, started.value, mark);
  try {
    machine.phase('booting');
    const goingOn = mark === null ? null : goOnAt(mark, context, machine);
    const typed = await typeAnswers(options, context, machine, answers, mark !== null);
    const done = typed.ok ? await untilInstalled(options, context, machine, login, watch) : typed;
    await Promise.all([goingOn, watch?.stop()]);
    return done.ok ? done : fail(await keepIfWanted(context, machine, login, done.failure));
  } finally {
    await machine.end();
  }
}

function watchFor(
  { options, context, facts }: Work,
  answers: Answers,
  { machine, login }: Started,
  mark: Mark | null,
): MarkWatch | null {
  if (facts === null) return null;
  const disk = context.output('disk');
  const variables = variablesOf(options, context);
  const underway = { options, context, machine, login, answers, facts, disk, variables };
  return new MarkWatch(underway, mark?.index ?? -1);
}

async function untilInstalled(
  options: InstallOptions,
  context: StageContext,
  machine: Machine,
  login: SshLogin | null,
  watch: MarkWatch | null,
): Promise<Result<void, Failure>> {
  machine.phase('installing');
  watch?.begin();
  const waited = await waitForTexts(options, context, machine);
  if (!waited.ok) return waited;
  let guest: Guest | null = null;
  if (login && options.ssh) {
    // A connection of bake's own would be lost at a mark, and what it does is done again anyway.
    await watch?.stop();
    const password = passwordOf(options.ssh, context);
    const timeoutMs = options.ssh.timeout;
    const entered = await logIn(context, machine, login, { timeoutMs, password });
    if (!entered.ok) return entered;
    guest = entered.value;
    const worked = await workInGuest(options, context, guest);
    if (!worked.ok) return worked;
  }
  const by = options.shutdown.by ?? (guest ? 'acpi' : 'guest');
  const limitMs = by === 'guest' || by === 'reboot' ? INSTALLATION_LIMIT_MS : SHUTDOWN_LIMIT_MS;
  const timeout = options.shutdown.timeout ?? limitMs;
  return await shutDown(machine, guest, { by, command: options.shutdown.command, timeout });
}

async function typeAnswers(
  options: InstallOptions,
  context: StageContext,
  machine: Machine,
  place: ServedPlace,
  wasTyped: boolean,
): Promise<Result<void, Failure>> {
  if (options.boot_command.length === 0) return ok(undefined);
  const parsed = parseBootCommand(options.boot_command.join(''), placeholders(options, context, place));
  if (!parsed.ok) throw new Error(`checked before, but: ${parsed.problems.join('; ')}`);
  const steps = wasTyped
    ? // What these find is not found again by `wait_for`.
      parsed.steps.filter(({ type }) => type === 'wait-for-serial')
    : [{ type: 'wait', ms: options.boot_wait } as const, ...parsed.steps];
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
