/** Checkpoints: the memory of a paused machine beside the layer that it belongs to, and the way back into a running one. */
import { join } from 'node:path';
import type { Host } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import { canonicalJson, type JsonObject } from '../model/json.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { quoteWords } from '../model/shell-words.ts';
import { QEMU } from './command-line.ts';
import type { MachineContext } from './context.ts';
import type { Machine } from './machine.ts';

const FORMAT = 1;
const RECORD = 'checkpoint.json';
const MEMORY = 'memory.zst';
const KEY = 'key';

/** QEMU tells that it has sent everything a little before it and the compressor have put it away. */
const SETTLE_PAUSE_MS = 20;
const SETTLE_TRIES = 500;

/**
 * What must be as it was for a machine's memory to be of use, besides the disk, by which the checkpoint is found: two
 * machines with equal facts are the same to a guest.
 */
export interface CheckpointFacts {
  /** What QEMU says about its version. */
  readonly qemu: string;
  /** Digest of the UEFI variables; null without UEFI. */
  readonly efivars: Digest | null;
  /** Everything else of the machine that its guest sees, and how bake gets in. */
  readonly machine: JsonObject;
}

/** A checkpoint as it lies in its directory. */
export interface Checkpoint {
  readonly facts: CheckpointFacts;
  /** The public half of the temporary key that is in the guest; its other half lies beside it. Null with another login. */
  readonly temporaryKey: string | null;
  /** The guest's host key, as ssh keeps it: whoever is resumed must have it. Null when nobody had logged in. */
  readonly hostKeys: string | null;
  /** Process in the guest that serves the connection of those days. */
  readonly session: number | null;
}

/** What QEMU says about its version, in one line; empty when it says nothing. */
export async function qemuVersion(host: Host, env: { readonly [name: string]: string }): Promise<string> {
  const said = await host.processes.run(QEMU, ['--version'], { cwd: '/', env, capture: true });
  return said.ok ? (said.value.stdout.split('\n')[0] ?? '').trim() : '';
}

/** What a guest on real processors knows of them, as a digest; null when the system does not tell. */
export async function processorDigest(host: Host): Promise<Digest | null> {
  const text = await host.files.readText('/proc/cpuinfo');
  if (!text.ok) return null;
  const lines = (text.value.split('\n\n')[0] ?? '').split('\n');
  const told = lines.filter((line) => /^(?:model name|stepping|microcode|flags|Features)\b/.test(line));
  return host.hashing.digestBytes(told.join('\n'));
}

/** Why a checkpoint cannot go on in a machine with these facts, in a few words; null when it can. */
export function whyUnfit(checkpoint: CheckpointFacts, machine: CheckpointFacts): string | null {
  if (checkpoint.qemu !== machine.qemu) return `it is of ${checkpoint.qemu}, and here is ${machine.qemu}`;
  if (checkpoint.efivars !== machine.efivars) return 'it belongs to other UEFI variables';
  const changed = Object.keys({ ...checkpoint.machine, ...machine.machine }).filter(
    (name) =>
      canonicalJson(checkpoint.machine[name] ?? null) !== canonicalJson(machine.machine[name] ?? null),
  );
  return changed.length === 0 ? null : `it is of a machine with other ${changed.join(', ')}`;
}

/** The checkpoint in a directory; null when there is none that can be read. */
export async function readCheckpoint(host: Host, directory: string): Promise<Checkpoint | null> {
  const text = await host.files.readText(join(directory, RECORD), { noFollow: true });
  if (!text.ok || host.files.stamp(join(directory, MEMORY))?.type !== 'file') return null;
  try {
    const { format, ...stored } = JSON.parse(text.value) as Partial<Checkpoint> & {
      readonly format?: number;
    };
    const { facts, temporaryKey = null, hostKeys = null, session = null } = stored;
    return format === FORMAT && facts !== undefined ? { facts, temporaryKey, hostKeys, session } : null;
  } catch {
    return null;
  }
}

/** Path of the private key that a checkpoint with a temporary key holds. */
export function checkpointKey(directory: string): string {
  return join(directory, KEY);
}

/**
 * Saves the memory of a paused machine, and what is needed to go on with it, into an empty directory. The machine can go on
 * afterwards. What went wrong is told in a few words: it costs the next run time, and nothing else.
 */
export async function saveCheckpoint(
  context: MachineContext,
  machine: Machine,
  directory: string,
  checkpoint: Checkpoint,
  keyFile: string | null,
): Promise<Result<void, string>> {
  const { files } = context.host;
  const memory = join(directory, MEMORY);
  const part = `${memory}.part`;
  const compress = quoteWords(['zstd', '-1', '-T2', '-q', '-f', '-o', part]);
  // Readable for this user alone from its first byte on; under its name only once it is whole.
  const uri = `exec:umask 077; ${compress} && ${quoteWords(['mv', part, memory])}`;
  const sent = await migrate(context, machine, 'migrate', uri);
  if (!sent.ok) return sent;
  for (let tries = 0; files.stamp(memory) === null || !(await isSaved(machine)); tries += 1) {
    if (tries === SETTLE_TRIES || context.signal.aborted)
      return fail('its memory was not written to the end');
    await context.host.clock.sleep(SETTLE_PAUSE_MS, context.signal);
  }
  if (keyFile !== null) {
    const key = await files.copyFile(keyFile, checkpointKey(directory));
    if (!key.ok) return fail('its key could not be copied');
  }
  const text = JSON.stringify({ format: FORMAT, ...checkpoint });
  const written = await files.writeFile(join(directory, RECORD), text, { mode: 0o600, over: true });
  return written.ok ? ok(undefined) : fail('its record could not be written');
}

/** Fills a machine that waits for it with a checkpoint's memory; it is paused afterwards. A machine that cannot take it ends. */
export async function loadCheckpoint(
  context: MachineContext,
  machine: Machine,
  directory: string,
): Promise<Result<void, string>> {
  const uri = `exec:${quoteWords(['zstd', '-dcq', join(directory, MEMORY)])}`;
  return await migrate(context, machine, 'migrate-incoming', uri);
}

async function isSaved(machine: Machine): Promise<boolean> {
  const status = await machine.qmp.command('query-status');
  return status.ok && (status.value as { readonly status?: string }).status === 'postmigrate';
}

async function migrate(
  context: MachineContext,
  machine: Machine,
  command: 'migrate' | 'migrate-incoming',
  uri: string,
): Promise<Result<void, string>> {
  const { qmp } = machine;
  const finished = new Promise<string>((resolve) => {
    qmp.onEvent(({ event, data }) => {
      const status = event === 'MIGRATION' ? String(data['status']) : '';
      if (status === 'completed' || status === 'failed') resolve(status);
    });
  });
  await qmp.command('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] });
  // QEMU's own default is meant for networks that others use, too.
  await qmp.command('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 });
  const started = await qmp.command(command, { uri });
  if (!started.ok) return started;
  const gone = machine.ended.then(() => 'QEMU ended');
  const end = await Promise.race([finished, gone]);
  if (end === 'completed') return ok(undefined);
  if (end !== 'failed') return fail(end);
  const why = await qmp.command('query-migrate');
  const problem = why.ok ? (why.value as { readonly 'error-desc'?: string })['error-desc'] : undefined;
  context.log(`qemu: ${problem ?? 'the memory could not be saved or loaded'}`);
  return fail(problem ?? 'QEMU could not do it');
}
