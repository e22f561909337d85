/** `bake log <stage>`: the output of a stage's last run, also of one that came from the cache. */

import { lastResult } from '../engine/last-result.ts';
import type { Session } from '../engine/session.ts';
import type { Host } from '../host/host.ts';
import { logFileOf } from '../incremental/state.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { printable } from '../report/printable.ts';
import { byStage } from '../report/stages.ts';
import type { CommandModule, Invocation } from './command.ts';
import { printFailures } from './print-failures.ts';
import { openProject } from './wiring.ts';

const LOOK_EVERY_MS = 100;

export const run: CommandModule['run'] = async (invocation) => {
  const project = await openProject(invocation, { touch: false });
  if (!project.ok) return printFailures(invocation, project.failure);
  const { session, chosen, targets } = project.value;
  if (targets.length === 0) {
    return printFailures(invocation, [{ code: 'missing-argument', argument: '<stage>', command: 'log' }]);
  }
  if (invocation.flags['follow'] === true) {
    const files = chosen.targets.map(({ name }) => logFileOf(session.checkoutDirectory, name));
    await follow(session.host, files, invocation);
    return 0;
  }
  const isRaw = invocation.flags['raw'] === true;
  if (isRaw && process.stdout.isTTY === true) {
    return printFailures(invocation, [{ code: 'raw-to-terminal' }]);
  }
  const failures: Failure[] = [];
  for (const actions of byStage(chosen.targets)) {
    const logs = [];
    for (const action of actions) logs.push(await logOf(session, action));
    for (const log of logs)
      if (log.ok && log.value !== null) await show(session.host, log.value, invocation, isRaw);
    // Steps after one that failed have no log, and are not missed.
    const [missing] = logs.flatMap((log) => (log.ok ? [] : [log.failure]));
    if (missing !== undefined && !logs.some(({ ok }) => ok)) failures.push(missing);
  }
  return failures.length === 0 ? 0 : printFailures(invocation, failures);
};

/** The file with what an action wrote in its last run, or when its result was made; null when that was nothing. */
async function logOf(session: Session, action: PlannedAction): Promise<Result<string | null, Failure>> {
  const file = logFileOf(session.checkoutDirectory, action.name);
  if (session.host.files.stamp(file) !== null) return ok(file);
  const result = await lastResult(session, action);
  if (result !== null && result.log === null) return ok(null);
  const { blobs } = session.cache;
  // Of any size, hence never whole in memory.
  if (result?.log && (await blobs.isSound(result.log.digest, result.log.sizeBytes)))
    return ok(blobs.pathOf(result.log.digest));
  return fail({ code: 'no-result', stage: action.name, wanted: 'log' });
}

/** Writes a log: as it may be shown, or `isRaw` the bytes as they are stored, whatever is in them. */
async function show(host: Host, file: string, invocation: Invocation, isRaw: boolean): Promise<void> {
  const write = isRaw ? writeRaw : async (log: Uint8Array) => writeClean(log, invocation);
  const shown = await pour(host, file, 0, write);
  // A last line without its end.
  await host.files.withReader(file, async (source) => {
    const rest = new Uint8Array(PIECE_BYTES);
    await write(rest.subarray(0, await source.read(rest, shown)));
  });
}

/** So much of a log is in memory at a time. */
const PIECE_BYTES = 1024 * 1024;

/** Gives the whole lines after a place in a file, some at a time; resolves to the place up to which they reach. */
async function pour(
  host: Host,
  file: string,
  from: number,
  write: (lines: Uint8Array) => void | Promise<void>,
): Promise<number> {
  const poured = await host.files.withReader(file, async (source) => {
    const piece = new Uint8Array(PIECE_BYTES);
    for (let offset = from; ; ) {
      const count = await source.read(piece, offset);
      const end = piece.lastIndexOf(0x0a, count - 1) + 1;
      // A line that is longer than a piece is cut.
      const length = end > 0 && count > 0 ? end : count === piece.length ? count : 0;
      if (length === 0) return offset;
      await write(piece.slice(0, length));
      offset += length;
    }
  });
  return poured.ok ? poured.value : from;
}

/** A log's lines as they may be shown; its colours would not end where they should. */
function writeClean(log: Uint8Array, invocation: Invocation): void {
  const text = Buffer.from(log).toString('utf8').replace(/\r\n?/g, '\n');
  invocation.write(printable(text, { colour: false, workflow: false }));
}

function writeRaw(log: Uint8Array): Promise<void> {
  return new Promise((done) => process.stdout.write(log, () => done()));
}

/** Writes what is in logs and whatever is added, until Ctrl-C. A log that begins anew is followed from its beginning. */
async function follow(host: Host, files: readonly string[], invocation: Invocation): Promise<void> {
  const shown = new Map<string, number>();
  while (!invocation.signal.aborted) {
    for (const file of files) shown.set(file, await showFrom(host, file, shown.get(file) ?? 0, invocation));
    await host.clock.sleep(LOOK_EVERY_MS, invocation.signal);
  }
}

/** Writes the whole lines after a place in a file; gives the place up to which it is shown now. */
async function showFrom(host: Host, file: string, from: number, invocation: Invocation): Promise<number> {
  const size = host.files.stamp(file)?.sizeBytes ?? 0;
  const start = size < from ? 0 : from;
  return size > start ? pour(host, file, start, (lines) => writeClean(lines, invocation)) : start;
}
