/** bake as a process: how long it takes to start, and how much memory it needs at most. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeLarge } from '../files.ts';
import { layeredGraph } from '../graphs/graph.ts';
import { type Command, finish, race, type Series } from '../measure.ts';
import { bakeIn, bakeSite, bareNode, buildOnce, expectText, letFilesAge, pipelineSite } from '../sites.ts';
import { spreadOf } from '../statistics.ts';
import type { Bench, Suite, Verdict } from '../suite.ts';

const GIB = 2 ** 30;

export const startup: Suite = {
  name: 'startup',
  summary: 'how long bake takes to start',
  run(bench) {
    const cwd = pipelineSite(bench, 'startup', 'bake: 1\nname: a\nstages:\n  a:\n    run: "true"\n');
    finish(bakeIn(bench, cwd, 'run'), bench.home);
    letFilesAge();
    const says = (pattern: RegExp) => (finished: Parameters<typeof expectText>[0]) =>
      expectText(finished, pattern);
    const series = race(
      [
        bareNode(bench),
        { name: 'bake --version', command: bakeIn(bench, cwd, '--version'), check: says(/\d+\.\d+/) },
        { name: 'bake help', command: bakeIn(bench, cwd, 'help'), check: says(/run/) },
        { name: 'bake validate', command: bakeIn(bench, cwd, 'validate'), check: () => undefined },
        { name: 'bake plan', command: bakeIn(bench, cwd, 'plan'), check: says(/a/) },
        { name: 'bake run, nothing to do', command: bakeIn(bench, cwd, 'run'), check: () => undefined },
      ],
      bench.runs,
      bench.home,
    );
    return { series, verdicts: [], notes: [] };
  },
};

export const memory: Suite = {
  name: 'memory',
  summary: 'the most memory that bake itself needs',
  run(bench) {
    const graph = layeredGraph(10, Math.max(2, Math.round(1000 * bench.scale)));
    const site = bakeSite(bench, graph);
    bench.say(`bake builds ${graph.stages.length} stages`);
    buildOnce(bench, site);
    letFilesAge();
    finish(site.command, bench.home);
    const bytes = Math.round(4 * GIB * bench.scale);
    const ready = join(bench.directory, 'memory.img');
    bench.say('writing 4 GiB');
    writeLarge(ready, bytes);
    const adopting = pipelineSite(
      bench,
      'memory-adopt',
      `bake: 1\nname: memory\nstages:\n  big:\n    run: ln ${ready} big.img\n    outputs: { o: big.img }\n`,
    );
    const measured = measuring(bench);
    const plan = bakeIn(bench, site.directory, 'plan', '--cache-dir', join(bench.directory, 'absent'));
    const check = () => undefined;
    const series = race(
      [
        { name: 'node -e 0', command: measured(bareNode(bench).command), check },
        {
          name: 'bake run, 10,000 stages, nothing to do',
          command: measured(site.command),
          check: () => {
            if (site.trace.take().length > 0) throw new Error('stages ran');
          },
        },
        { name: 'bake plan, 10,000 stages, cold', command: measured(plan), check },
        {
          name: 'bake run, 4 GiB output',
          command: measured(bakeIn(bench, adopting, 'run')),
          prepare: () => {
            for (const name of ['cache', 'big.img'])
              rmSync(join(adopting, name), { recursive: true, force: true });
          },
          check,
        },
      ],
      Math.min(bench.runs, 5),
      bench.home,
    );
    return {
      series,
      verdicts: [
        mostMemory(series, 'bake run, 10,000 stages, nothing to do', 250),
        mostMemory(series, 'bake plan, 10,000 stages, cold', 250),
        mostMemory(series, 'bake run, 4 GiB output', 200),
      ],
      notes: [
        'Peak resident memory of the bake process, as it reads it from the kernel at its end. Times include that.',
      ],
    };
  },
};

/** Has a Node program leave its peak memory in the file that `finish` reads. */
function measuring(bench: Bench): (command: Command) => Command {
  const preload = join(bench.directory, 'peak-memory.mjs');
  writeFileSync(
    preload,
    `import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
const file = process.env.BAKE_BENCH_RSS;
if (isMainThread && file)
  process.on('exit', () => writeFileSync(file, String(process.resourceUsage().maxRSS * 1024)));`,
  );
  return (command) => ({
    ...command,
    env: { ...command.env, NODE_OPTIONS: `--import=${pathToFileURL(preload)}` },
  });
}

function mostMemory(series: readonly Series[], name: string, limit: number): Verdict {
  const found = series.find((one) => one.name === name);
  const rss =
    found === undefined || found.maxRssBytes.length === 0 ? null : spreadOf(found.maxRssBytes).high / 1e6;
  return { what: name, measured: rss, limit, unit: 'MB', bound: 'most' };
}
