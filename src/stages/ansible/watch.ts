/** Watches ansible-playbook while it runs, so that it is known what it read: see docs/design/traces.md. */
import { join } from 'node:path';
import type { Failure } from '../../model/failure.ts';
import { ok, type Result } from '../../model/result.ts';
import type { ReadTrace, StageContext } from '../kind.ts';
import { readTrace } from './trace.ts';
import tracer from './tracer.py';

/** More than an hour of one task after the other writes. */
const LONGEST_TRACE = 1024 ** 3;
/** Python runs it before anything else. */
const TRACER_FILE = 'sitecustomize.py';
/** The tracer writes it beside itself. */
const LOG_FILE = 'log';

export interface Watch {
  /** What is added to the environment of the process that is watched. */
  readonly env: { readonly [name: string]: string };
  /** What was read, once the process has ended well. The trace is gone afterwards: command lines in it may hold secrets. */
  finish(): Promise<ReadTrace>;
}

/**
 * Where nothing counts that is asked for: what is made anew for each run, also by modules that run on this host, and the
 * programs of this host, which count by the versions of tools.
 */
function ownPlaces(env: { readonly [name: string]: string }): readonly string[] {
  const places = [env['HOME'], env['TMPDIR'], env['ANSIBLE_REMOTE_TEMP'], ...(env['PATH'] ?? '').split(':')];
  return places.filter((path) => path?.startsWith('/') === true && path !== '/') as string[];
}

/** Makes everything ready to watch one process and all that it starts. `env`: what it would have without. */
export async function watchPython(
  context: StageContext,
  env: { readonly [name: string]: string },
): Promise<Result<Watch, Failure>> {
  const { files } = context.host;
  const made = await files.makeTemporaryDirectory(context.scratch, 'trace-');
  if (!made.ok) return made;
  const directory = made.value;
  const written = await files.writeFile(join(directory, TRACER_FILE), tracer, { mode: 0o600 });
  if (!written.ok) return written;
  const others = env['PYTHONPATH'];
  return ok({
    env: { PYTHONPATH: others ? `${directory}:${others}` : directory },
    async finish() {
      const text = await files.readText(join(directory, LOG_FILE), { limitBytes: LONGEST_TRACE });
      await files.remove(directory);
      const ignored = [context.scratch, ...ownPlaces(env)];
      const trace = text.ok ? readTrace(text.value, { ignored }) : null;
      if (trace?.ok) {
        for (const command of trace.value.untraced)
          context.log(`bake: not known what this reads, so that the whole project counts: ${command}`);
        return trace.value;
      }
      const problem = trace === null ? 'there is no trace' : trace.failure;
      context.log(`bake: not known what was read, so that the whole project counts: ${problem}`);
      return { lookups: new Map(), untraced: [problem] };
    },
  });
}
