/** What all provisioning kinds do around their work: boot the disk on an overlay, log in, tidy up, shut down, keep a flat disk. */
import { createDisk, diskLayer, flatten, virtualSize } from '../../machine/disk-image.ts';
import type { Machine } from '../../machine/machine.ts';
import type { DiskLayer } from '../../machine/shape.ts';
import type { SshLogin } from '../../machine/ssh-login.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { ArtifactOption, StageContext, StageReturn } from '../kind.ts';
import { bootMachine, type Hardware, loginOf } from './boot.ts';
import { farewellScript, GENERALIZE_SCRIPT } from './farewell.ts';
import { type Guest, logIn, type Shutdown, shutDown } from './guest.ts';
import type { SshOptions } from './options.ts';

/** Options that the provisioning kinds share, as validated. */
export interface ProvisionOptions extends Hardware {
  readonly disk: ArtifactOption;
  readonly efivars?: ArtifactOption | undefined;
  readonly ssh: SshOptions;
  readonly shutdown: Shutdown;
  readonly generalize: boolean;
}

/** Boots, lets `work` do its part, and leaves the outputs `disk` and, with UEFI, `efivars`. */
export async function provision(
  options: ProvisionOptions,
  context: StageContext,
  work: (guest: Guest, login: SshLogin) => Promise<Result<void, Failure>>,
): Promise<Result<StageReturn, Failure>> {
  const layers = await layersOf(context, options.disk);
  if (!layers.ok) return layers;
  const login = await loginOf(context, options.ssh);
  if (!login.ok) return login;
  const machine = await bootMachine(context, options, {
    layers: layers.value,
    efivars: options.efivars,
    login: login.value,
  });
  if (!machine.ok) return machine;
  try {
    const done = await inMachine(options, context, machine.value, login.value, work);
    if (!done.ok) return done;
  } finally {
    await machine.value.end();
  }
  context.progress('writing the disk');
  const flat = await flatten(context, layers.value, context.output('disk'), {
    onProgress: (fraction) => context.progress('writing the disk', fraction),
  });
  if (!flat.ok) return flat;
  if (options.firmware === 'bios') return ok({});
  const kept = await context.host.files.copyFile(`${context.scratch}/efivars.fd`, context.output('efivars'));
  return kept.ok ? ok({}) : kept;
}

async function inMachine(
  options: ProvisionOptions,
  context: StageContext,
  machine: Machine,
  login: SshLogin,
  work: (guest: Guest, login: SshLogin) => Promise<Result<void, Failure>>,
): Promise<Result<void, Failure>> {
  const password =
    options.ssh.password ?? (options.ssh.password_from ? context.env[options.ssh.password_from] : undefined);
  const timeoutMs = options.ssh.timeout;
  const guest = await logIn(context, machine, login, { timeoutMs, password: password ?? null });
  if (!guest.ok) return guest;
  const worked = await work(guest.value, login);
  if (!worked.ok) return worked;
  context.progress('tidying up');
  const script = `${options.generalize ? GENERALIZE_SCRIPT : ''}${farewellScript(login)}`;
  const tidied = await guest.value.runAsRoot(script, 'while bake tidied up');
  if (!tidied.ok) return tidied;
  const { exitCode, tail } = tidied.value;
  if (exitCode !== 0) {
    const command = options.generalize ? '(generalize)' : '(the removal of the temporary key)';
    const view = await machine.view();
    return fail({ code: 'guest-command-failed', command, exitCode, disconnected: false, tail, guest: view });
  }
  return await shutDown(context, machine, guest.value, options.shutdown);
}

/** The layers of the given disk, with a new one on top that takes all writes. */
async function layersOf(
  context: StageContext,
  disk: ArtifactOption,
): Promise<Result<readonly DiskLayer[], Failure>> {
  const layers: DiskLayer[] = [];
  for (const path of context.input(disk).layers) {
    const layer = await diskLayer(context.host, path);
    if (!layer.ok) return layer;
    layers.push(layer.value);
  }
  const sizeBytes = await virtualSize(context, layers);
  if (!sizeBytes.ok) return sizeBytes;
  const overlay: DiskLayer = { path: `${context.scratch}/overlay.qcow2`, format: 'qcow2' };
  const made = await createDisk(context, overlay.path, sizeBytes.value);
  return made.ok ? ok([...layers, overlay]) : made;
}
