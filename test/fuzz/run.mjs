/** Runs the coverage-guided fuzzer: `node test/fuzz/run.mjs <seconds> [target…]`. Seeds of what it reached are written beside it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { instrumenting } from './instrument.mjs';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const KEPT = join(ROOT, '.fuzz');
const HANG_MS = 15_000;
const INPUT_BYTES = 2 ** 20;
/** Where the words are that inputs of a target are made of. */
const ROOMS = {
  pipeline: ['pipeline', 'stages'],
  yaml: ['pipeline'],
  expression: ['pipeline'],
  'boot-command': ['machine'],
  tree: ['cache'],
  result: ['cache'],
  'index-entry': ['cache'],
};
const DISKS = ['ext', 'partitions', 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi'];

const [seconds = '60', ...named] = process.argv.slice(2);
const targets = named.length > 0 ? named : [...Object.keys(ROOMS), ...DISKS];
mkdirSync(KEPT, { recursive: true });
const told = {};
const bundle = join(KEPT, 'fuzzer.mjs');
await build({
  entryPoints: [join(HERE, 'worker.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  loader: { '.py': 'text' },
  logLevel: 'error',
  sourcemap: 'inline',
  plugins: [instrumenting(join(ROOT, 'src'), told)],
  banner: { js: probes() },
});
process.chdir(ROOT);
let findings = 0;
for (const target of targets) findings += await fuzz(target, Number(seconds) * 1000);
process.exit(findings === 0 ? 0 : 1);

/** What the counters and comparisons of the bundle write to; there before its modules are. */
function probes() {
  return `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
globalThis.__fuzz = {
  hits: new Uint8Array(65536),
  compared: new Set(),
  same(a, b) {
    if (a === b) return true;
    const { compared } = globalThis.__fuzz;
    if (compared.size < 500 && typeof a === typeof b) {
      if (typeof b === 'bigint' || (typeof b === 'number' && Number.isInteger(b) && b > 255)) compared.add(b);
      else if (typeof b === 'string' && b.length > 1 && b.length < 40) compared.add(b);
    }
    return false;
  },
};`;
}

/** Fuzzes one target for a time; a thread that does not come back from an input is ended, and another one goes on. */
async function fuzz(target, ms) {
  const until = Date.now() + ms;
  let executions = 0;
  let found = 0;
  for (;;) {
    const ended = await oneThread(target, until, (words) => {
      found += 1;
      console.log(`${target}: ${words}`);
    });
    executions += ended.executions;
    if (ended.isWhole) {
      const { reached, corpus, seeds } = ended;
      console.log(`| ${target} | ${executions} | ${reached} | ${corpus} | ${seeds} | ${found} |`);
      return found;
    }
  }
}

function oneThread(target, until, tell) {
  return new Promise((resolve) => {
    const shared = new SharedArrayBuffer(8 + INPUT_BYTES);
    const progress = new Int32Array(shared, 0, 2);
    const literals = (ROOMS[target] ?? ['formats']).flatMap((room) => told.literals[room] ?? []);
    const worker = new Worker(bundle, {
      workerData: {
        target,
        until,
        seeds: join(HERE, 'seeds', target),
        kept: KEPT,
        literals: [...new Set(literals)].filter((text) => text.length > 1 && text.length < 40),
        shared,
      },
      resourceLimits: { maxOldGenerationSizeMb: 1024 },
      execArgv: ['--enable-source-maps'],
    });
    const stop = (words) => {
      const input = Buffer.from(new Uint8Array(shared, 8, Atomics.load(progress, 1)));
      const path = join(KEPT, `${target}-finding-${words.split(' ')[0]}-${Date.now()}`);
      writeFileSync(path, input);
      tell(`${words}\n  ${path}`);
      clearInterval(watch);
      void worker.terminate();
      resolve({ isWhole: false, executions: Atomics.load(progress, 0) });
    };
    let last = -1;
    let since = Date.now();
    const watch = setInterval(() => {
      const now = Atomics.load(progress, 0);
      if (now !== last) since = Date.now();
      last = now;
      if (now > 0 && Date.now() - since > HANG_MS) stop('hang');
    }, 500);
    worker.on('message', ({ finding, path, ...numbers }) => {
      if (finding) return tell(`${finding}\n  ${path}`);
      clearInterval(watch);
      void worker.terminate();
      resolve({ isWhole: true, ...numbers });
    });
    worker.on('error', (error) => {
      if (Atomics.load(progress, 0) === 0) throw error;
      stop(`crash ${error.stack}`);
    });
  });
}
