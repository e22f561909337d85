/** Planning 10,000 stages, and explaining one of them, when nothing is compiled or remembered, against what parsing the YAML alone costs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GraphStage, layeredGraph } from '../graphs/graph.ts';
import { race } from '../measure.ts';
import { bakeIn, bakeSite, bareNode } from '../sites.ts';
import { ratioVerdict, type Suite } from '../suite.ts';
import { medianOf } from './noop.ts';

export const plan: Suite = {
  name: 'plan',
  summary: 'a cold plan of 10,000 stages, and one of them explained',
  run(bench) {
    const graph = layeredGraph(10, Math.max(2, Math.round(1000 * bench.scale)));
    const { directory } = bakeSite(bench, graph);
    // Of the first layer: of what a stage reads more is known only when what it needs is there.
    const one = graph.stages[Math.floor(graph.width / 2)] as GraphStage;
    // A cache directory that does not exist: nothing is read there, and nothing made.
    const cold = ['--cache-dir', join(bench.directory, 'absent')];
    const parser = join(bench.directory, 'parse.mjs');
    writeFileSync(
      parser,
      `import { readFileSync } from 'node:fs';
import { parseDocument } from ${JSON.stringify(join(bench.root, 'node_modules/yaml/dist/index.js'))};
const document = parseDocument(readFileSync(process.argv[2], 'utf8'));
console.log(document.get('stages').items.length);`,
    );
    const file = join(directory, 'pipeline.yaml');
    const series = race(
      [
        {
          name: "yaml's parseDocument",
          command: { file: process.execPath, args: [parser, file], cwd: directory },
          check: ({ stdout }) => {
            if (Number(stdout) !== graph.stages.length) throw new Error(`it parsed ${stdout.trim()} stages`);
          },
        },
        bareNode(bench),
        {
          name: 'bake plan',
          command: bakeIn(bench, directory, 'plan', ...cold),
          check: ({ stdout }) => {
            const named = new Set(stdout.match(/\bs\d+-\d+\b/g)).size;
            if (named !== graph.stages.length) throw new Error(`it names ${named} stages`);
          },
        },
        {
          name: 'bake explain, one stage',
          command: bakeIn(bench, directory, 'explain', `s${one.name}`, ...cold),
          check: ({ stdout }) => {
            for (const part of [`s${one.name}`, one.input])
              if (!stdout.includes(part)) throw new Error(`it does not speak of ${part}`);
          },
        },
      ],
      bench.runs,
      bench.home,
    );
    return {
      series,
      verdicts: [ratioVerdict(series, 'bake plan', "yaml's parseDocument", 1.3, medianOf)],
      notes: ['Whole processes: both start Node, load what they need, and read the file.'],
    };
  },
};
