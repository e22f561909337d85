/** Machines that outlive bake, so that one can look into what failed: kept, found again, ended. */
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Host, ProcessIdentity } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { ok, type Result } from '../model/result.ts';
import { quoteWords } from '../model/shell-words.ts';
import type { MachineContext } from './context.ts';
import type { Machine } from './machine.ts';
import { sshArgv } from './ssh.ts';
import type { SshLogin } from './ssh-login.ts';
import { LONGEST_PATH_BYTES, openVnc } from './vnc.ts';

const RECORD = 'machine.json';
const SCREEN_DIRECTORY = 'bake-screen-';

/** What is remembered of a machine that was kept. */
export interface KeptMachine {
  /** What the user calls it by; the name of its directory. */
  readonly id: string;
  /** The action whose machine it is. */
  readonly action: string;
  readonly process: ProcessIdentity;
  readonly keptAtMs: number;
  /** Words of a command that logs in; null when nobody had a login yet. */
  readonly ssh: readonly string[] | null;
  readonly vnc: string | null;
}

/** What keeping needs besides what every machine does. */
export interface KeepContext extends MachineContext {
  readonly action: string;
  /** Absolute directory of the records of machines that outlive a run. */
  readonly keptMachines: string;
}

/**
 * Keeps a machine in which something failed, if the user wants that and there is something to keep. Gives back the
 * failure as it is to be told; `machine.end()` is still to be called.
 */
export async function keepIfWanted(
  context: KeepContext & { afterFailure(failure: Failure): Promise<'end' | 'keep'> },
  machine: Machine,
  login: SshLogin | null,
  failure: Failure,
): Promise<Failure> {
  if (machine.hasEnded() || context.signal.aborted) return failure;
  return (await context.afterFailure(failure)) === 'keep'
    ? await keepMachine(context, machine, login, failure)
    : failure;
}

/**
 * Takes a machine out of bake's hands and writes down how to get at it. Gives back the failure as it is to be told: with
 * the machine, unless no record of it could be written.
 */
async function keepMachine(
  context: KeepContext,
  machine: Machine,
  login: SshLogin | null,
  failure: Failure,
): Promise<Failure> {
  const process = machine.release();
  const recorded = await record(context, machine, login, process);
  if (!recorded.ok) {
    context.log(`the machine is not kept: its record cannot be written to ${context.keptMachines}`);
    await context.host.processes.killReleased(process);
    return failure;
  }
  const { id, ssh, vnc } = recorded.value;
  const command = ssh === null ? null : quoteWords(ssh);
  context.log(`the machine is kept as ${id}, process ${process.pid}${vnc === null ? '' : `, VNC at ${vnc}`}`);
  if (command !== null) context.log(`get into it: ${command}`);
  return { ...failure, kept: { id, pid: process.pid, ssh: command, vnc } };
}

/** Writes key and record into a directory that only this user may enter. */
async function record(
  { host, action, keptMachines }: KeepContext,
  machine: Machine,
  login: SshLogin | null,
  process: ProcessIdentity,
): Promise<Result<KeptMachine, Failure>> {
  const id = host.hashing.digestBytes(JSON.stringify(process)).slice('sha256:'.length).slice(0, 6);
  const directory = join(keptMachines, id);
  const made = await host.files.makeDirectory(directory, 0o700);
  if (!made.ok) return made;
  const keyFile = login?.keyFile ? join(directory, 'key') : null;
  if (login?.keyFile && keyFile !== null) {
    const key = await host.files.readBytes(login.keyFile);
    if (!key.ok) return key;
    const kept = await host.files.writeFile(keyFile, key.value, { mode: 0o600 });
    if (!kept.ok) return kept;
  }
  const knownHosts = join(directory, 'known_hosts');
  const known = login === null ? null : await host.files.readText(login.knownHosts);
  const pinned = known?.ok
    ? await host.files.writeFile(knownHosts, known.value, { mode: 0o600 })
    : ok(undefined);
  if (!pinned.ok) return pinned;
  const port = machine.sshPort;
  const ssh = login === null ? null : sshArgv({ user: login.user, port, keyFile, knownHosts });
  const vnc = await openVnc(machine.qmp, await screenIn(host, directory));
  const kept: KeptMachine = { id, action, process, keptAtMs: host.clock.nowMs(), ssh, vnc };
  const text = JSON.stringify(kept, null, 2);
  const written = await host.files.replaceFile(join(directory, RECORD), `${text}\n`, { mode: 0o600 });
  return written.ok ? ok(kept) : written;
}

/** Where a screen can be looked at: in the machine's directory, or among the temporary files when its path is too long. */
async function screenIn(host: Host, directory: string): Promise<string> {
  const path = join(directory, 'screen');
  if (Buffer.byteLength(path) <= LONGEST_PATH_BYTES) return path;
  const made = await host.files.makeTemporaryDirectory(tmpdir(), SCREEN_DIRECTORY);
  return made.ok ? join(made.value, 'screen') : path;
}

/** Removes the record of a machine, and what else it left. */
async function forget(host: Host, directory: string, kept: Pick<KeptMachine, 'id' | 'vnc'>): Promise<void> {
  const screen = kept.vnc === null ? null : dirname(kept.vnc);
  if (screen?.startsWith(join(tmpdir(), SCREEN_DIRECTORY)) && dirname(screen) === tmpdir())
    await host.files.remove(screen);
  await host.files.remove(join(directory, kept.id));
}

/** The kept machines that still run, oldest first; what is left of others is removed. */
export async function keptMachines(host: Host, directory: string): Promise<readonly KeptMachine[]> {
  const running: KeptMachine[] = [];
  for (const id of host.files.list(directory).names) {
    const kept = await readRecord(host, join(directory, id, RECORD));
    // Of another host or container it cannot be seen from here whether it runs: then it is left alone.
    const alive = kept === null ? false : host.isAlive(kept.process);
    if (kept !== null && alive) running.push(kept);
    else if (alive === false) await forget(host, directory, { id, vnc: kept?.vnc ?? null });
  }
  return running.sort((a, b) => a.keptAtMs - b.keptAtMs);
}

async function readRecord(host: Host, path: string): Promise<KeptMachine | null> {
  const text = await host.files.readText(path);
  if (!text.ok) return null;
  try {
    return JSON.parse(text.value) as KeptMachine;
  } catch {
    return null;
  }
}

/** Ends a kept machine, if that very process still runs, and removes its record. */
export async function endKept(host: Host, directory: string, kept: KeptMachine): Promise<void> {
  await host.processes.killReleased(kept.process);
  await forget(host, directory, kept);
}
