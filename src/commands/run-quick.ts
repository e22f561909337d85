/** The quick way of `bake run`: when nothing that the last run looked at has changed, says so, and loads nothing else. */
import { dirname } from 'node:path';
import type { Built } from '../engine/build.ts';
import { isKept } from '../engine/settled.ts';
import { readBytesNow } from '../host/read-now.ts';
import { rawStamp } from '../host/stamp.ts';
import { quickCheck, quickFile } from '../incremental/quick.ts';
import { isStat, isStatAt, numbersOf } from '../model/stat-record.ts';
import { printable } from '../report/printable.ts';
import { nothingToDoLines } from '../report/summary.ts';
import { cacheUseOf } from './cache-dir.ts';
import { checkoutPlace, pipelineVariables, programIdentity } from './checkout-place.ts';
import type { Invocation } from './command.ts';
import { pipelineArguments } from './load-plan.ts';
import { sinkRules } from './sink.ts';
import { chooseReporter, type OutputStream, styleOf } from './stream-choice.ts';
import { wantsVerification } from './verify-wish.ts';
import type { Project } from './wiring.ts';

/** Flags with which a run must be told in full. */
const FULL = ['force', 'json', 'summary', 'trace', 'verbose', 'quiet'];

/** Of a command line, what the quick check looks at. */
export type QuickInvocation = Pick<Invocation, 'positionals' | 'flags' | 'cwd' | 'env'>;

/** What to say when there is nothing to do; null when bake must look more closely. */
export function quickRun(invocation: QuickInvocation, stream: OutputStream): string | null {
  const { flags, env } = invocation;
  if (FULL.some((flag) => flags[flag] !== undefined) || wantsVerification(invocation)) return null;
  if (env['GITHUB_STEP_SUMMARY'] || chooseReporter(flags, env, stream) === 'json') return null;
  const use = cacheUseOf(invocation);
  if (!use.ok || use.value.mode === 'off') return null;
  const where = checkoutPlace(invocation);
  const written = where === null ? null : readBytesNow(where.quickFile);
  if (where === null || written === null) return null;
  const summary = quickCheck(written, quickKey(invocation, where.cacheDir), rawStamp);
  if (summary === null) return null;
  const { file } = pipelineArguments(invocation.positionals);
  // Since the process began: that is what the user waited. `performance` would load a module for it.
  const durationMs = Math.round(process.uptime() * 1000);
  const lines = nothingToDoLines({ file, durationMs, ...summary }, styleOf(env, stream));
  return printable(`${lines.join('\n')}\n`, sinkRules(env, stream));
}

/** Writes down what the next quick run compares, after a run that ended well. */
export async function rememberQuick(
  invocation: Invocation,
  project: Project,
  built: Built,
  startedAtMs: number,
): Promise<void> {
  const { session, host, cacheDir } = project;
  const isDone = built.settled.every(
    (settled) => isKept(settled) && ['fresh', 'restored', 'built'].includes(settled.outcome),
  );
  const where = checkoutPlace(invocation);
  if (!isDone || where === null || where.cacheDir !== cacheDir) return;
  const own = ownPaths(session, built);
  if (own === null) return;
  const looked = session.looks.all();
  const summary = {
    stages: new Set(built.settled.map(({ action }) => action.stage)).size,
    outputs: built.finished.flatMap(({ outputs }) =>
      outputs.flatMap(({ artifact, placedAt }) =>
        placedAt === null ? [] : [{ path: placedAt, sizeBytes: artifact.content.sizeBytes }],
      ),
    ),
  };
  const bytes = quickFile(
    {
      key: quickKey(invocation, cacheDir),
      stamps: looked,
      own,
      startedAtMs,
      summary,
      base: baseOf(invocation),
    },
    host.clock.nowMs(),
  );
  if (bytes === null) return;
  // Last, because it takes longest: after an edit there is nothing to remember yet.
  const isStill = [...looked].every(([path, then]) => {
    const now = rawStamp(path);
    if (now === null || then === null) return now === then;
    return isStatAt(numbersOf(then), 0, now.size, now.mtimeMs, now.ctimeMs, now.ino);
  });
  if (!isStill || readBytesNow(where.quickFile)?.equals(bytes)) return;
  if (host.files.stamp(where.root)?.type !== 'directory') return;
  await host.files.makeDirectory(dirname(where.quickFile));
  await host.files.replaceFile(where.quickFile, bytes, { flush: false, mode: 0o600 });
}

/** The absolute paths of all that was placed; null when some of it is not as it was placed any more. */
function ownPaths({ looks }: Project['session'], { settled }: Built): ReadonlySet<string> | null {
  const own = new Set<string>();
  for (const { files, directories = [] } of settled.flatMap(({ placed }) => Object.values(placed))) {
    // Each before what is in it: what is removed from it afterwards shows in its stamp.
    for (const directory of directories) {
      if (looks.stamp(directory)?.type !== 'directory') return null;
      own.add(looks.absolute(directory));
    }
    for (const file of files) {
      // The stamp of when it was placed counts: what became of it since is not ours.
      if (!isStat(file, 1, looks.stamp(file[0]))) return null;
      own.add(looks.absolute(file[0]));
    }
  }
  return own;
}

/** Where the process is: the kernel finds what lies there sooner by a short path. Null when `-C` makes it another place than it seems. */
function baseOf({ cwd, flags }: QuickInvocation): string | null {
  return flags['directory'] === undefined ? cwd : null;
}

/** Everything besides files that decides what a run would do. */
function quickKey(invocation: QuickInvocation, cacheDir: string): string {
  const { cwd, positionals, flags, env } = invocation;
  return JSON.stringify([
    programIdentity(),
    cwd,
    baseOf(invocation),
    positionals,
    flags['var'] ?? null,
    flags['var-file'] ?? null,
    cacheDir,
    cacheUseOf(invocation),
    env['PATH'],
    pipelineVariables(env),
  ]);
}
