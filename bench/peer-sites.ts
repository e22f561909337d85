/** Checkouts of one graph for peers that, as bake, read it from one file. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Graph } from './graphs/graph.ts';
import { writeBazel, writeDvc, writeMakefile, writeNinja, writeSnakefile } from './graphs/writers.ts';
import { graphSite, type Site } from './sites.ts';
import type { Bench } from './suite.ts';

/** What a peer does after an edit: `all` that is downstream, or only up to where outputs are as they were (`changed`). */
type Rebuilds = 'all' | 'changed';

export interface PeerSite {
  readonly name: string;
  readonly site: Site;
  readonly rebuilds: Rebuilds;
}

interface Peer {
  readonly tool: 'ninja' | 'make' | 'snakemake' | 'bazel' | 'dvc';
  readonly name: string;
  readonly rebuilds: Rebuilds;
  make(bench: Bench, graph: Graph, file: string): Site;
}

const PEERS: readonly Peer[] = [
  {
    tool: 'ninja',
    name: 'ninja',
    rebuilds: 'all',
    make(bench, graph, file) {
      const site = graphSite(bench, 'ninja', graph);
      writeNinja(graph, site.directory, site.trace.path);
      return { ...site, command: { file, args: ['-j2'], cwd: site.directory } };
    },
  },
  {
    tool: 'make',
    name: 'make -rR',
    rebuilds: 'all',
    make(bench, graph, file) {
      const site = graphSite(bench, 'make', graph);
      writeMakefile(graph, site.directory, site.trace.path);
      return { ...site, command: { file, args: ['-rR', '-j2'], cwd: site.directory } };
    },
  },
  {
    tool: 'snakemake',
    name: 'snakemake',
    rebuilds: 'all',
    make(bench, graph, file) {
      const site = graphSite(bench, 'snakemake', graph);
      writeSnakefile(graph, site.directory, site.trace.path);
      // Its other scheduler solves an optimisation problem first.
      const args = ['-j2', '--quiet', 'all', '--scheduler', 'greedy'];
      return { ...site, command: { file, args, cwd: site.directory } };
    },
  },
  {
    tool: 'bazel',
    name: 'bazel, server running',
    rebuilds: 'changed',
    make(bench, graph, file) {
      const site = graphSite(bench, 'bazel', graph);
      writeBazel(graph, site.directory, site.trace.path);
      const server = [`--output_user_root=${join(bench.directory, 'bazel')}`, '--max_idle_secs=600'];
      const cwd = site.directory;
      bench.atEnd(() => execFileSync(file, [...server, 'shutdown'], { cwd, stdio: 'ignore' }));
      const args = [...server, 'build', '--jobs=2', '--noshow_progress', '//...'];
      return { ...site, command: { file, args, cwd }, built: join(cwd, 'bazel-bin') };
    },
  },
  {
    tool: 'dvc',
    name: 'dvc repro',
    rebuilds: 'changed',
    make(bench, graph, file) {
      const site = graphSite(bench, 'dvc', graph);
      writeDvc(graph, site.directory, site.trace.path);
      const cwd = site.directory;
      execFileSync('git', ['init', '-q'], { cwd });
      execFileSync(file, ['init', '-q'], { cwd, env: { ...process.env, DVC_NO_ANALYTICS: '1' } });
      return { ...site, command: { file, args: ['repro'], cwd, env: { DVC_NO_ANALYTICS: '1' } } };
    },
  },
];

/** A checkout of the graph for each of these peers that is here. */
export function peerSites(
  bench: Bench,
  graph: Graph,
  ...wanted: readonly Peer['tool'][]
): readonly PeerSite[] {
  return PEERS.flatMap(({ tool, name, rebuilds, make }): PeerSite[] => {
    const file = bench.tools[tool];
    return file === null || !wanted.includes(tool)
      ? []
      : [{ name, rebuilds, site: make(bench, graph, file) }];
  });
}
