/** Starts the machine of an installation: from nothing, or where an earlier one stood at a mark. */
import { join } from 'node:path';
import type { ServedPlace } from '../../host/sockets.ts';
import { checkpointKey, loadCheckpoint } from '../../machine/checkpoint.ts';
import { HOST_ADDRESS, RELAY_ADDRESS } from '../../machine/command-line.ts';
import { createDisk } from '../../machine/disk-image.ts';
import { type Machine, SERIAL_LOG } from '../../machine/machine.ts';
import type { BootValues } from '../../machine/placeholders.ts';
import type { Accelerator } from '../../machine/shape.ts';
import type { SshLogin } from '../../machine/ssh-login.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';
import { bootMachine, loginOf } from './boot.ts';
import { kernelOf, seedImage } from './install-media.ts';
import { type Mark, readMarkRecord } from './marks.ts';

/** The most of what the console said that is said again at once: waits forget what is older than some such pieces. */
const PIECE_CHARACTERS = 16 * 1024;

/** A mark that cannot be used, and why: then one begins elsewhere. */
export interface Unusable {
  readonly unusable: string;
}

/** A machine whose guest runs, or stands at a mark. */
export interface Started {
  readonly machine: Machine;
  readonly login: SshLogin | null;
}

/** Values of the placeholders in boot command and kernel command line. */
export function placeholders(
  { network }: Pick<InstallOptions, 'network'>,
  context: StageContext,
  { port, segment }: ServedPlace,
): BootValues {
  const address = network === 'full' ? HOST_ADDRESS : RELAY_ADDRESS;
  return { HTTPIP: address, HTTPPort: String(port), HTTPPath: segment, Name: context.action };
}

/** Absolute path of the UEFI variables that the guest writes to; null without UEFI. */
export function variablesOf({ firmware }: InstallOptions, { scratch }: StageContext): string | null {
  return firmware === 'uefi' ? join(scratch, 'efivars.fd') : null;
}

/** Starts the machine. One out of a mark is paused; see `goOnAt`. */
export async function startInstaller(
  options: InstallOptions,
  context: StageContext,
  { place, accelerator }: { readonly place: ServedPlace; readonly accelerator: Accelerator },
  mark: Mark | null,
): Promise<Result<Started, Failure> | Unusable> {
  const disk = context.output('disk');
  if (mark === null) {
    const made = await createDisk(context, disk, options.disk_size);
    if (!made.ok) return made;
  } else {
    const copied = await takeFiles(context, disk, mark);
    if (!copied.ok) return { unusable: 'its files could not be copied' };
  }
  const kernel = await kernelOf(options, context, placeholders(options, context, place));
  if (!kernel.ok) return kernel;
  const seed = await seedImage(options, context);
  if (!seed.ok) return seed;
  const login = options.ssh ? await loginOf(context, options.ssh, context, keptLogin(mark)) : ok(null);
  if (!login.ok) return mark === null ? login : { unusable: 'its key cannot be read' };
  const media = {
    layers: [{ path: disk, format: 'qcow2' }],
    cdroms: [...(options.iso ? [context.input(options.iso).path] : []), ...(seed.value ? [seed.value] : [])],
    kernel: kernel.value,
    login: login.value,
    endsAtReboot: options.shutdown.by === 'reboot',
    answersPort: place.port,
    efivars: mark?.files.variables,
  } as const;
  const hardware = { ...options, accelerator };
  if (mark === null) {
    const booted = await bootMachine(context, hardware, media);
    return booted.ok ? ok({ machine: booted.value, login: login.value }) : booted;
  }
  const waiting = await bootMachine(context, hardware, media, { incoming: true });
  if (!waiting.ok) return { unusable: waiting.failure.code };
  const unusable = await load(context, waiting.value, mark);
  if (unusable === null) return ok({ machine: waiting.value, login: login.value });
  await waiting.value.end();
  return context.signal.aborted
    ? fail({ code: 'stage-refused', problem: 'it was stopped', hint: null })
    : { unusable };
}

/** Removes what an attempt at a mark has left that another one would trip over. */
export async function clearAway(options: InstallOptions, context: StageContext): Promise<void> {
  const { files } = context.host;
  const left = [context.output('disk'), join(context.scratch, 'login'), variablesOf(options, context)];
  for (const path of left) if (path !== null) await files.remove(path);
}

/** Says once more what the console had said, so that log, waits and marks find it all, and lets the guest go on. */
export async function goOnAt(mark: Mark, context: StageContext, machine: Machine): Promise<void> {
  const text = await context.host.files.readText(machine.serialLog);
  const said = text.ok ? text.value : '';
  context.log(`what the console said until the mark ${mark.name}:`);
  for (const piece of piecesOf(said, mark.record.found)) {
    machine.serial.feed(piece);
    await context.host.clock.sleep(0);
  }
  context.log(`resumed at the mark ${mark.name}; \`bake run --force\` begins anew`);
  const gone = await machine.goOn();
  if (!gone.ok) context.log(`qemu: ${gone.failure}`);
}

/** A text in pieces that end wherever something was found in it, so that it is found again, and are never long. */
export function* piecesOf(said: string, found: readonly number[]): Generator<string> {
  const ends = [...found, said.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends)
    while (at < Math.min(end, said.length)) {
      const next = Math.min(end, said.length, at + PIECE_CHARACTERS);
      yield said.slice(at, next);
      at = next;
    }
}

/** Fills the machine with the memory of the mark; what is wrong with that, or null. */
async function load(context: StageContext, machine: Machine, mark: Mark): Promise<string | null> {
  const { directory } = mark.files;
  const loaded = await loadCheckpoint(context, machine, directory);
  // Another bake may have put another mark there since this one was read: its memory would be on the wrong disk.
  const record = await readMarkRecord(context, directory);
  if (record?.id !== mark.record.id) return 'it was replaced or removed just now';
  if (loaded.ok) return null;
  if (!context.signal.aborted) await context.ownSides.drop(mark.place);
  return loaded.failure;
}

async function takeFiles(
  { host: { files }, evidence }: StageContext,
  disk: string,
  mark: Mark,
): Promise<Result<void, Failure>> {
  const copied = await files.copyFile(mark.files.disk, disk, 0o666);
  if (!copied.ok) return copied;
  const log = join(evidence, SERIAL_LOG);
  await files.remove(log);
  return await files.copyFile(mark.files.console, log, 0o666);
}

function keptLogin(mark: Mark | null) {
  const publicKey = mark?.checkpoint.temporaryKey ?? null;
  if (mark === null || publicKey === null) return null;
  return { type: 'kept', path: checkpointKey(mark.files.directory), publicKey } as const;
}
