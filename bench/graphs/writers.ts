/** The same graph in the language of each peer. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandOf, type Graph } from './graph.ts';

/** `pipeline.yaml`. A reference makes the edge; `:` ignores the paths that it becomes. */
export function writePipeline(graph: Graph, directory: string, trace: string): void {
  const stages = graph.stages.map((stage) => {
    const needs = stage.needs.map((name) => `\${{ stages.s${name}.outputs.o }}`).join(' ');
    const command = commandOf(stage, trace) + (needs === '' ? '' : ` && : ${needs}`);
    return `  s${stage.name}:
    run: ${JSON.stringify(command)}
    inputs: [${stage.input}]
    outputs: { o: ${stage.output} }
`;
  });
  writeFileSync(join(directory, 'pipeline.yaml'), `bake: 1\nname: graph\nstages:\n${stages.join('')}`);
}

export function writeNinja(graph: Graph, directory: string, trace: string): void {
  const outputs = new Map(graph.stages.map(({ name, output }) => [name, output]));
  const builds = graph.stages.map((stage) => {
    const needs = stage.needs.map((name) => outputs.get(name)).join(' ');
    return `build ${stage.output}: c ${stage.input}${needs === '' ? '' : ` | ${needs}`}\n  command = ${commandOf(stage, trace)}\n`;
  });
  writeFileSync(join(directory, 'build.ninja'), `rule c\n  command = $command\n${builds.join('')}`);
}

export function writeMakefile(graph: Graph, directory: string, trace: string): void {
  const outputs = new Map(graph.stages.map(({ name, output }) => [name, output]));
  const all = graph.stages.filter(({ leaf }) => leaf).map(({ output }) => output);
  const rules = graph.stages.map((stage) => {
    const needs = stage.needs.map((name) => outputs.get(name)).join(' ');
    return `${stage.output}: ${stage.input} ${needs}\n\t@${commandOf(stage, trace)}\n`;
  });
  writeFileSync(join(directory, 'Makefile'), `all: ${all.join(' ')}\n${rules.join('')}.PHONY: all\n`);
}
