/** The quick way of `bake run`: when nothing that the last run looked at has changed, says so, and loads nothing else. */
import type { Built } from '../engine/build.ts';
import { quickCheck, quickText } from '../engine/quick.ts';
import { readNow } from '../host/read-now.ts';
import { stamp } from '../host/stamp.ts';
import { nothingToDoLines } from '../report/summary.ts';
import { checkoutPlace, pipelineVariables, programIdentity } from './checkout-place.ts';
import type { Invocation } from './command.ts';
import { pipelineArguments } from './load-plan.ts';
import { chooseReporter, type OutputStream, styleOf } from './stream-choice.ts';
import type { Project } from './wiring.ts';

/** Flags with which a run must be told in full. */
const FULL = ['force', 'json', 'summary', 'trace', 'verbose', 'quiet'];

/** Of a command line, what the quick check looks at. */
export type QuickInvocation = Pick<Invocation, 'positionals' | 'flags' | 'cwd' | 'env'>;

/** What to say when there is nothing to do; null when bake must look more closely. */
export function quickRun(invocation: QuickInvocation, stream: OutputStream): string | null {
  const { flags, env } = invocation;
  if (FULL.some((flag) => flags[flag] !== undefined)) return null;
  if (env['GITHUB_STEP_SUMMARY'] || chooseReporter(flags, env, stream) === 'json') return null;
  const where = checkoutPlace(invocation);
  const text = where === null ? null : readNow(where.quickFile);
  if (where === null || text === null) return null;
  const summary = quickCheck(text, quickKey(invocation, where.cacheDir), stamp);
  if (summary === null) return null;
  const { file } = pipelineArguments(invocation.positionals);
  // Since the process began: that is what the user waited.
  const durationMs = Math.round(performance.now());
  const lines = nothingToDoLines({ file, durationMs, ...summary }, styleOf(env, stream));
  return `${lines.join('\n')}\n`;
}

/** Writes down what the next quick run compares, after a run that ended well. */
export async function rememberQuick(invocation: Invocation, project: Project, built: Built): Promise<void> {
  const { session, host, cacheDir } = project;
  const isDone = built.settled.every(
    ({ action, outcome }) =>
      action.cacheable && (outcome === 'fresh' || outcome === 'restored' || outcome === 'built'),
  );
  const where = checkoutPlace(invocation);
  if (!isDone || where === null || where.cacheDir !== cacheDir) return;
  for (const { placed } of built.settled) {
    for (const { files } of Object.values(placed)) {
      for (const [path] of files) session.looks.stamp(path);
    }
  }
  const looked = session.looks.all();
  const text = quickText(
    quickKey(invocation, cacheDir),
    looked,
    {
      stages: new Set(built.settled.map(({ action }) => action.stage)).size,
      outputs: built.finished.flatMap(({ outputs }) =>
        outputs.flatMap(({ artifact, placedAt }) =>
          placedAt === null ? [] : [{ path: placedAt, sizeBytes: artifact.content.sizeBytes }],
        ),
      ),
    },
    host.clock.nowMs(),
  );
  if (text === null) return;
  // Last, because it takes longest: after an edit there is nothing to remember yet.
  const isStill = [...looked].every(([path, then]) => {
    const now = stamp(path);
    return now?.mtimeMs === then?.mtimeMs && now?.ctimeMs === then?.ctimeMs && now?.inode === then?.inode;
  });
  if (isStill && text !== readNow(where.quickFile)) {
    await host.files.replaceFile(where.quickFile, text, { flush: false });
  }
}

/** Everything besides files that decides what a run would do. */
function quickKey({ cwd, positionals, flags, env }: QuickInvocation, cacheDir: string): string {
  return JSON.stringify([
    programIdentity(),
    cwd,
    positionals,
    flags['var'] ?? null,
    flags['var-file'] ?? null,
    cacheDir,
    env['PATH'],
    pipelineVariables(env),
  ]);
}
