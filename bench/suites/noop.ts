/** Nothing to do: the default pipeline's shape, 1,000 and 10,000 stages. */
import { join } from 'node:path';
import { layeredGraph, Trace } from '../graphs/graph.ts';
import { type Contestant, finish, race, type Series } from '../measure.ts';
import { peerSites } from '../peer-sites.ts';
import { turboNoop, wireitNoop } from '../peers.ts';
import {
  bakeIn,
  bakeSite,
  bareNode,
  buildOnce,
  expectOutcomes,
  letFilesAge,
  nothingToDo,
  pipelineSite,
} from '../sites.ts';
import { spreadOf } from '../statistics.ts';
import { type Bench, ratioVerdict, type Suite, type SuiteResult } from '../suite.ts';

export const medianOf = (series: Series) => spreadOf(series.wallMs).median;

const MIB = 2 ** 20;
/** As the default pipeline leaves them: installer, installed disk, provisioned disk, VMDK, OVA. */
const ARTIFACTS_MIB = [119, 119, 362, 382, 145, 146];

export const noop: Suite = {
  name: 'noop',
  summary: "nothing to do in the default pipeline's shape",
  run(bench) {
    const chain = layeredGraph(5, 1);
    const contestants: Contestant[] = [bareNode(bench)];
    const small = bakeSite(bench, chain);
    buildOnce(bench, small);
    const large = largeSite(bench);
    const peers = smallPeers(bench, chain.stages.length);
    letFilesAge();
    finish(small.command, bench.home);
    finish(large.command, bench.home);
    contestants.push(nothingToDo('bake, small files', small), large, ...peers);
    const series = race(contestants, bench.runs, bench.home);
    expectFresh(bench, large.command.cwd, ARTIFACTS_MIB.length);
    return {
      series,
      verdicts: [
        ratioVerdict(series, 'bake, large files', 'node -e 0', 1.25, medianOf),
        ratioVerdict(series, 'bake, large files', 'turbo, npm launcher', 0.9, medianOf),
        ratioVerdict(series, 'bake, large files', 'wireit, npm run', 0.3, medianOf),
      ],
      notes: [
        `bake, large files: ${ARTIFACTS_MIB.length} stages with artifacts of ${ARTIFACTS_MIB.join(', ')} MiB${bench.scale === 1 ? '' : ` × ${bench.scale}`}; the others: five stages with 1 KiB.`,
      ],
    };
  },
};

export const noop1000: Suite = {
  name: 'noop-1000',
  summary: 'nothing to do in 1,000 stages',
  run: (bench) =>
    layeredNoop(bench, 100, (series) => [
      ratioVerdict(series, 'bake', 'node -e 0', 1.6, medianOf),
      ratioVerdict(series, 'bake', 'turbo, native binary', 0.75, medianOf),
    ]),
};

export const noop10000: Suite = {
  name: 'noop-10000',
  summary: 'nothing to do in 10,000 stages',
  run: (bench) =>
    layeredNoop(bench, 1000, (series) => [
      ratioVerdict(series, 'bake', 'node -e 0', 2.8, medianOf),
      ratioVerdict(series, 'bake', 'ninja', 2.5, medianOf),
      ratioVerdict(series, 'bake', 'turbo, native binary', 0.1, medianOf),
    ]),
};

function layeredNoop(
  bench: Bench,
  fullWidth: number,
  verdicts: (series: readonly Series[]) => SuiteResult['verdicts'],
): SuiteResult {
  const graph = layeredGraph(10, Math.max(2, Math.round(fullWidth * bench.scale)));
  const bakes = bakeSite(bench, graph);
  // The others need minutes for as many as 10,000.
  const others = fullWidth > 100 ? [] : (['snakemake', 'bazel'] as const);
  const sites = [{ name: 'bake', site: bakes }, ...peerSites(bench, graph, 'ninja', 'make', ...others)];
  for (const { name, site } of sites) {
    bench.say(`${name} builds ${graph.stages.length} stages`);
    buildOnce(bench, site);
  }
  const turbo = bench.tools.turbo === null ? [] : [turboNoop(bench, graph, 'native binary')];
  letFilesAge();
  for (const { site } of sites) finish(site.command, bench.home);
  const contestants = [bareNode(bench), ...sites.map(({ name, site }) => nothingToDo(name, site)), ...turbo];
  const series = race(contestants, bench.runs, bench.home);
  expectFresh(bench, bakes.directory, graph.stages.length);
  return { series, verdicts: verdicts(series), notes: [] };
}

function smallPeers(bench: Bench, stages: number): readonly Contestant[] {
  const chain = layeredGraph(stages, 1);
  const { turbo, wireit } = bench.tools;
  const contestants: Contestant[] = [];
  for (const { name, site } of peerSites(bench, chain, 'ninja', 'make', 'snakemake', 'bazel', 'dvc')) {
    bench.say(`${name} builds ${stages} stages`);
    buildOnce(bench, site);
    contestants.push(nothingToDo(name, site));
  }
  if (turbo !== null) contestants.push(turboNoop(bench, chain, 'npm launcher'));
  if (wireit !== null) contestants.push(wireitNoop(bench, chain));
  return contestants;
}

/** A chain in which each stage makes a file of its size out of the one before. */
function largeSite(bench: Bench): Contestant {
  const trace = new Trace(join(bench.directory, 'trace-large'));
  const stages = ARTIFACTS_MIB.map((mib, index) => {
    const bytes = Math.round(mib * MIB * bench.scale);
    const key = `openssl enc -aes-128-ctr -K ${index}0 -iv 0`;
    const from = index === 0 ? '' : ` && test -s \${{ stages.s${index - 1}.outputs.o }}`;
    return `  s${index}:
    run: head -c ${bytes} /dev/zero | ${key} > ${index}.img${from} && echo ${index} >> ${trace.path}
    outputs: { o: ${index}.img }
`;
  });
  const directory = pipelineSite(bench, 'large', `bake: 1\nname: large\nstages:\n${stages.join('')}`);
  bench.say(`bake builds ${ARTIFACTS_MIB.length} stages with large artifacts`);
  const command = bakeIn(bench, directory, 'run');
  finish(command, bench.home);
  if (trace.take().length !== ARTIFACTS_MIB.length) throw new Error('not all stages ran at first');
  return {
    name: 'bake, large files',
    command,
    check: () => {
      const ran = trace.take();
      if (ran.length > 0) throw new Error(`${ran.length} stages ran, none should`);
    },
  };
}

function expectFresh(bench: Bench, cwd: string, stages: number): void {
  const summary = join(bench.home, 'summary.json');
  finish(bakeIn(bench, cwd, 'run', '--summary', summary), bench.home);
  expectOutcomes(summary, { fresh: stages });
}
