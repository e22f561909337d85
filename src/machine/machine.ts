/** A running virtual machine: started, watched, waited for, shut down or ended. It outlives bake only if it is released. */
import { join } from 'node:path';
import type { ProcessEnd, ProcessIdentity, RunningProcess } from '../host/host.ts';
import type { Connection } from '../host/sockets.ts';
import type { Failure } from '../model/failure.ts';
import type { GuestView } from '../model/failure-machine.ts';
import type { JsonValue } from '../model/json.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { quoteWords } from '../model/shell-words.ts';
import { commandLine, QEMU } from './command-line.ts';
import type { MachineContext } from './context.ts';
import { type GuestClock, guestClock } from './guest-clock.ts';
import { openQmp, type Qmp } from './qmp.ts';
import { type Serial, watchSerial } from './serial.ts';
import type { Accelerator, MachineShape } from './shape.ts';
import { shortDirectory } from './short-directory.ts';

/** How long QEMU may take to open its sockets; on a busy host a second or two. */
const START_TIMEOUT_MS = 60_000;
const SCREENSHOT_TIMEOUT_MS = 5_000;
const SERIAL_TAIL_LINES = 30;
/** Of what QEMU says the last is kept; a guest can make it say any amount. */
const MOST_SAID = 200;
/** A core dump would hold the guest's memory. What is started so is QEMU itself, in the place of the shell. */
const WITHOUT_CORE = 'ulimit -c 0; exec "$0" "$@"';
/** Name among the evidence of what the console said, unless it is kept elsewhere. */
export const SERIAL_LOG = 'serial.log';

/** How a machine ended. `powered-off`: the guest did it itself; only then is its disk clean. `reset`: the guest rebooted, and it was started so that this ends it. */
export type MachineEnd =
  | { readonly type: 'powered-off' }
  | { readonly type: 'reset' }
  | { readonly type: 'died'; readonly ending: string };

export interface Machine {
  readonly qmp: Qmp;
  readonly serial: Serial;
  /** Absolute path of the file in which QEMU keeps what the console says. */
  readonly serialLog: string;
  /** The port on 127.0.0.1 that leads to the guest's port 22; 0 when none does. */
  readonly sshPort: number;
  /** A directory of this machine alone whose path is short enough for sockets. */
  readonly directory: string;
  readonly ended: Promise<MachineEnd>;
  hasEnded(): boolean;
  /** For limits that the guest has to keep to. */
  readonly clock: GuestClock;
  /** Halts the guest, and with it its clock. Its disk is whole then: QEMU writes out what it holds. */
  pause(): Promise<Result<void, string>>;
  /** Lets a guest go on that was halted. */
  goOn(): Promise<Result<void, string>>;
  /**
   * Waits for some work as long as that makes sense: it ends early, as a failure, when the guest panics or the machine
   * ends. `during` completes the sentence "the guest powered off …". The work must end by itself when `signal` fires.
   */
  during<T>(
    during: string,
    work: (signal: AbortSignal) => Promise<Result<T, Failure>>,
  ): Promise<Result<T, Failure>>;
  /** What there is to see of the guest now; takes a picture of its screen if it still has one. */
  view(): Promise<GuestView>;
  /** Says what goes on; until the next phase each line of the console is shown with it. Null: somebody else tells it. */
  phase(activity: string | null): void;
  /** Requests over HTTP, for failure reports; the list may grow. */
  showRequests(requests: readonly string[]): void;
  /** Leaves it to the user: it goes on when bake ends, and `end` only lets go of it. Its console is then heard by its log file alone. */
  release(): ProcessIdentity;
  /** Fires when it is released: programs that talk to it for bake end. */
  readonly released: AbortSignal;
  /** Ends it at once, whatever the guest does. Its disk is worthless afterwards, unless it had powered off. Idempotent. */
  end(): Promise<void>;
}

/** How a machine is started. */
export interface Start {
  /** Waits for a checkpoint's memory instead of booting. */
  readonly incoming?: boolean;
  /** Where QEMU keeps what the console says; among the evidence when absent. */
  readonly serialLog?: string;
}

/** Starts a machine and connects to it. The guest starts to run at once, unless it waits for memory. */
export async function startMachine(
  context: MachineContext,
  shape: MachineShape,
  accelerator: Accelerator,
  start: Start = {},
): Promise<Result<Machine, Failure>> {
  const { host } = context;
  const directory = await shortDirectory(host, context.scratch);
  if (!directory.ok) return directory;
  const serialLog = start.serialLog ?? join(context.evidence, SERIAL_LOG);
  const wiring = {
    accelerator,
    incoming: start.incoming ?? false,
    node: process.execPath,
    qmpSocket: join(directory.value.path, 'qmp'),
    serialSocket: join(directory.value.path, 'tty'),
    serialLog,
  };
  // QEMU connects to bake and not the other way round: no polling for its sockets, and no line of the console is lost.
  const qmpListener = await host.sockets.listen(wiring.qmpSocket);
  const serialListener = await host.sockets.listen(wiring.serialSocket);
  const args = commandLine(shape, wiring);
  if (host.processes.find(QEMU, context.env['PATH'] ?? '') === null)
    return fail({ code: 'command-not-found', command: QEMU, package: 'qemu-system-x86' });
  const said: string[] = [];
  context.log(`$ ${quoteWords([QEMU, ...args])}`);
  const started = await host.processes.start('/bin/sh', ['-c', WITHOUT_CORE, QEMU, ...args], {
    cwd: context.scratch,
    env: context.env,
    signal: context.signal,
    onLine: (line) => {
      said.push(line);
      if (said.length > MOST_SAID) said.shift();
      context.log(`qemu: ${line}`);
    },
  });
  const cleanUp = async (): Promise<void> => {
    qmpListener.close();
    serialListener.close();
    await directory.value.remove();
  };
  if (!started.ok) {
    await cleanUp();
    return started;
  }

  const running = started.value;
  const connected = await connect(context, running, shape, [serialListener, qmpListener]);
  if (connected === null) {
    running.kill('SIGKILL');
    await running.ended;
    await cleanUp();
    const command = quoteWords([QEMU, ...args]);
    return fail({ code: 'machine-did-not-start', command, tail: said.slice(-20) });
  }
  qmpListener.close();
  serialListener.close();
  return ok(await machineOf(context, running, connected, { ...directory.value, serialLog, said }));
}

interface Connected {
  readonly serial: Connection;
  readonly qmp: Qmp;
  readonly sshPort: number;
}

/** Both connections and the negotiation, or null when QEMU ends or takes too long. */
async function connect(
  context: MachineContext,
  process: RunningProcess,
  { network: { forwardsSsh } }: MachineShape,
  [serialListener, qmpListener]: readonly [
    { accept(signal: AbortSignal): Promise<Connection | null> },
    { accept(signal: AbortSignal): Promise<Connection | null> },
  ],
): Promise<Connected | null> {
  const giveUp = new AbortController();
  void process.ended.then(() => giveUp.abort());
  void context.host.clock.sleep(START_TIMEOUT_MS, giveUp.signal).then(() => giveUp.abort());
  try {
    const accepted = await Promise.all([
      serialListener.accept(giveUp.signal),
      qmpListener.accept(giveUp.signal),
    ]);
    const [serial, qmpConnection] = accepted;
    if (serial === null || qmpConnection === null) return null;
    const qmp = await openQmp(qmpConnection);
    if (!qmp.ok) return null;
    if (!forwardsSsh) return { serial, qmp: qmp.value, sshPort: 0 };
    const network = await qmp.value.command('human-monitor-command', { 'command-line': 'info usernet' });
    const port = network.ok
      ? /HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/.exec(String(network.value))
      : null;
    return port ? { serial, qmp: qmp.value, sshPort: Number(port[1]) } : null;
  } finally {
    giveUp.abort();
  }
}

interface MachinePlace {
  readonly path: string;
  remove(): Promise<void>;
  readonly serialLog: string;
  readonly said: readonly string[];
}

async function machineOf(
  context: MachineContext,
  process: RunningProcess,
  connected: Connected,
  place: MachinePlace,
): Promise<Machine> {
  const { qmp } = connected;
  let requests: readonly string[] = [];
  let phase: string | null = null;
  const released = new AbortController();
  const serial = watchSerial((line) => {
    context.log(`serial: ${line}`);
    if (phase !== null && line.trim() !== '') context.progress(`${phase}: ${line.trim()}`);
  }, context.host.clock);
  connected.serial.onText(serial.feed);
  let shutdownReason = '';
  let stuck = '';
  let tellPanic: (line: string) => void = () => {};
  const pvpanic = new Promise<string>((resolve) => {
    tellPanic = resolve;
  });
  qmp.onEvent(({ event, data }) => {
    if (event === 'SHUTDOWN') shutdownReason = String(data['reason'] ?? '');
    if (event === 'GUEST_PANICKED') tellPanic('it told its panic device');
    if (event === 'STOP') void whyStopped(qmp).then(endStuck);
  });
  // QEMU halts such a guest for ever instead of ending.
  const endStuck = (reason: string | null): void => {
    if (reason === null) return;
    stuck = reason;
    process.kill('SIGKILL');
  };
  const ended = process.ended.then((end) =>
    stuck === '' ? endOf(end, shutdownReason) : ({ type: 'died', ending: stuck } as const),
  );
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  // The panic's own words, on the serial console, are worth more than the bare event: they get a moment to arrive.
  const panicked = Promise.race([
    serial.panicked,
    pvpanic.then((line) => Promise.race([serial.panicked, context.host.clock.sleep(500).then(() => line)])),
  ]);

  const view = async (): Promise<GuestView> => ({
    serial: serial.tail(SERIAL_TAIL_LINES),
    serialLog: await serialEvidence(context, place.serialLog),
    screenshot: await screenshot(context, qmp, ended),
    requests,
  });

  const during: Machine['during'] = async (what, work) => {
    const stop = new AbortController();
    const done = work(AbortSignal.any([stop.signal, context.signal]));
    const first = await Promise.race([
      done.then((result) => ({ type: 'done', result }) as const),
      ended.then((end) => ({ type: 'ended', end }) as const),
      panicked.then((line) => ({ type: 'panicked', line }) as const),
    ]);
    if (first.type === 'done') return first.result;
    const guest = await view();
    stop.abort();
    // Programs that talk to the guest notice its end at once, instead of after their own time limits.
    process.kill('SIGKILL');
    // Nobody is to take it for a machine that could still be kept.
    await Promise.all([done, ended]);
    return fail(
      first.type === 'panicked'
        ? { code: 'guest-panicked', line: first.line, guest }
        : endFailure(first.end, what, place.said, guest),
    );
  };

  const clock = guestClock(context.host.clock);
  return {
    qmp,
    serial,
    serialLog: place.serialLog,
    sshPort: connected.sshPort,
    directory: place.path,
    ended,
    hasEnded: () => hasEnded,
    clock,
    async pause() {
      clock.stand();
      const paused = await qmp.command('stop');
      if (!paused.ok) clock.goOn();
      return paused.ok ? ok(undefined) : paused;
    },
    async goOn() {
      const gone = await qmp.command('cont');
      clock.goOn();
      return gone.ok ? ok(undefined) : gone;
    },
    during,
    view,
    phase(activity) {
      phase = activity;
      if (activity !== null) context.progress(activity);
    },
    showRequests: (made) => {
      requests = made;
    },
    released: released.signal,
    release() {
      const identity = process.release();
      released.abort();
      return identity;
    },
    async end() {
      if (!released.signal.aborted) {
        process.kill('SIGKILL');
        await ended;
      }
      qmp.close();
      connected.serial.close();
      await place.remove();
    },
  };
}

/** Why QEMU halted the guest, if it was for trouble that does not pass. */
async function whyStopped(qmp: Qmp): Promise<string | null> {
  const status = await qmp.command('query-status');
  const state = status.ok ? (status.value as { readonly status?: JsonValue }).status : null;
  if (state === 'io-error')
    return "halted the guest, because its disk could not be written: is this host's disk full?";
  if (state === 'internal-error')
    return 'halted the guest, because the accelerator could not go on; `accelerator: tcg` does without KVM';
  return null;
}

function endOf(end: ProcessEnd, reason: string): MachineEnd {
  if (end.exitCode === 0 && reason === 'guest-shutdown') return { type: 'powered-off' };
  if (end.exitCode === 0 && reason === 'guest-reset') return { type: 'reset' };
  if (end.signal !== null) return { type: 'died', ending: `was ended by the signal ${end.signal}` };
  return { type: 'died', ending: `ended with exit status ${end.exitCode}${reason ? ` (${reason})` : ''}` };
}

function endFailure(end: MachineEnd, during: string, said: readonly string[], guest: GuestView): Failure {
  switch (end.type) {
    case 'died':
      return { code: 'machine-died', ending: end.ending, tail: said.slice(-20), guest };
    case 'powered-off':
      return { code: 'guest-powered-off-early', during, guest };
    case 'reset':
      return { code: 'machine-died', ending: `ended because the guest rebooted ${during}`, tail: [], guest };
  }
}

/** Path of the serial log among the evidence; null when there is none. */
async function serialEvidence({ host, evidence }: MachineContext, log: string): Promise<string | null> {
  if (host.files.stamp(log) === null) return null;
  const shown = join(evidence, SERIAL_LOG);
  if (shown === log) return log;
  await host.files.remove(shown);
  return (await host.files.copyFile(log, shown)).ok ? shown : null;
}

/** Path of a picture of the screen, or null when the machine has ended. */
async function screenshot(
  context: MachineContext,
  qmp: Qmp,
  ended: Promise<MachineEnd>,
): Promise<string | null> {
  const filename = join(context.evidence, 'screen.png');
  const giveUp = new AbortController();
  const taken = await Promise.race([
    qmp.command('screendump', { filename, format: 'png' }),
    ended.then(() => null),
    context.host.clock.sleep(SCREENSHOT_TIMEOUT_MS, giveUp.signal).then(() => null),
  ]);
  giveUp.abort();
  return taken?.ok ? filename : null;
}
