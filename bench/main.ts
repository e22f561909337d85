/** The bench's command line: which suites, how many rounds, where the figures go. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, versionOf } from './machine.ts';
import { findTools } from './peers.ts';
import { pageText, type Report, suiteText } from './report.ts';
import { type Bench, isMet, type Suite } from './suite.ts';
import { edit } from './suites/edit.ts';
import { hash, smallFiles } from './suites/hash.ts';
import { adopt, reflink, restore } from './suites/large.ts';
import { layers } from './suites/layers.ts';
import { noop, noop1000, noop10000 } from './suites/noop.ts';
import { plan } from './suites/plan.ts';
import { memory, startup } from './suites/process.ts';
import { spawn } from './suites/spawn.ts';

const SUITES: readonly Suite[] = [
  startup,
  noop,
  noop1000,
  noop10000,
  edit,
  plan,
  hash,
  smallFiles,
  adopt,
  restore,
  reflink,
  spawn,
  memory,
  layers,
];

const USAGE = `npm run bench -- <suite>… [--runs N] [--json FILE] [--write-docs] [--quick]

${SUITES.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`).join('\n')}
  ${'all'.padEnd(12)} all of them

--runs N      measured rounds (default 15, which the goals ask for)
--json FILE   write the figures, every single one of them, as JSON
--write-docs  write docs/performance.md
--quick       a hundredth of the size and three rounds, to try the bench itself; goals are not judged

Peers are measured when they are here: ninja, make, snakemake, bazel, dvc, openssl and packer on PATH; turbo and wireit after npm install --prefix bench/peers.
Large files are made below BAKE_BENCH_DIR, else the temporary directory: up to 13 GiB.
`;

/** Runs what the arguments ask for; resolves to the exit status: 1 when a goal is missed. */
export async function main(given: {
  readonly root: string;
  readonly directory: string;
  readonly arguments: readonly string[];
}): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...given.arguments],
    allowPositionals: true,
    options: {
      runs: { type: 'string' },
      json: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const chosen = positionals.includes('all')
    ? SUITES
    : SUITES.filter(({ name }) => positionals.includes(name));
  const unknown = positionals.filter(
    (name) => name !== 'all' && !SUITES.some((suite) => suite.name === name),
  );
  const runs = Number(values.runs ?? (values.quick ? 3 : 15));
  if (values.help || chosen.length === 0 || unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
    console.log(unknown.length > 0 ? `there is no suite ${unknown.join(', ')}\n\n${USAGE}` : USAGE);
    return values.help ? 0 : 2;
  }
  const report = measure(chosen, given, runs, values.quick);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values['write-docs']) writeFileSync(join(given.root, 'docs/performance.md'), pageText(report));
  const missed = report.suites
    .flatMap((suite) => suite.verdicts)
    .filter((verdict) => isMet(verdict) === false);
  return missed.length > 0 && !values.quick ? 1 : 0;
}

function measure(
  suites: readonly Suite[],
  { root, directory }: { readonly root: string; readonly directory: string },
  runs: number,
  quick: boolean,
): Report {
  const tools = findTools(root);
  const head = {
    schemaVersion: 1 as const,
    startedAt: new Date().toISOString(),
    commit: versionOf('git', '-C', root, 'describe', '--always', '--dirty') ?? 'unknown',
    machine: { ...describeMachine(directory), ...versions(tools) },
    runs,
  };
  for (const [name, value] of Object.entries(head.machine)) console.log(`${name}: ${value}`);
  const done: Report['suites'][number][] = [];
  const ends: (() => void)[] = [];
  const endAll = () => {
    for (const end of ends.splice(0).reverse()) end();
  };
  // Also after Ctrl-C, and before what is removed then.
  process.prependListener('exit', endAll);
  for (const suite of suites) {
    const place = join(directory, suite.name);
    const home = join(place, 'home');
    mkdirSync(home, { recursive: true });
    const bench: Bench = {
      root,
      directory: place,
      runs,
      scale: quick ? 0.01 : 1,
      home,
      bake: (...args) => ({ file: process.execPath, args: [join(directory, 'dist/bake.js'), ...args] }),
      tools,
      atEnd: (action) => ends.push(action),
      say: (line) => console.error(`  ${suite.name}: ${line}`),
    };
    const result = suite.run(bench);
    endAll();
    const verdicts = quick ? [] : result.verdicts;
    const finished = { name: suite.name, summary: suite.summary, ...result, verdicts };
    console.log(`\n${suiteText(finished)}`);
    done.push(finished);
    rmSync(place, { recursive: true, force: true });
  }
  return { ...head, suites: done };
}

function versions(tools: Bench['tools']): { readonly [name: string]: string } {
  const found: Record<string, string> = {};
  for (const [name, path] of Object.entries(tools)) {
    const version =
      path && name !== 'wireit' ? versionOf(path, name === 'openssl' ? 'version' : '--version') : null;
    if (version !== null) found[name] = version;
  }
  return found;
}
