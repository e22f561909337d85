/** One edited input among 1,000 stages: in the first layer, with 55 stages downstream, and in the last. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentOf, editInput, type GraphStage, layeredGraph } from '../graphs/graph.ts';
import { type Contestant, finish, race } from '../measure.ts';
import { type PeerSite, peerSites } from '../peer-sites.ts';
import { awaitNewTick, bakeSite, buildOnce, letFilesAge, type Site } from '../sites.ts';
import type { Suite } from '../suite.ts';
import { ratioVerdict } from '../suite.ts';
import { medianOf } from './noop.ts';

export const edit: Suite = {
  name: 'edit',
  summary: 'one edit among 1,000 stages, in the first layer (55 downstream) and in the last',
  run(bench) {
    const graph = layeredGraph(10, Math.max(12, Math.round(100 * bench.scale)));
    const sites: readonly PeerSite[] = [
      { name: 'bake', site: bakeSite(bench, graph), rebuilds: 'changed' },
      ...peerSites(bench, graph, 'ninja', 'make', 'snakemake', 'bazel'),
    ];
    for (const { name, site } of sites) {
      bench.say(`${name} builds ${graph.stages.length} stages`);
      buildOnce(bench, site);
    }
    letFilesAge();
    for (const { site } of sites) finish(site.command, bench.home);
    const middle = Math.floor(graph.width / 2);
    const first = graph.stages[middle] as GraphStage;
    const last = graph.stages[graph.stages.length - middle] as GraphStage;
    const contestants = sites.flatMap(({ name, site, rebuilds }) => [
      editing(`${name}, first layer`, site, first, rebuilds === 'all' ? [55, 55] : [1, 3]),
      editing(`${name}, last layer`, site, last, [1, 1]),
    ]);
    const series = race(contestants, bench.runs, bench.home);
    return {
      series,
      verdicts: [ratioVerdict(series, 'bake, first layer', 'ninja, first layer', 1.3, medianOf)],
      notes: [
        'First layer: ninja, make and snakemake run 55 commands; bake and bazel stop where outputs are unchanged, after at most 3, which every run is checked for.',
      ],
    };
  },
};

function editing(
  name: string,
  site: Site,
  stage: GraphStage,
  [least, most]: readonly [number, number],
): Contestant {
  let edition = 0;
  return {
    name,
    command: site.command,
    prepare() {
      // An edit in the tick in which an output was written is one that ninja and make cannot see.
      awaitNewTick(site.directory);
      editInput(site.directory, stage, ++edition);
    },
    check() {
      const ran = site.trace.take();
      if (ran.length < least || ran.length > most || !ran.includes(stage.name))
        throw new Error(
          `${ran.length} stages ran (${ran.slice(0, 5).join(' ')}), expected ${least} to ${most}`,
        );
      const placed = stage.leaf || !name.startsWith('bake');
      if (
        placed &&
        readFileSync(join(site.built ?? site.directory, stage.output), 'utf8') !==
          contentOf(stage.name, edition)
      )
        throw new Error('the output is stale');
    },
  };
}
