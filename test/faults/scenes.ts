/** What the fault tests build: some stages by the real program, and a chain of steps whose layers and checkpoints are published. */
import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildProgram } from '../cache/child-program.ts';

export interface Scene {
  readonly pipeline: string;
  /** Files that nothing changes. */
  readonly files?: Readonly<Record<string, string>>;
  /** Names of what lies in the checkout when everything is built. */
  readonly placed: readonly string[];
  /** Its arguments for a run that builds everything. */
  readonly run: readonly string[];
  /** The program to run; null for bake itself. */
  program(): Promise<string | null>;
  /** What is wrong of the outputs in a checkout whose input holds `value` and a line break. */
  wrongIn(checkout: string, value: number): readonly string[];
}

function expectText(checkout: string, path: string, text: string | RegExp): readonly string[] {
  const place = join(checkout, path);
  const found = existsSync(place) ? readFileSync(place, 'utf8') : null;
  const isRight = found !== null && (typeof text === 'string' ? found === text : text.test(found));
  return isRight ? [] : [`${path} holds ${JSON.stringify(found)}`];
}

/** Outputs of every sort: a small file, a tree, one that is not placed, one made of others. */
export const STAGES: Scene = {
  pipeline: `bake: 1
name: faults
stages:
  small: { run: "cat in.txt > s.txt; echo a line", inputs: [in.txt], outputs: { s: s.txt }, place: true }
  tree:
    run: "mkdir -p t/a/b t/empty; cp in.txt t/a/x; ln -s a/x t/l; echo t > t/z; chmod +x t/z; echo deep > t/a/b/y"
    inputs: [in.txt]
    outputs: { t: t }
    place: true
  big: { run: "yes $(cat in.txt) | head -c 1300000 > b.bin", inputs: [in.txt], outputs: { b: b.bin } }
  join:
    run: "sha256sum < \${{ stages.big.outputs.b }} > j.txt; cat \${{ stages.tree.outputs.t }}/a/x >> j.txt"
    outputs: { j: j.txt }
`,
  placed: ['s.txt', 't', 'j.txt'],
  run: ['run'],
  program: async () => null,
  wrongIn(checkout, value) {
    const is = (path: string, test: (path: string) => boolean) =>
      existsSync(join(checkout, path)) && test(join(checkout, path))
        ? []
        : [`${path} is not as it should be`];
    return [
      ...expectText(checkout, 's.txt', `${value}\n`),
      ...expectText(checkout, 't/a/x', `${value}\n`),
      ...expectText(checkout, 't/a/b/y', 'deep\n'),
      ...expectText(checkout, 't/z', 't\n'),
      ...expectText(checkout, 'j.txt', new RegExp(`^[0-9a-f]{64}  -\n${value}\n$`)),
      ...is('t/z', (path) => (lstatSync(path).mode & 0o100) !== 0),
      ...is('t/l', (path) => readlinkSync(path) === 'a/x'),
      ...is('t/empty', (path) => lstatSync(path).isDirectory()),
    ];
  },
};

let layersProgram: Promise<string> | null = null;

/** Beside the program of this test run: the engine with kinds that no pipeline can name. */
function bundleLayers(): Promise<string> {
  const directory = join(dirname(process.env['BAKE_TEST_PROGRAM'] ?? ''), 'layers');
  return buildProgram(directory, 'layers', RUN_LAYERS);
}

const RUN_LAYERS = `import { EngineRig } from './test/support/engine-run.ts';
      const stop = new AbortController();
      const lines = [];
      const emit = (event) => { if (event.type === 'action-failed' || event.type === 'warning') lines.push(JSON.stringify(event)); };
      new EngineRig({ directory: process.cwd() }).run({ signal: stop.signal, emit }).then(
        ({ outcomes }) => {
          const isBuilt = Object.values(outcomes).every((one) => ['built', 'fresh', 'restored'].includes(one));
          if (!isBuilt) console.log(JSON.stringify(outcomes), lines.join('\\n'));
          process.exitCode = isBuilt ? 0 : 1;
        },
        (error) => { console.log(error.stack); process.exitCode = /^Error: \\{/.test(String(error)) ? 1 : 70; },
      );`;

/** Steps on a disk: each publishes a layer with a checkpoint beside it, and hands on what goes on. */
export const LAYERS: Scene = {
  pipeline: `bake: 1
name: layers
stages:
  disk: { uses: chain, with: { disk: base.txt, files: [first.txt, in.txt, last.txt] } }
  after:
    run: cat \${{ stages.disk.outputs.disk }} > whole.txt
    outputs: { text: whole.txt }
`,
  files: { 'base.txt': '0 ', 'first.txt': 'first ', 'last.txt': 'last' },
  placed: ['whole.txt'],
  run: [],
  program: () => {
    layersProgram ??= bundleLayers();
    return layersProgram;
  },
  wrongIn: (checkout, value) => expectText(checkout, 'whole.txt', `0 first ${value}\nlast`),
};
