/** `bake log <stage>`: the output of a stage's last run, also of one that came from the cache. */

import { lastResult } from '../engine/settle.ts';
import { logFileOf } from '../engine/state.ts';
import type { Host } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
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
  const failures: Failure[] = [];
  for (const action of chosen.targets) {
    const file = logFileOf(session.checkoutDirectory, action.name);
    if (invocation.flags['follow'] === true) await follow(session.host, file, invocation);
    else if (session.host.files.stamp(file) !== null) {
      const text = await session.host.files.readText(file);
      if (text.ok) invocation.write(text.value);
      else failures.push(text.failure);
    } else {
      const result = await lastResult(session, action);
      const bytes = result?.log ? await session.cache.blobs.get(result.log.digest) : null;
      if (bytes !== null) invocation.write(Buffer.from(bytes).toString('utf8'));
      else if (result === null || result.log !== null) {
        failures.push({ code: 'no-result', stage: action.name, wanted: 'log' });
      }
    }
  }
  return failures.length === 0 ? 0 : printFailures(invocation, failures);
};

/** Writes what is in the log and whatever is added, until Ctrl-C. A log that begins anew is followed from its beginning. */
async function follow(host: Host, file: string, invocation: Invocation): Promise<void> {
  let shown = 0;
  while (!invocation.signal.aborted) {
    const size = host.files.stamp(file)?.sizeBytes ?? 0;
    if (size < shown) shown = 0;
    if (size > shown) {
      const bytes = await host.files.readBytes(file);
      if (bytes.ok) {
        const end = bytes.value.lastIndexOf(0x0a) + 1;
        if (end > shown) invocation.write(Buffer.from(bytes.value.subarray(shown, end)).toString('utf8'));
        shown = Math.max(shown, end);
      }
    }
    await host.clock.sleep(LOOK_EVERY_MS, invocation.signal);
  }
}
