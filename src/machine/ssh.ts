/** The way into a guest: real ssh and scp over one kept connection, with nothing read from or written to the user's own ssh files. */
import { join } from 'node:path';
import type { ProcessEnd, RunningProcess } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { quoteWords } from '../model/shell-words.ts';
import type { MachineContext } from './context.ts';
import type { Machine } from './machine.ts';
import { HOST_KEY_ALIAS, type SshLogin } from './ssh-login.ts';

const ADDRESS = '127.0.0.1';
const KNOCK_PAUSE_MS = 250;
const LOGIN_PAUSE_MS = 1_000;
const TAIL_LINES = 20;

/** ssh's own exit status when the connection, not the command, failed. */
export const CONNECTION_LOST = 255;

export interface Ssh {
  /** Options for ssh and for Ansible's ssh, which then share the kept connection. */
  readonly args: readonly string[];
  readonly env: { readonly [name: string]: string };
  readonly user: string;
  readonly port: number;
  /** As one could paste it into a shell while the machine runs. */
  readonly command: string;
  /** Runs a command line for the guest's shell; its output goes to the log line by line. */
  run(command: string, options?: RunOptions): Promise<Result<GuestEnd, Failure>>;
  /** Copies a file of this host into the guest. */
  upload(from: string, to: string): Promise<Result<void, Failure>>;
  /** Whether the kept connection is gone: the guest rebooted, or cut it. Then commands open their own, or use one that Ansible keeps. */
  hasEnded(): boolean;
  /** Ends the kept connection, and one that somebody else keeps in its place. Commands afterwards open a new one. */
  close(): Promise<void>;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  /** How long it may say nothing. */
  readonly idleTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal;
  /** Keep the output out of the log: it is data. */
  readonly quiet?: boolean;
}

export interface GuestEnd extends ProcessEnd {
  readonly tail: readonly string[];
}

/**
 * Waits until the guest lets us in, at most `timeoutMs`, and keeps that connection. To be called within
 * `machine.during`, whose signal it gets.
 */
export async function openSsh(
  context: MachineContext,
  machine: Machine,
  login: SshLogin,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Result<Ssh, Failure>> {
  const args = commonArguments(machine, login);
  const command = quoteWords(sshArgv({ ...login, port: machine.sshPort }));
  // What is left of a longer wait is no whole number, and this takes nothing else.
  const limit = AbortSignal.timeout(Math.max(0, Math.ceil(options.timeoutMs)));
  const signal = AbortSignal.any([options.signal, limit]);
  let problem: string | null = null;
  let answered = false;
  while (!signal.aborted) {
    const banner = await context.host.sockets.greeting(machine.sshPort, 5_000);
    if (banner?.startsWith('SSH-')) {
      answered = true;
      const master = await startMaster(context, machine, login, args, signal);
      if (!master.ok) return master;
      if (master.value.process)
        return ok(sshOf(context, machine, login, args, command, master.value.process));
      const said = master.value.said;
      if (said !== null && said !== problem) context.log(`ssh: ${said}`);
      problem = said ?? problem;
    }
    await context.host.clock.sleep(answered ? LOGIN_PAUSE_MS : KNOCK_PAUSE_MS, signal);
  }
  const { user } = login;
  const guest = await machine.view();
  const nothing = answered ? 'a login that was not finished in time' : 'nothing';
  return fail({
    code: 'ssh-not-ready',
    user,
    timeoutMs: options.timeoutMs,
    command,
    problem: problem ?? nothing,
    answered,
    guest,
  });
}

/** Of what an ssh command for a person is made. */
export interface SshFields {
  readonly user: string;
  readonly port: number;
  /** Absolute path of the private key; null with a password. */
  readonly keyFile: string | null;
  /** Absolute path of the file with the guest's host key. */
  readonly knownHosts: string;
}

/** An ssh command that a person could type while the machine runs; a command line for the guest may follow it. */
export function sshArgv({ user, port, keyFile, knownHosts }: SshFields): readonly string[] {
  return [
    ...['ssh', '-F', 'none'],
    ...(keyFile === null ? [] : ['-i', keyFile, '-o', 'IdentitiesOnly=yes']),
    ...['-p', String(port), ...hostKeyArguments(knownHosts)],
    ...['-o', 'IdentityAgent=none', '-o', 'ControlPath=none', '-o', 'LogLevel=ERROR'],
    ...['--', `${user}@${ADDRESS}`],
  ];
}

/**
 * The guest's host key is taken at first contact: the port that leads to it belongs to QEMU, which told it itself. From then on
 * no other will do, whoever has the port by then.
 */
function hostKeyArguments(knownHosts: string): readonly string[] {
  // ssh splits the option at blanks, and fills in what follows a per cent sign.
  const file = `"${knownHosts.replaceAll('%', '%%')}"`;
  return [
    ...['-o', 'StrictHostKeyChecking=accept-new', '-o', `UserKnownHostsFile=${file}`],
    ...[
      '-o',
      'GlobalKnownHostsFile=/dev/null',
      '-o',
      `HostKeyAlias=${HOST_KEY_ALIAS}`,
      '-o',
      'HashKnownHosts=no',
    ],
    ...['-o', 'UpdateHostKeys=no', '-o', 'CheckHostIP=no'],
  ];
}

function commonArguments(machine: Machine, login: SshLogin): readonly string[] {
  return [
    ...['-F', 'none'],
    ...login.args,
    ...['-o', `Port=${machine.sshPort}`, '-o', 'ControlMaster=no'],
    ...hostKeyArguments(login.knownHosts),
    ...['-o', 'LogLevel=ERROR', '-o', 'IdentityAgent=none'],
    ...['-o', 'ConnectTimeout=30', '-o', 'ServerAliveInterval=15', '-o', 'ServerAliveCountMax=8'],
    ...['-o', `ControlPath=${join(machine.directory, 'control').replaceAll('%', '%%')}`],
  ];
}

/** The connection that all others go through: a process of ours, so that it ends with us. Null with what ssh said when it does not let us in. */
async function startMaster(
  context: MachineContext,
  machine: Machine,
  login: SshLogin,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Result<{ readonly process: RunningProcess | null; readonly said: string | null }, Failure>> {
  let tellReady: (ready: true) => void = () => {};
  const ready = new Promise<true>((resolve) => {
    tellReady = resolve;
  });
  const said: string[] = [];
  const started = await context.host.processes.start(
    'ssh',
    [
      // ssh takes the first value that it is given for an option.
      ...[
        '-o',
        'ControlMaster=yes',
        '-N',
        ...args,
        '-o',
        'PermitLocalCommand=yes',
        '-o',
        'LocalCommand=echo ready',
      ],
      ...['--', `${login.user}@${ADDRESS}`],
    ],
    {
      cwd: context.scratch,
      env: login.env,
      signal: AbortSignal.any([context.signal, machine.released]),
      graceMs: 1_000,
      onLine: (line, stream) => {
        if (stream === 'stdout' && line === 'ready') tellReady(true);
        else said.splice(0, said.length, line);
      },
    },
  );
  if (!started.ok)
    return started.failure.errno === 'ENOENT'
      ? fail({ code: 'command-not-found', command: 'ssh', package: 'openssh-client' })
      : started;
  const process = started.value;
  const aborted = new Promise<false>((resolve) => {
    signal.addEventListener('abort', () => resolve(false), { once: true });
  });
  const first = await Promise.race([ready, aborted, process.ended.then(() => false as const)]);
  if (first) return ok({ process, said: null });
  process.kill('SIGKILL');
  await process.ended;
  return ok({ process: null, said: said.at(-1) ?? null });
}

function sshOf(
  context: MachineContext,
  machine: Machine,
  login: SshLogin,
  args: readonly string[],
  command: string,
  master: RunningProcess,
): Ssh {
  let hasEnded = false;
  void master.ended.then(() => {
    hasEnded = true;
  });
  const call = async (
    program: 'ssh' | 'scp',
    rest: readonly string[],
    options: RunOptions,
  ): Promise<Result<GuestEnd, Failure>> => {
    const tail: string[] = [];
    const ended = await context.host.processes.run(program, [...args, ...rest], {
      cwd: context.scratch,
      env: login.env,
      signal: options.signal ? AbortSignal.any([options.signal, context.signal]) : context.signal,
      capture: options.quiet ?? false,
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      idleTimeoutMs: options.idleTimeoutMs,
      onLine: (line) => {
        tail.push(line);
        if (tail.length > TAIL_LINES) tail.shift();
        if (!options.quiet) context.log(line);
      },
    });
    return ended.ok ? ok({ ...ended.value, tail }) : ended;
  };
  return {
    args,
    env: login.env,
    user: login.user,
    port: machine.sshPort,
    command,
    run: (line, options = {}) => call('ssh', ['-T', '--', `${login.user}@${ADDRESS}`, line], options),
    async upload(from, to) {
      const target = `${login.user}@${ADDRESS}:${to}`;
      const sent = await call('scp', ['-q', '-p', '--', from, target], {});
      if (!sent.ok) return sent;
      if (sent.value.exitCode === 0) return ok(undefined);
      // Guests without an SFTP server (dropbear, some live systems) still know the old protocol.
      const again = await call('scp', ['-O', '-q', '-p', '--', from, target], {});
      if (!again.ok) return again;
      if (again.value.exitCode === 0) return ok(undefined);
      const tail = [...sent.value.tail, ...again.value.tail];
      return fail({ code: 'upload-failed', file: from, to, tail, guest: await machine.view() });
    },
    hasEnded: () => hasEnded,
    async close() {
      master.kill('SIGTERM');
      await master.ended;
      // Ours takes its socket with it.
      if (context.host.files.stamp(join(machine.directory, 'control')) === null) return;
      await call('ssh', ['-O', 'exit', '--', `${login.user}@${ADDRESS}`], { quiet: true, timeoutMs: 10_000 });
    },
  };
}
