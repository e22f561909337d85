/** Checkouts that are built by bake or a peer: made, built once, and looked at afterwards. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Graph, Trace, writeInputs } from './graphs/graph.ts';
import { writePipeline } from './graphs/writers.ts';
import { type Command, type Contestant, type Finished, finish } from './measure.ts';
import type { Bench } from './suite.ts';

export interface Site {
  readonly directory: string;
  readonly trace: Trace;
  readonly graph: Graph;
  /** Builds what is not built; the command that is measured. */
  readonly command: Command;
  /** Where the outputs are, when that is not `directory`. */
  readonly built?: string;
}

/** A new empty directory of the bench. */
export function newDirectory(bench: Bench, name: string): string {
  const directory = join(bench.directory, name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** `bake` with arguments, in a checkout. */
export function bakeIn(bench: Bench, cwd: string, ...args: readonly string[]): Command {
  return { ...bench.bake(...args), cwd };
}

/** A checkout with a pipeline of the given text. */
export function pipelineSite(bench: Bench, name: string, text: string): string {
  const directory = newDirectory(bench, name);
  writeFileSync(join(directory, 'pipeline.yaml'), text);
  return directory;
}

export function bakeSite(bench: Bench, graph: Graph): Site {
  const site = graphSite(bench, 'bake', graph);
  writePipeline(graph, site.directory, site.trace.path);
  return { ...site, command: bakeIn(bench, site.directory, 'run', '-j2') };
}

/** A checkout with the inputs of a graph, for a tool. */
export function graphSite(bench: Bench, peer: string, graph: Graph) {
  const directory = newDirectory(bench, `${peer}-${graph.layers}x${graph.width}`);
  writeInputs(graph, directory);
  return { directory, trace: new Trace(join(directory, 'trace')), graph };
}

/** Builds everything, says whether all of it ran, and lets the clock move on until no file counts as just written. */
export function buildOnce(bench: Bench, site: Site): void {
  finish(site.command, bench.home);
  const ran = new Set(site.trace.take()).size;
  if (ran !== site.graph.stages.length)
    throw new Error(`${site.command.file}: ${ran} of ${site.graph.stages.length} stages ran at first`);
}

/** Files younger than this are looked at twice by tools that are careful, bake among them. */
export function letFilesAge(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
}

/** Waits until the clock of the file system says another time than for all that was written before. */
export function awaitNewTick(directory: string): void {
  const file = join(directory, 'tick');
  const tick = (): bigint => {
    writeFileSync(file, '');
    return statSync(file, { bigint: true }).mtimeNs;
  };
  const before = tick();
  while (tick() === before);
}

/** A run that has nothing to do: no command runs and no output is written. */
export function nothingToDo(name: string, site: Site): Contestant {
  const stamps = stampsOf(join(site.directory, 'out'));
  return {
    name,
    command: site.command,
    check() {
      const ran = site.trace.take();
      if (ran.length > 0) throw new Error(`${ran.length} stages ran, none should`);
      if (stampsOf(join(site.directory, 'out')) !== stamps) throw new Error('outputs were written');
    },
  };
}

/** Names, inodes and times of everything in a directory. */
function stampsOf(directory: string): string {
  return readdirSync(directory)
    .map((name) => {
      const { ino, mtimeNs, size } = statSync(join(directory, name), { bigint: true });
      return `${name} ${ino} ${mtimeNs} ${size}`;
    })
    .join('\n');
}

/** `node -e 0`: what no Node program can be faster than. */
export function bareNode(bench: Bench): Contestant {
  return {
    name: 'node -e 0',
    command: { file: process.execPath, args: ['-e', '0'], cwd: bench.home },
    check: () => undefined,
  };
}

/** Stages of a run by outcome, out of its summary file. */
function outcomesOf(file: string): { readonly [outcome: string]: number } {
  const { stages } = JSON.parse(readFileSync(file, 'utf8')) as { stages: { outcome: string }[] };
  const counts: Record<string, number> = {};
  for (const { outcome } of stages) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/** Throws unless a run ended with exactly these outcomes. */
export function expectOutcomes(file: string, expected: { readonly [outcome: string]: number }): void {
  const found = JSON.stringify(sorted(outcomesOf(file)));
  if (found !== JSON.stringify(sorted(expected)))
    throw new Error(`outcomes are ${found}, expected ${JSON.stringify(sorted(expected))}`);
}

function sorted(counts: { readonly [name: string]: number }): readonly (readonly [string, number])[] {
  return Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What a run wrote to its standard output, at least. */
export function expectText(finished: Finished, pattern: RegExp): void {
  if (!pattern.test(finished.stdout)) throw new Error(`its output does not match ${pattern}`);
}
