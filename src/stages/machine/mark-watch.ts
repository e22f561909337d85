/** Watches an installation for its marks, and saves the machine at each of them; what goes wrong costs a line of the log. */
import { join } from 'node:path';
import { type CheckpointFacts, saveCheckpoint } from '../../machine/checkpoint.ts';
import type { Machine } from '../../machine/machine.ts';
import { type Serial, watchSerial } from '../../machine/serial.ts';
import { knownHostKeys, type SshLogin } from '../../machine/ssh-login.ts';
import type { Digest } from '../../model/digest.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';
import { markFiles, markPlace, writeMarkRecord } from './marks.ts';
import { type Answers, answerDigest, MOST_PATHS } from './serve-answers.ts';

/** A connection that is open at a mark would be lost: so long is it waited for that all are closed. */
const QUIET_LIMIT_MS = 10_000;
const QUIET_PAUSE_MS = 100;
/** States of TCP, as QEMU's network names them, in which nothing can be lost any more. */
const QUIET_STATES = ['HOST_FORWARD', 'TIME_WAIT', 'FIN_WAIT_2', 'CLOSING', 'LAST_ACK', 'CLOSED'];
/** A mark must leave as much room as it takes: what is left is for the rest of the installation. */
const ROOM = 2;

/** An installation that is going on. */
export interface Underway {
  readonly options: InstallOptions;
  readonly context: StageContext;
  readonly machine: Machine;
  readonly login: SshLogin | null;
  readonly answers: Answers;
  readonly facts: CheckpointFacts;
  /** Absolute paths of the files that the guest writes to. */
  readonly disk: string;
  readonly variables: string | null;
}

/** To be made before the guest says anything. */
export class MarkWatch {
  readonly #underway: Underway;
  readonly #reached: number;
  readonly #heard: Serial;
  readonly #stop = new AbortController();
  #watching: Promise<void> | null = null;

  /** Marks up to `reached` are not saved again. */
  constructor(underway: Underway, reached: number) {
    this.#underway = underway;
    this.#reached = reached;
    this.#heard = watchSerial(() => undefined, underway.context.host.clock);
    underway.machine.serial.onText(this.#heard.feed);
  }

  /** Looks for marks from now on, also in what was said before. */
  begin(): void {
    this.#watching ??= this.#watch();
  }

  /** Looks for no more marks; resolves when the one that was just found, if any, has been saved. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { context, options } = this.#underway;
    const { clock } = context.host;
    for (const [index, { name, serial }] of options.marks.entries()) {
      const found = await this.#heard.waitFor(new RegExp(serial, 'm'), this.#stop.signal);
      if (found === null) return;
      if (index <= this.#reached) continue;
      const startedMs = clock.monotonicMs();
      const directory = join(context.scratch, `mark-${index}`);
      const saved = await save(this.#underway, directory, this.#heard);
      const kept = saved.ok ? await keep(this.#underway, index, directory, saved.value) : saved;
      const seconds = ((clock.monotonicMs() - startedMs) / 1000).toFixed(1);
      if (kept.ok) context.log(`mark ${name}: saved in ${seconds} s, ${kept.value} MB`);
      else context.log(`mark ${name}: not saved: ${kept.failure}`);
      await context.host.files.remove(directory);
    }
  }
}

/** What a guest had asked for over HTTP by then, and what had been found of what it said. */
interface SoFar {
  readonly paths: readonly string[];
  readonly requests: readonly string[];
  readonly found: readonly number[];
}

/** Pauses the guest and puts everything away that is needed to go on with it; gives back what was between the two of them until then. */
async function save(underway: Underway, directory: string, heard: Serial): Promise<Result<SoFar, string>> {
  const { context, machine, answers, facts, login } = underway;
  const obstacle =
    (answers.asked.size > MOST_PATHS ? 'the guest has asked for too many files' : null) ??
    (await whyNoRoom(underway)) ??
    (await foreignDisk(underway));
  if (obstacle !== null) return fail(obstacle);
  const paused = await pauseWhenQuiet(underway);
  if (!paused.ok) return paused;
  try {
    context.progress('saving a mark');
    const found = [...machine.serial.found, ...heard.found];
    const soFar = { paths: [...answers.asked], requests: [...answers.requests], found };
    const copied = await copyFiles(underway, directory);
    if (!copied.ok) return copied;
    const { temporaryKey = null, keyFile = null } = login ?? {};
    const hostKeys = login === null ? null : await knownHostKeys(context, login);
    const checkpoint = { facts, temporaryKey, hostKeys, session: null };
    const key = temporaryKey === null ? null : keyFile;
    const saved = await saveCheckpoint(context, machine, directory, checkpoint, key);
    return saved.ok ? ok(soFar) : saved;
  } finally {
    const gone = await machine.goOn();
    if (!gone.ok && !machine.hasEnded()) context.log(`qemu: the guest does not go on: ${gone.failure}`);
  }
}

/** Writes the record and moves all of it to where the next attempt looks; gives back its megabytes. */
async function keep(
  { options, context, answers }: Underway,
  index: number,
  directory: string,
  { paths, ...soFar }: SoFar,
): Promise<Result<number, string>> {
  const { files, clock, identity } = context.host;
  const asked: [path: string, digest: Digest | null][] = [];
  for (const path of paths) asked.push([path, await answerDigest(path, options, context)]);
  const id = [identity.pid, identity.startedAt, clock.nowMs(), index].join('-');
  const written = await writeMarkRecord(context, directory, {
    id,
    port: answers.port,
    segment: answers.segment,
    asked,
    ...soFar,
  });
  if (!written.ok) return fail('its record could not be written');
  const sizes = files
    .list(directory)
    .names.map((name) => files.stamp(join(directory, name))?.allocatedBytes ?? 0);
  const kept = await context.ownSides.keep(markPlace(options.marks, index), directory);
  if (!kept.ok && kept.failure.code === 'input-changed')
    return fail(`${kept.failure.files.join(', ')} has changed meanwhile`);
  if (!kept.ok) return fail('it could not be moved to the cache');
  return ok(Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1e6));
}

/** The guest is paused when this resolves well, at a moment at which it had no connection open. */
async function pauseWhenQuiet({ context, machine }: Underway): Promise<Result<void, string>> {
  const { clock } = context.host;
  const untilMs = clock.monotonicMs() + QUIET_LIMIT_MS;
  while (!machine.hasEnded() && clock.monotonicMs() < untilMs) {
    if (await isQuiet(machine)) {
      const paused = await machine.pause();
      if (!paused.ok || (await isQuiet(machine))) return paused;
      await machine.goOn();
    }
    await clock.sleep(QUIET_PAUSE_MS, context.signal);
  }
  return fail(
    machine.hasEnded() ? 'the machine ended' : 'the guest had network connections open all the time',
  );
}

async function isQuiet({ qmp }: Machine): Promise<boolean> {
  const told = await qmp.command('human-monitor-command', { 'command-line': 'info usernet' });
  const states = told.ok ? [...String(told.value).matchAll(/TCP\[(\w+)\]/g)] : [];
  return told.ok && states.every(([, state = '']) => QUIET_STATES.includes(state));
}

async function copyFiles(
  { context, machine, disk, variables }: Underway,
  directory: string,
): Promise<Result<void, string>> {
  const { files } = context.host;
  const to = markFiles(directory);
  const made = await files.makeDirectory(directory, 0o700);
  if (!made.ok) return fail('no directory could be made for it');
  const parts = [
    [disk, to.disk],
    [machine.serialLog, to.console],
    ...(variables === null ? [] : [[variables, to.variables] as const]),
  ] as const;
  for (const [from, part] of parts) {
    const copied = await files.copyFile(from, part, 0o600);
    if (!copied.ok)
      return fail(`the ${part === to.disk ? 'disk' : 'rest'} could not be copied (${copied.failure.errno})`);
  }
  return ok(undefined);
}

async function whyNoRoom({ context, options, disk }: Underway): Promise<string | null> {
  const { files } = context.host;
  const takes = (files.stamp(disk)?.allocatedBytes ?? 0) + options.memory;
  const free = await files.freeBytes(context.scratch);
  return free === null || free > ROOM * takes
    ? null
    : 'too little would be left free on the disk of the cache';
}

/** What the guest writes to besides its disk goes on without the mark: `extra_args` may name such a thing. */
async function foreignDisk({ machine, disk, variables }: Underway): Promise<string | null> {
  const told = await machine.qmp.command('query-named-block-nodes', { flat: true });
  if (!told.ok) return told.failure;
  const nodes = told.value as unknown as readonly { readonly ro: boolean; readonly file: string }[];
  const foreign = nodes.find(({ ro, file }) => !ro && file !== disk && file !== variables);
  return foreign === undefined ? null : `the guest writes to ${foreign.file}, which is no part of it`;
}
