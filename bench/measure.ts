/** Runs contestants in turn, round after round, and says how long each took: interleaved, so that a slow minute slows all alike. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Added to a fixed environment. */
  readonly env?: { readonly [name: string]: string };
  /** Exit statuses that are as they should be; `[0]` when absent. */
  readonly statuses?: readonly number[];
}

export interface Finished {
  readonly wallMs: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Peak memory of the program itself, when it is a Node program. */
  readonly maxRssBytes: number | null;
}

export interface Contestant {
  readonly name: string;
  readonly command: Command;
  /** Makes the state from which a run starts; not measured. */
  prepare?(): void;
  /** Throws when the run did not do exactly what it should; not measured. A run that is not checked does not count. */
  check(finished: Finished): void;
}

export interface Series {
  readonly name: string;
  readonly wallMs: readonly number[];
  readonly maxRssBytes: readonly number[];
}

/** What a program that is measured sees of this process's environment. */
function fixedEnvironment(home: string): { readonly [name: string]: string } {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: home, LANG: 'C.UTF-8', TERM: 'dumb' };
}

/** Runs a command to its end, with what it said; throws when it fails. */
export function finish(command: Command, home: string): Finished {
  const rssFile = join(home, 'rss');
  rmSync(rssFile, { force: true });
  const env = { ...fixedEnvironment(home), BAKE_BENCH_RSS: rssFile, ...command.env };
  const started = process.hrtime.bigint();
  const run = spawnSync(command.file, command.args, {
    cwd: command.cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const wallMs = Number(process.hrtime.bigint() - started) / 1e6;
  if (run.error) throw run.error;
  if (run.status === null || !(command.statuses ?? [0]).includes(run.status))
    throw new Error(
      `${command.file} ${command.args.join(' ')} ended with ${run.status ?? run.signal}:\n${run.stdout.slice(-2000)}\n${run.stderr.slice(-2000)}`,
    );
  const maxRssBytes = existsSync(rssFile) ? Number(readFileSync(rssFile, 'utf8')) : null;
  return { wallMs, stdout: run.stdout, stderr: run.stderr, maxRssBytes };
}

/**
 * One unmeasured round, then `runs` measured ones. Who begins changes from round to round, so that nobody always runs in
 * the other's wake.
 */
export function race(contestants: readonly Contestant[], runs: number, home: string): readonly Series[] {
  const series = contestants.map(({ name }) => ({
    name,
    wallMs: [] as number[],
    maxRssBytes: [] as number[],
  }));
  for (let round = 0; round <= runs; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const index = (turn + round) % contestants.length;
      const contestant = contestants[index] as Contestant;
      contestant.prepare?.();
      const finished = finish(contestant.command, home);
      try {
        contestant.check(finished);
      } catch (error) {
        throw new Error(`${contestant.name}, round ${round}: ${(error as Error).message}`, { cause: error });
      }
      if (round === 0) continue;
      series[index]?.wallMs.push(finished.wallMs);
      if (finished.maxRssBytes !== null) series[index]?.maxRssBytes.push(finished.maxRssBytes);
    }
  }
  return series;
}
