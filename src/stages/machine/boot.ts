/** From a stage's options to a running machine: accelerator, firmware, login. */
import { join } from 'node:path';
import { findAccelerator } from '../../machine/accelerator.ts';
import { processorDigest } from '../../machine/checkpoint.ts';
import type { MachineContext } from '../../machine/context.ts';
import { prepareFirmware } from '../../machine/firmware.ts';
import { type Machine, type Start, startMachine } from '../../machine/machine.ts';
import type {
  Accelerator,
  DiskInterface,
  DiskLayer,
  Firmware,
  MachineShape,
  NetDevice,
} from '../../machine/shape.ts';
import { type LoginMethod, prepareLogin, type SshLogin } from '../../machine/ssh-login.ts';
import { keyCredentials } from '../../machine/temporary-key.ts';
import type { Failure } from '../../model/failure.ts';
import type { JsonObject } from '../../model/json.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext } from '../kind.ts';
import { type ExtraArg, extraFacts, extraWords } from './extra-args.ts';
import type { SshOptions } from './options.ts';

/** What is needed to make a machine out of options that name artifacts. */
export type InputContext = MachineContext & Pick<StageContext, 'input'>;

/** Options of hardware, as validated. */
export interface Hardware {
  readonly memory: number;
  readonly cpus: number;
  readonly cpu_model: string;
  readonly machine_type: 'pc' | 'q35';
  readonly firmware: 'bios' | 'uefi';
  readonly disk_interface: DiskInterface;
  readonly net_device: NetDevice;
  readonly network: 'full' | 'answers' | 'none';
  readonly extra_args: readonly ExtraArg[];
  readonly accelerator: 'auto' | Accelerator;
}

/** What a kind adds to the hardware. */
export interface Media {
  readonly layers: readonly DiskLayer[];
  readonly cdroms?: readonly string[];
  readonly kernel?: MachineShape['kernel'];
  /** Absolute path of the UEFI variables to begin with; empty ones when absent. */
  readonly efivars?: string | undefined;
  readonly login?: SshLogin | null;
  readonly endsAtReboot?: boolean;
  /** On loopback, where its answers are served; 0 without any. */
  readonly answersPort?: number;
}

/** Starts a machine with this hardware and media; the guest runs when it resolves, unless it waits for its memory. */
export async function bootMachine(
  context: InputContext,
  hardware: Hardware,
  media: Media,
  start: Start = {},
): Promise<Result<Machine, Failure>> {
  const accelerator = await chooseAccelerator(context, hardware.accelerator);
  const shape = await shapeOf(context, hardware, media, context.scratch);
  if (!shape.ok) return shape;
  context.progress('starting the machine');
  return await startMachine(context, shape.value, accelerator, start);
}

/** What QEMU is to make a machine of; `directory` gets its copy of the UEFI variables. */
export async function shapeOf(
  context: InputContext,
  hardware: Hardware,
  media: Media,
  directory: string,
): Promise<Result<MachineShape, Failure>> {
  const firmware: Result<Firmware, Failure> =
    hardware.firmware === 'bios'
      ? ok({ type: 'bios' })
      : await prepareFirmware(context.host.files, directory, media.efivars ?? null);
  if (!firmware.ok) return firmware;
  const extra = extraWords(hardware.extra_args, context);
  if (!extra.ok) return extra;
  const key = media.login?.temporaryKey ?? null;
  return ok({
    machineType: hardware.machine_type,
    cpuModel: hardware.cpu_model,
    cpus: hardware.cpus,
    memoryBytes: hardware.memory,
    firmware: firmware.value,
    disks: [{ layers: media.layers, interface: hardware.disk_interface }],
    cdroms: media.cdroms ?? [],
    kernel: media.kernel ?? null,
    netDevice: hardware.net_device,
    network: {
      isShut: hardware.network !== 'full',
      forwardsSsh: media.login !== undefined && media.login !== null,
      relayedPort: hardware.network === 'answers' ? (media.answersPort ?? 0) : 0,
    },
    credentials: key === null ? {} : keyCredentials(key),
    endsAtReboot: media.endsAtReboot ?? false,
    extraArgs: extra.value,
  });
}

/** What of its hardware a guest sees, for comparing: a saved memory fits no other. */
export async function hardwareFacts(
  context: Pick<StageContext, 'host' | 'input'>,
  hardware: Hardware,
  accelerator: Accelerator,
): Promise<JsonObject> {
  const { memory, cpus, cpu_model, machine_type, firmware, disk_interface, net_device, network } = hardware;
  return {
    ...{ memory, cpus, cpu_model, machine_type, firmware, disk_interface, net_device, network },
    extra_args: extraFacts(hardware.extra_args, context),
    accelerator,
    processor: accelerator === 'kvm' ? await processorDigest(context.host) : null,
  };
}

/** Key or password files for a login as the options say, or with the key of a checkpoint; kept in the scratch directory of the machine. */
export async function loginOf(
  context: InputContext,
  ssh: SshOptions,
  machine: MachineContext = context,
  kept: LoginMethod | null = null,
): Promise<Result<SshLogin, Failure>> {
  const directory = join(machine.scratch, 'login');
  const made = await context.host.files.makeDirectory(directory);
  if (!made.ok) return made;
  const closed = await context.host.files.chmod(directory, 0o700);
  if (!closed.ok) return closed;
  const method = kept === null ? methodOf(context, ssh) : ok(kept);
  return method.ok ? await prepareLogin(machine, ssh.user, method.value, directory) : method;
}

/** The password of a login; null with a key. */
export function passwordOf(ssh: SshOptions, { env }: Pick<StageContext, 'env'>): string | null {
  return ssh.password ?? (ssh.password_from === undefined ? null : (env[ssh.password_from] ?? null));
}

function methodOf(context: InputContext, ssh: SshOptions): Result<LoginMethod, Failure> {
  if (ssh.private_key) return ok({ type: 'private-key', path: context.input(ssh.private_key).path });
  if (ssh.password !== undefined) return ok({ type: 'password', password: ssh.password });
  if (ssh.password_from === undefined) return ok({ type: 'temporary' });
  const password = context.env[ssh.password_from];
  if (password !== undefined) return ok({ type: 'password', password });
  return fail({
    code: 'stage-refused',
    problem: `\`ssh.password_from\` names ${ssh.password_from}, which is no variable of this stage`,
    hint: `add \`secrets: [${ssh.password_from}]\` to the stage`,
  });
}

/** The accelerator that is wanted, or the one that works here. */
export async function chooseAccelerator(
  context: InputContext,
  wanted: Hardware['accelerator'],
): Promise<Accelerator> {
  if (wanted !== 'auto') return wanted;
  const found = await findAccelerator(context.host, context);
  const slow = found.accelerator === 'tcg' ? ': everything in the machine takes several times longer' : '';
  context.log(`accelerator ${found.accelerator}: ${found.reason}${slow}`);
  return found.accelerator;
}
