/** A machine that stands at a layer of a disk, ready for work: handed on by the step before, resumed from a checkpoint, or booted. */
import { join } from 'node:path';
import {
  type Checkpoint,
  type CheckpointFacts,
  checkpointKey,
  loadCheckpoint,
  qemuVersion,
  readCheckpoint,
  whyUnfit,
} from '../../machine/checkpoint.ts';
import { HandedContext } from '../../machine/context.ts';
import { createDisk } from '../../machine/disk-image.ts';
import { type Machine, startMachine } from '../../machine/machine.ts';
import type { Top } from '../../machine/overlay.ts';
import type { Accelerator, DiskLayer } from '../../machine/shape.ts';
import { CONNECTION_LOST } from '../../machine/ssh.ts';
import { expectHostKeys, type SshLogin } from '../../machine/ssh-login.ts';
import type { DiskFormat } from '../../model/disk-format.ts';
import type { Failure } from '../../model/failure.ts';
import type { JsonObject } from '../../model/json.ts';
import { canonicalJson } from '../../model/json.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { baseDisk } from '../images/open-disk.ts';
import type { ArtifactOption, Live, StageContext } from '../kind.ts';
import {
  chooseAccelerator,
  type Hardware,
  hardwareFacts,
  type InputContext,
  loginOf,
  passwordOf,
  shapeOf,
} from './boot.ts';
import { type Guest, logIn } from './guest.ts';
import type { SshOptions } from './options.ts';

/** A resumed guest answers within seconds; one that does not is booted instead. */
const RESUME_LIMIT_MS = 120_000;
/** The node that a machine is started with on top of its disk. */
const FIRST_NODE = 'disk0';

/** What getting a machine needs of whoever wants it. */
export type StandingContext = InputContext &
  Pick<StageContext, 'live' | 'sides' | 'dropSides' | 'checkpoints'>;

/** What a machine at a layer is made of, as validated. */
export interface StandingOptions extends Hardware {
  readonly disk: ArtifactOption;
  readonly format?: DiskFormat | undefined;
  readonly efivars?: ArtifactOption | undefined;
  readonly ssh: SshOptions;
  readonly checkpoint: boolean;
}

/** Where one machine has its files; they go with it. */
interface Site {
  readonly context: HandedContext;
  readonly layers: readonly DiskLayer[];
  readonly sizeBytes: number;
  dispose(): Promise<void>;
}

/** A machine to work with, and to hand on. */
export class Standing implements Live {
  readonly context: HandedContext;
  readonly machine: Machine;
  readonly guest: Guest;
  readonly login: SshLogin;
  /** What it has in common with every machine that a checkpoint of it fits. */
  readonly kind: JsonObject;
  /** Size of the disk as the guest sees it. */
  readonly sizeBytes: number;
  /** The layer that takes the writes. */
  top: Top;
  readonly #site: Site;
  #cuts = 0;

  constructor(site: Site, machine: Machine, guest: Guest, login: SshLogin, kind: JsonObject) {
    this.context = site.context;
    this.machine = machine;
    this.guest = guest;
    this.login = login;
    this.kind = kind;
    this.sizeBytes = site.sizeBytes;
    this.top = { node: FIRST_NODE, path: overlayOf(site) };
    this.#site = site;
  }

  /** Absolute path of the UEFI variables as they are now. */
  get efivars(): string {
    return join(this.context.scratch, 'efivars.fd');
  }

  /** Where the writes go once the present top is a layer. */
  nextTop(): Top {
    this.#cuts += 1;
    const node = `${FIRST_NODE}-${this.#cuts}`;
    return { node, path: join(this.context.scratch, `${node}.qcow2`) };
  }

  async dispose(): Promise<void> {
    await this.machine.end();
    await this.#site.dispose();
  }
}

/**
 * A machine at `options.disk` that `context` may work with, however that is had most quickly. It is the caller's, to be
 * handed on or disposed of. Nothing is booted unless `ready` ends well: what goes on or resumes costs less than waiting for it.
 */
export async function standAt(
  options: StandingOptions,
  context: StandingContext,
  ready: Promise<Result<unknown, Failure>> = Promise.resolve(ok(undefined)),
): Promise<Result<Standing, Failure>> {
  const accelerator = await chooseAccelerator(context, options.accelerator);
  const kind = await kindOf(options, context, accelerator);
  const handed = await takeOver(options, context, kind);
  if (handed !== null) return ok(handed);
  const resumed = await resume(options, context, accelerator, kind);
  if (resumed.ok && resumed.value !== null) return ok(resumed.value);
  if (!resumed.ok) return resumed;
  const isReady = await ready;
  if (!isReady.ok) return isReady;
  return await boot(options, context, accelerator, kind);
}

/** The facts of a checkpoint that fits a machine of this kind. */
export async function factsOf(
  context: Pick<StageContext, 'host' | 'env'>,
  kind: JsonObject,
  efivars: CheckpointFacts['efivars'],
): Promise<CheckpointFacts> {
  return { qemu: await qemuVersion(context.host, context.env), efivars, machine: kind };
}

async function kindOf(
  options: StandingOptions,
  context: StandingContext,
  accelerator: Accelerator,
): Promise<JsonObject> {
  const { user, private_key, password, password_from } = options.ssh;
  const byPassword = password !== undefined || password_from !== undefined;
  return {
    ...(await hardwareFacts(context, options, accelerator)),
    user,
    login: private_key ? 'key' : byPassword ? 'password' : 'temporary key',
    key: private_key ? context.input(private_key).content.digest : null,
  };
}

/** The machine in which the step before has just worked. */
async function takeOver(
  options: StandingOptions,
  context: StandingContext,
  kind: JsonObject,
): Promise<Standing | null> {
  const live = context.live.take(context.input(options.disk).content);
  if (live === null) return null;
  if (live instanceof Standing && canonicalJson(live.kind) === canonicalJson(kind)) {
    live.context.attach(context);
    if (options.ssh.password !== undefined) context.mask(options.ssh.password);
    context.progress('going on in the running machine');
    const problem = await wake(live.context, live.machine, live.guest, options, null);
    if (problem === null) {
      context.log('going on in the machine of the step before');
      return live;
    }
    context.log(`the machine of the step before cannot go on: ${problem}`);
  }
  await live.dispose();
  return null;
}

/** A machine out of the checkpoint at the disk; null, said in one line, when there is none that can be used. */
async function resume(
  options: StandingOptions,
  context: StandingContext,
  accelerator: Accelerator,
  kind: JsonObject,
): Promise<Result<Standing | null, Failure>> {
  const { content } = context.input(options.disk);
  const bootInstead = (why: string): Result<null, Failure> => {
    context.log(`booting, not resuming: ${why}`);
    return ok(null);
  };
  if (!context.checkpoints || !options.checkpoint) return bootInstead('checkpoints are switched off');
  const directory = context.sides(content);
  const checkpoint = directory === null ? null : await readCheckpoint(context.host, directory);
  if (directory === null || checkpoint === null) return bootInstead('there is no checkpoint of this disk');
  const efivars = options.efivars ? context.input(options.efivars).content.digest : null;
  const unfit = whyUnfit(checkpoint.facts, await factsOf(context, kind, efivars));
  if (unfit !== null) return bootInstead(`the checkpoint of this disk does not fit: ${unfit}`);
  const site = await makeSite(options, context);
  if (!site.ok) return site;
  const resumed = await fromCheckpoint(
    options,
    context,
    accelerator,
    kind,
    site.value,
    directory,
    checkpoint,
  );
  if (resumed.ok) return resumed;
  await site.value.dispose();
  if (context.signal.aborted) return fail({ code: 'stage-refused', problem: 'it was stopped', hint: null });
  await context.dropSides(content);
  return bootInstead(`the checkpoint of this disk is of no use: ${resumed.failure}`);
}

async function fromCheckpoint(
  options: StandingOptions,
  context: StandingContext,
  accelerator: Accelerator,
  kind: JsonObject,
  site: Site,
  directory: string,
  { temporaryKey, hostKeys, session }: Checkpoint,
): Promise<Result<Standing, string>> {
  context.progress('resuming the machine');
  const said = (failure: Failure): Result<never, string> => fail(failure.code);
  const path = checkpointKey(directory);
  const kept = temporaryKey === null ? null : ({ type: 'kept', path, publicKey: temporaryKey } as const);
  const login = await loginOf(context, options.ssh, site.context, kept);
  if (!login.ok) return said(login.failure);
  const expected = await expectHostKeys(site.context, login.value, hostKeys);
  if (!expected.ok) return said(expected.failure);
  const machine = await start(options, context, accelerator, site, login.value, true);
  if (!machine.ok) return said(machine.failure);
  const loaded = await loadCheckpoint(site.context, machine.value, directory);
  const guest = loaded.ok ? await goOn(options, site.context, machine.value, login.value, session) : loaded;
  if (guest.ok) {
    context.log('resumed from the checkpoint of this disk');
    return ok(new Standing(site, machine.value, guest.value, login.value, kind));
  }
  await machine.value.end();
  return guest;
}

async function goOn(
  options: StandingOptions,
  context: HandedContext,
  machine: Machine,
  login: SshLogin,
  session: number | null,
): Promise<Result<Guest, string>> {
  await machine.qmp.command('cont');
  const timeoutMs = Math.min(options.ssh.timeout, RESUME_LIMIT_MS);
  const guest = await logIn(context, machine, login, {
    timeoutMs,
    password: passwordOf(options.ssh, context),
  });
  if (!guest.ok)
    return fail(guest.failure.code === 'ssh-not-ready' ? 'it does not let us in' : guest.failure.code);
  const problem = await wake(context, machine, guest.value, options, session);
  return problem === null ? guest : fail(problem);
}

/**
 * Lets a paused guest go on and tells it what it missed: the time, randomness that no other machine resumed from the same
 * checkpoint has, the end of a connection that nobody serves any more. What is wrong, or null.
 */
async function wake(
  context: HandedContext,
  machine: Machine,
  guest: Guest,
  options: StandingOptions,
  session: number | null,
): Promise<string | null> {
  const going = await machine.qmp.command('cont');
  if (!going.ok) return going.failure;
  const now = Math.floor(context.host.clock.nowMs() / 1000);
  const script = `${session === null ? '' : `kill ${session}\n`}[ $((${now} - $(date +%s))) -le 1 ] || date -s @${now}
dd if=/dev/hwrng of=/dev/urandom bs=64 count=1
`;
  const told = await guest.runAsRoot(`{ ${script}} >/dev/null 2>&1; exit 0`, 'while it was woken', {
    quiet: true,
  });
  if (!told.ok) return told.failure.code;
  if (told.value.exitCode !== CONNECTION_LOST && told.value.exitCode !== null) return null;
  const again = await guest.logInAgain('usable', null, options.ssh.timeout);
  return again.ok ? null : again.failure.code;
}

async function boot(
  options: StandingOptions,
  context: StandingContext,
  accelerator: Accelerator,
  kind: JsonObject,
): Promise<Result<Standing, Failure>> {
  const site = await makeSite(options, context);
  if (!site.ok) return site;
  const booted = await fromDisk(options, context, accelerator, kind, site.value);
  if (!booted.ok) await site.value.dispose();
  return booted;
}

async function fromDisk(
  options: StandingOptions,
  context: StandingContext,
  accelerator: Accelerator,
  kind: JsonObject,
  site: Site,
): Promise<Result<Standing, Failure>> {
  const login = await loginOf(context, options.ssh, site.context);
  if (!login.ok) return login;
  context.progress('starting the machine');
  const machine = await start(options, context, accelerator, site, login.value, false);
  if (!machine.ok) return machine;
  const timeoutMs = options.ssh.timeout;
  const password = passwordOf(options.ssh, context);
  const guest = await logIn(site.context, machine.value, login.value, { timeoutMs, password });
  if (guest.ok) return ok(new Standing(site, machine.value, guest.value, login.value, kind));
  await machine.value.end();
  return guest;
}

async function start(
  options: StandingOptions,
  context: StandingContext,
  accelerator: Accelerator,
  site: Site,
  login: SshLogin,
  incoming: boolean,
): Promise<Result<Machine, Failure>> {
  const directory = site.context.scratch;
  const efivars = options.efivars && context.input(options.efivars).path;
  const media = { layers: site.layers, efivars, login };
  const shape = await shapeOf(context, options, media, directory);
  if (!shape.ok) return shape;
  return await startMachine(site.context, shape.value, accelerator, {
    incoming,
    serialLog: join(directory, 'serial.log'),
  });
}

/** A directory for a machine, with an overlay on the layers of the disk. */
async function makeSite(options: StandingOptions, context: StandingContext): Promise<Result<Site, Failure>> {
  const directory = await context.live.makeDirectory();
  if (!directory.ok) return directory;
  const { path, dispose } = directory.value;
  const layers: DiskLayer[] = [];
  const made = await fillSite(options, context, path, layers);
  if (!made.ok) await dispose();
  return made.ok
    ? ok({ context: new HandedContext(context, path), layers, sizeBytes: made.value, dispose })
    : made;
}

async function fillSite(
  options: StandingOptions,
  context: StandingContext,
  directory: string,
  layers: DiskLayer[],
): Promise<Result<number, Failure>> {
  const statement = { format: options.format, option: 'format' };
  const disk = await baseDisk(context.host, context.input(options.disk), statement);
  if (!disk.ok) return disk;
  const { files, sizeBytes } = disk.value;
  const overlay = join(directory, `${FIRST_NODE}.qcow2`);
  layers.push(...files, { path: overlay, format: 'qcow2' });
  const made = await createDisk(context, overlay, sizeBytes);
  return made.ok ? ok(sizeBytes) : made;
}

function overlayOf({ layers }: Site): string {
  return layers.at(-1)?.path ?? '';
}
