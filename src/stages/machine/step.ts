/** What every step in a machine does around its work: gets one at its disk, and leaves a layer, a checkpoint and the machine itself. */
import { join } from 'node:path';
import { saveCheckpoint } from '../../machine/checkpoint.ts';
import { keepIfWanted } from '../../machine/kept.ts';
import { putOverlay } from '../../machine/overlay.ts';
import { expectHostKeys, knownHostKeys, withHostKeys } from '../../machine/ssh-login.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext, StageReturn } from '../kind.ts';
import { settleScript } from './farewell.ts';
import type { Guest } from './guest.ts';
import { factsOf, type Standing, type StandingOptions, standAt } from './standing.ts';

/**
 * Does `work` in a machine at the disk, and leaves what it wrote as a layer on top. `prepare` is what can be done, and go
 * wrong, without the machine: its value goes to the work.
 */
export async function inStep<T = undefined>(
  options: StandingOptions,
  context: StageContext,
  work: (guest: Guest, prepared: T) => Promise<Result<void, Failure>>,
  prepare: () => Promise<Result<T, Failure>> = () => Promise.resolve(ok(undefined as T)),
): Promise<Result<StageReturn, Failure>> {
  const ready = prepare();
  const stepped = await withMachine(
    options,
    context,
    async (standing) => {
      const prepared = await ready;
      if (!prepared.ok) return prepared;
      const worked = await work(standing.guest, prepared.value);
      return worked.ok ? await cutLayer(standing, options, context) : worked;
    },
    ready,
  );
  await ready;
  return stepped;
}

/** Gets a machine at the disk; when what is done in it fails it is ended, or kept if the user wants that. */
export async function withMachine(
  options: StandingOptions,
  context: StageContext,
  use: (standing: Standing) => Promise<Result<StageReturn, Failure>>,
  ready?: Promise<Result<unknown, Failure>>,
): Promise<Result<StageReturn, Failure>> {
  const standing = await standAt(options, context, ready);
  if (!standing.ok) return standing;
  let used: Result<StageReturn, Failure> | null = null;
  try {
    used = await use(standing.value);
    if (used.ok) return used;
    const { machine, login } = standing.value;
    return fail(await keepIfWanted(context, machine, login, used.failure));
  } finally {
    if (!used?.ok || used.value.handOn === undefined) await standing.value.dispose();
  }
}

/** Runs one of bake's own scripts as root; `what` names it for the failure. */
export async function tidyUp(guest: Guest, script: string, what: string): Promise<Result<void, Failure>> {
  const ran = await guest.runAsRoot(script, 'while bake tidied up');
  if (!ran.ok) return ran;
  const { exitCode, tail } = ran.value;
  if (exitCode === 0) return ok(undefined);
  const view = await guest.machine.view();
  return fail({
    code: 'guest-command-failed',
    command: what,
    exitCode,
    disconnected: false,
    tail,
    guest: view,
  });
}

/** Moves a finished file to where the output is expected: on one file system, unless the stage runs in the checkout. */
export async function leaveOutput(
  { host }: StageContext,
  from: string,
  output: string,
): Promise<Result<void, Failure>> {
  const moved = await host.files.rename(from, output);
  return moved.ok || moved.failure.errno !== 'EXDEV' ? moved : await host.files.copyFile(from, output);
}

async function cutLayer(
  standing: Standing,
  options: StandingOptions,
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  const { machine, guest, top } = standing;
  context.progress('keeping the layer');
  const wantsCheckpoint = context.checkpoints && options.checkpoint;
  const session = await learn(guest, standing);
  const tidied = await tidyUp(guest, settleScript(standing.login), '(the removal of the temporary key)');
  if (!tidied.ok) return tidied;
  await machine.qmp.command('stop');
  const next = standing.nextTop();
  const cut = await putOverlay(standing.context, machine, top, next, standing.sizeBytes);
  if (!cut.ok) return cut;
  standing.top = next;
  const left = await leaveOutput(context, top.path, context.output('disk'));
  if (!left.ok) return left;
  const efivars = options.firmware === 'uefi' ? context.output('efivars') : null;
  if (efivars !== null) {
    const kept = await context.host.files.copyFile(standing.efivars, efivars);
    if (!kept.ok) return kept;
  }
  const sides = wantsCheckpoint ? await saveMemory(standing, context, session, efivars) : null;
  standing.context.detach();
  return ok({
    layered: { disk: context.input(options.disk) },
    ...(sides === null ? {} : { sides: { disk: sides } }),
    ...(machine.hasEnded() ? {} : { handOn: { output: 'disk', live: standing } }),
  });
}

/**
 * Asks for the process in the guest that serves our connection, and for the guest's host keys: a step may have made new ones,
 * and whoever connects anew, to the machine as it stands or resumed, is shown those.
 */
async function learn(guest: Guest, { context, login }: Standing): Promise<number | null> {
  const script = 'echo $PPID; cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null; exit 0';
  const asked = await guest.run(script, 'while it was asked for a process', { quiet: true });
  const [session = '', ...keys] = asked.ok ? asked.value.stdout.split('\n') : [];
  const known = await knownHostKeys(context, login);
  const more = known === null ? null : withHostKeys(known, keys);
  if (more !== null && more !== known) await expectHostKeys(context, login, more);
  const number = Number(session.trim());
  return Number.isSafeInteger(number) && number > 1 ? number : null;
}

/** Directory with the checkpoint; null, said in one line, when it could not be saved: that costs the next run time alone. */
async function saveMemory(
  standing: Standing,
  context: StageContext,
  session: number | null,
  efivars: string | null,
): Promise<string | null> {
  const { files, hashing } = context.host;
  if (standing.kind['disk_interface'] === 'nvme') {
    context.log('no checkpoint was saved: QEMU cannot save a machine with an NVMe disk');
    return null;
  }
  context.log('the layer is complete; saving the memory of the machine');
  context.progress('saving the memory');
  const directory = join(context.scratch, 'checkpoint');
  const made = await files.makeDirectory(directory, 0o700);
  const variables = efivars === null ? null : await hashing.digestFile(efivars);
  if (made.ok && (variables === null || variables.ok)) {
    const facts = await factsOf(context, standing.kind, variables?.value.digest ?? null);
    const { temporaryKey, keyFile } = standing.login;
    const hostKeys = await knownHostKeys(standing.context, standing.login);
    const checkpoint = { facts, temporaryKey, hostKeys, session };
    const key = temporaryKey === null ? null : keyFile;
    const saved = await saveCheckpoint(standing.context, standing.machine, directory, checkpoint, key);
    if (saved.ok) return directory;
    context.log(`no checkpoint was saved: ${saved.failure}`);
  }
  await files.remove(directory);
  return null;
}
