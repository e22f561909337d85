/** The graph that every peer builds: layers of stages, each with a small input of its own and needing two of the layer before. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface GraphStage {
  /** `3-17`: layer and place. */
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly needs: readonly string[];
  /** In the last layer: its output is placed. */
  readonly leaf: boolean;
}

export interface Graph {
  readonly stages: readonly GraphStage[];
  readonly layers: number;
  readonly width: number;
}

/** With ten layers, a stage of the first has 55 stages downstream of it, itself included. */
export function layeredGraph(layers: number, width: number): Graph {
  const stages: GraphStage[] = [];
  for (let layer = 0; layer < layers; layer++)
    for (let place = 0; place < width; place++) {
      const before = width === 1 ? [place] : [place, (place + 1) % width];
      const name = `${layer}-${place}`;
      stages.push({
        name,
        input: `in/${name}.txt`,
        output: `out/${name}.txt`,
        needs: layer === 0 ? [] : before.map((other) => `${layer - 1}-${other}`),
        leaf: layer === layers - 1,
      });
    }
  return { stages, layers, width };
}

/** Writes the inputs, a KiB each; dated back, so that nobody takes them for written just now. */
export function writeInputs(graph: Graph, directory: string): void {
  for (const part of ['in', 'out']) mkdirSync(join(directory, part), { recursive: true });
  for (const { name, input } of graph.stages) {
    writeFileSync(join(directory, input), contentOf(name, 0));
    utimesSync(join(directory, input), 1_600_000_000, 1_600_000_000);
  }
}

export function contentOf(name: string, edition: number): string {
  return `${name} edition ${edition}\n`.padEnd(1024, '.');
}

/** Edits the input of a stage: a new edition, the same size. */
export function editInput(directory: string, stage: GraphStage, edition: number): void {
  writeFileSync(join(directory, stage.input), contentOf(stage.name, edition));
}

/** The command of every stage: a copy, and a line in a trace that nobody can forge by being lazy. */
export function commandOf({ name, input, output }: GraphStage, trace: string): string {
  return `cp ${input} ${output} && echo ${name} >> ${trace}`;
}

/** The lines that were added to a trace since it was looked at last. */
export class Trace {
  readonly path: string;
  #seen = 0;

  constructor(path: string) {
    this.path = path;
    appendFileSync(path, '');
  }

  /** Names of the stages whose commands ran. */
  take(): readonly string[] {
    const lines = existsSync(this.path) ? readFileSync(this.path, 'utf8').split('\n').slice(0, -1) : [];
    const added = lines.slice(this.#seen);
    this.#seen = lines.length;
    return added;
  }
}
