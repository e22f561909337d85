/** Machines that outlive bake, so that one can look into what failed: kept, found again, ended. */
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { isRefused } from '../host/errno.ts';
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
const KEY = 'key';
const KNOWN_HOSTS = 'known_hosts';
const SCREEN = 'screen';
const SCREEN_DIRECTORY = 'bake-screen-';

/** What is remembered of a machine that was kept. */
export interface KeptMachine {
  /** What the user calls it by; the name of its directory. */
  readonly id: string;
  /** The action whose machine it is. */
  readonly action: string;
  readonly process: ProcessIdentity;
  readonly keptAtMs: number;
  /** Null when nobody had a login yet. */
  readonly login: KeptLogin | null;
  readonly vnc: string | null;
}

/** A way in. Whoever wants to go it makes the command: none is read from a file. */
interface KeptLogin {
  readonly user: string;
  readonly port: number;
  /** Whether there is a key beside the record. */
  readonly hasKey: boolean;
}

/** Words of a command that logs into a kept machine; null when nobody had a login yet. */
export function keptSshWords(
  directory: string,
  { id, login }: Pick<KeptMachine, 'id' | 'login'>,
): readonly string[] | null {
  if (login === null) return null;
  const own = join(directory, id);
  const { user, port, hasKey } = login;
  return sshArgv({ user, port, keyFile: hasKey ? join(own, KEY) : null, knownHosts: join(own, KNOWN_HOSTS) });
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
  const { id, vnc } = recorded.value;
  const ssh = keptSshWords(context.keptMachines, recorded.value);
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
  const keyFile = login?.keyFile ? join(directory, KEY) : null;
  if (login?.keyFile && keyFile !== null) {
    const key = await host.files.readBytes(login.keyFile);
    if (!key.ok) return key;
    const kept = await host.files.writeFile(keyFile, key.value, { mode: 0o600 });
    if (!kept.ok) return kept;
  }
  const known = login === null ? null : await host.files.readText(login.knownHosts);
  const pinned = known?.ok
    ? await host.files.writeFile(join(directory, KNOWN_HOSTS), known.value, { mode: 0o600 })
    : ok(undefined);
  if (!pinned.ok) return pinned;
  const kept: KeptMachine = {
    id,
    action,
    process,
    keptAtMs: host.clock.nowMs(),
    login: login === null ? null : { user: login.user, port: machine.sshPort, hasKey: keyFile !== null },
    vnc: await openVnc(machine.qmp, await screenIn(host, directory)),
  };
  const text = JSON.stringify(kept, null, 2);
  const written = await host.files.replaceFile(join(directory, RECORD), `${text}\n`, { mode: 0o600 });
  return written.ok ? ok(kept) : written;
}

/** Where a screen can be looked at: in the machine's directory, or among the temporary files when its path is too long. */
async function screenIn(host: Host, directory: string): Promise<string> {
  const path = join(directory, SCREEN);
  if (Buffer.byteLength(path) <= LONGEST_PATH_BYTES) return path;
  const made = await host.files.makeTemporaryDirectory(tmpdir(), SCREEN_DIRECTORY);
  return made.ok ? join(made.value, SCREEN) : path;
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
    const kept = await readRecord(host, id, join(directory, id, RECORD));
    // Of another host or container it cannot be seen from here whether it runs, nor where its record is refused: then it is left alone.
    if (kept === 'refused') continue;
    const alive = kept === null ? false : host.isAlive(kept.process);
    if (kept !== null && alive) running.push(kept);
    else if (alive === false) await forget(host, directory, { id, vnc: kept?.vnc ?? null });
  }
  return running.sort((a, b) => a.keptAtMs - b.keptAtMs);
}

/** Far more than a record has. */
const LONGEST_RECORD_BYTES = 64 * 1024;

async function readRecord(host: Host, id: string, path: string): Promise<KeptMachine | 'refused' | null> {
  const text = await host.files.readText(path, { noFollow: true, limitBytes: LONGEST_RECORD_BYTES });
  if (!text.ok) return isRefused(text.failure) ? 'refused' : null;
  try {
    return keptIn(id, JSON.parse(text.value));
  } catch {
    return null;
  }
}

/** The record in what was parsed, every field of it checked; null when one is not as we write it. */
function keptIn(id: string, value: unknown): KeptMachine | null {
  if (!isRecord(value) || value['id'] !== id || typeof value['action'] !== 'string') return null;
  const { action, process, keptAtMs, login, vnc } = value;
  const identity = processIn(process);
  if (identity === null || typeof keptAtMs !== 'number' || !Number.isFinite(keptAtMs)) return null;
  // The socket of a screen, in a directory of its own.
  if (vnc !== null && (typeof vnc !== 'string' || !isAbsolute(vnc) || basename(vnc) !== SCREEN)) return null;
  const way = login === null ? null : loginIn(login);
  return way === undefined ? null : { id, action, process: identity, keptAtMs, login: way, vnc };
}

function processIn(value: unknown): ProcessIdentity | null {
  if (!isRecord(value)) return null;
  const { pid, startedAt, realm } = value;
  // 0 and 1 would be everybody.
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 1) return null;
  return typeof startedAt === 'string' && typeof realm === 'string' ? { pid, startedAt, realm } : null;
}

/** Undefined when it is none. */
function loginIn(value: unknown): KeptLogin | undefined {
  if (!isRecord(value)) return undefined;
  const { user, port, hasKey } = value;
  if (typeof user !== 'string' || !USER.test(user) || typeof hasKey !== 'boolean') return undefined;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  return { user, port, hasKey };
}

/** No option of ssh, and nothing that it would read in another way. */
const USER = /^[^-\s\p{Cc}][^\s\p{Cc}]{0,255}$/u;

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Ends a kept machine, if that very process still runs, and removes its record. */
export async function endKept(host: Host, directory: string, kept: KeptMachine): Promise<void> {
  await host.processes.killReleased(kept.process);
  await forget(host, directory, kept);
}
