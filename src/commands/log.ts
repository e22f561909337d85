/** `bake log <stage>`: the output of a stage's last run, also of one that came from the cache. */

import { lastResult } from '../engine/last-result.ts';
import type { Session } from '../engine/session.ts';
import { logFileOf } from '../engine/state.ts';
import type { Host } from '../host/host.ts';
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
  const write = isRaw ? writeRaw : (log: Uint8Array) => writeClean(log, invocation);
  const failures: Failure[] = [];
  for (const actions of byStage(chosen.targets)) {
    const logs = [];
    for (const action of actions) logs.push(await logOf(session, action));
    for (const log of logs) if (log.ok) await write(log.value);
    // Steps after one that failed have no log, and are not missed.
    const [missing] = logs.flatMap((log) => (log.ok ? [] : [log.failure]));
    if (missing !== undefined && !logs.some(({ ok }) => ok)) failures.push(missing);
  }
  return failures.length === 0 ? 0 : printFailures(invocation, failures);
};

/** What an action wrote in its last run, or when its result was made. */
async function logOf(session: Session, action: PlannedAction): Promise<Result<Uint8Array, Failure>> {
  const file = logFileOf(session.checkoutDirectory, action.name);
  if (session.host.files.stamp(file) !== null) return session.host.files.readBytes(file);
  const result = await lastResult(session, action);
  if (result !== null && result.log === null) return ok(new Uint8Array(0));
  const bytes = result?.log ? await session.cache.blobs.get(result.log.digest) : null;
  if (bytes === null) return fail({ code: 'no-result', stage: action.name, wanted: 'log' });
  return ok(bytes);
}

/** A log's lines as they may be shown; its colours would not end where they should. */
function writeClean(log: Uint8Array, invocation: Invocation): void {
  const text = Buffer.from(log).toString('utf8').replace(/\r\n?/g, '\n');
  invocation.write(printable(text, { colour: false, workflow: false }));
}

/** The bytes as they are stored, whatever is in them. */
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
  const bytes = size > start ? await host.files.readBytes(file) : null;
  if (bytes === null || !bytes.ok) return start;
  const end = bytes.value.lastIndexOf(0x0a) + 1;
  if (end <= start) return start;
  writeClean(bytes.value.subarray(start, end), invocation);
  return end;
}
