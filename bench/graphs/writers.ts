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

export function writeSnakefile(graph: Graph, directory: string, trace: string): void {
  const outputs = new Map(graph.stages.map(({ name, output }) => [name, output]));
  const list = (paths: readonly (string | undefined)[]) =>
    paths.map((path) => JSON.stringify(path)).join(', ');
  const all = list(graph.stages.filter(({ leaf }) => leaf).map(({ output }) => output));
  const rules = graph.stages.map((stage) => {
    const needs = list([stage.input, ...stage.needs.map((name) => outputs.get(name))]);
    const command = JSON.stringify(commandOf(stage, trace));
    return `rule s${stage.name.replace('-', '_')}:\n    input: ${needs}\n    output: "${stage.output}"\n    shell: ${command}\n`;
  });
  writeFileSync(join(directory, 'Snakefile'), `rule all:\n    input: ${all}\n${rules.join('')}`);
}

/** `local`: its sandbox would forbid the trace, and costs more than the commands. */
export function writeBazel(graph: Graph, directory: string, trace: string): void {
  const outputs = new Map(graph.stages.map(({ name, output }) => [name, output]));
  const rules = graph.stages.map(({ name, input, output, needs }) => {
    const sources = JSON.stringify([input, ...needs.map((other) => outputs.get(other))]);
    const command = JSON.stringify(`cp $(location ${input}) $@ && echo ${name} >> ${trace}`);
    return `genrule(name="s${name}", srcs=${sources}, outs=["${output}"], cmd=${command}, local=True)\n`;
  });
  writeFileSync(join(directory, 'BUILD'), rules.join(''));
  writeFileSync(join(directory, 'WORKSPACE'), '');
}

export function writeDvc(graph: Graph, directory: string, trace: string): void {
  const outputs = new Map(graph.stages.map(({ name, output }) => [name, output]));
  const stages = graph.stages.map((stage) => {
    const deps = JSON.stringify([stage.input, ...stage.needs.map((name) => outputs.get(name))]);
    return `  s${stage.name}:\n    cmd: ${JSON.stringify(commandOf(stage, trace))}\n    deps: ${deps}\n    outs: [${stage.output}]\n`;
  });
  writeFileSync(join(directory, 'dvc.yaml'), `stages:\n${stages.join('')}`);
}
