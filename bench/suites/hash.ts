/** Hashing inputs: one file of 4 GiB, two of 2 GiB, and 100,000 of a KiB. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeLarge, writeSmall } from '../files.ts';
import { Trace } from '../graphs/graph.ts';
import { type Contestant, finish, race, type Series } from '../measure.ts';
import { bakeIn, expectText, letFilesAge, pipelineSite } from '../sites.ts';
import type { Bench, Suite } from '../suite.ts';
import { medianOf } from './noop.ts';

const GIB = 2 ** 30;

/** What two programs in C take to find, read and hash the same files, and keep nothing of it. */
function sha256sum(cwd: string, count: number): Contestant {
  return {
    name: 'find, xargs, sha256sum',
    command: { file: 'sh', args: ['-c', 'find in -type f -print0 | xargs -0 sha256sum'], cwd },
    check({ stdout }) {
      const lines = stdout.split('\n').length - 1;
      if (lines !== count) throw new Error(`${lines} files were hashed, not ${count}`);
    },
  };
}

function pipeline(input: string, trace = '/dev/null'): string {
  return `bake: 1\nname: hash\nstages:\n  look:\n    run: echo ran >> ${trace}\n    inputs: ["${input}"]\n    workspace: in-place\n`;
}

export const hash: Suite = {
  name: 'hash',
  summary: 'sha256 of 4 GiB of input, in one file and in two',
  run(bench) {
    const bytes = Math.round(4 * GIB * bench.scale);
    const [one, two, none] = [
      pipelineSite(bench, 'hash-one', pipeline('*.bin')),
      pipelineSite(bench, 'hash-two', pipeline('*.bin')),
      pipelineSite(bench, 'hash-none', pipeline('pipeline.txt')),
    ];
    bench.say('writing 8 GiB');
    writeLarge(join(one, 'a.bin'), bytes);
    for (const name of ['a.bin', 'b.bin']) writeLarge(join(two, name), bytes / 2);
    writeLarge(join(none, 'pipeline.txt'), 1024);
    const cold = ['plan', '--cache-dir', join(bench.directory, 'absent')];
    const planned = (name: string, cwd: string) => ({
      name,
      command: bakeIn(bench, cwd, ...cold),
      check: (finished: { stdout: string }) => {
        if (!finished.stdout.includes('look')) throw new Error('the plan does not name the stage');
      },
    });
    const { openssl } = bench.tools;
    let digest = '';
    const series = race(
      [
        planned('bake plan, 1 KiB', none),
        ...(openssl === null
          ? []
          : [
              {
                name: 'openssl dgst -sha256',
                command: { file: openssl, args: ['dgst', '-sha256', 'a.bin'], cwd: one },
                check: (finished: { stdout: string }) => {
                  digest = /[0-9a-f]{64}/.exec(finished.stdout)?.[0] ?? '';
                },
              },
            ]),
        planned('bake plan, one file', one),
        planned('bake plan, two files', two),
      ],
      bench.runs,
      bench.home,
    );
    const explained = finish(bakeIn(bench, one, 'explain', 'look', '--json', ...cold.slice(1)), bench.home);
    if (openssl !== null) expectText(explained as never, new RegExp(digest));
    const net = netOf(series, 'bake plan, 1 KiB');
    const peer = series.find(({ name }) => name.startsWith('openssl'));
    return {
      series,
      verdicts: [
        {
          what: 'speed on one file, of openssl (start-up of bake taken off)',
          measured: peer === undefined ? null : medianOf(peer) / net('bake plan, one file'),
          limit: 0.9,
          unit: '×',
          bound: 'least',
        },
        {
          what: 'speed on two files, of one of the same total',
          measured: net('bake plan, one file') / net('bake plan, two files'),
          limit: 1.6,
          unit: '×',
          bound: 'least',
        },
      ],
      notes: [
        `${(bytes / GIB / (net('bake plan, one file') / 1000)).toFixed(2)} GiB/s on one file; page cache warm. The limit for two files is ours for two processors: the goal says "scales with the cores".`,
      ],
    };
  },
};

export const smallFiles: Suite = {
  name: 'small-files',
  summary: '100,000 inputs of a KiB, cold and warm',
  run(bench) {
    const count = Math.round(100_000 * bench.scale);
    const trace = new Trace(join(bench.directory, 'trace-small'));
    const [many, few] = [
      pipelineSite(bench, 'small-many', pipeline('in/**', trace.path)),
      pipelineSite(bench, 'small-few', pipeline('in/**', trace.path)),
    ];
    bench.say(`writing ${count} files`);
    writeSmall(join(many, 'in'), count);
    writeSmall(join(few, 'in'), 1);
    for (const site of [many, few]) finish(bakeIn(bench, site, 'run'), bench.home);
    letFilesAge();
    for (const site of [many, few]) finish(bakeIn(bench, site, 'run'), bench.home);
    const ran = trace.take().length;
    if (ran !== 2) throw new Error(`the command ran ${ran} times while preparing, expected 2`);
    const cold = (name: string, cwd: string) => ({
      name,
      command: bakeIn(bench, cwd, 'plan', '--cache-dir', join(bench.directory, 'absent')),
      check: (finished: { stdout: string }) => {
        if (!finished.stdout.includes('look')) throw new Error('the plan does not name the stage');
      },
    });
    const warm = (name: string, cwd: string) => ({
      name,
      command: bakeIn(bench, cwd, 'run'),
      check: () => {
        if (trace.take().length > 0) throw new Error('the command ran again');
      },
    });
    const series = race(
      [
        cold('bake plan, one file', few),
        cold('bake plan, cold', many),
        warm('bake run, one file', few),
        warm('bake run, warm', many),
        sha256sum(many, count),
      ],
      bench.runs,
      bench.home,
    );
    expectSeen(bench, many, trace);
    const perFile = (of: string, base: string) => (netOf(series, base)(of) * 1000) / count;
    return {
      series,
      verdicts: [
        {
          what: 'cold',
          measured: perFile('bake plan, cold', 'bake plan, one file'),
          limit: 9,
          unit: 'µs a file',
          bound: 'most',
        },
        {
          what: 'warm',
          measured: perFile('bake run, warm', 'bake run, one file'),
          limit: 4.5,
          unit: 'µs a file',
          bound: 'most',
        },
      ],
      notes: ['The same with one file is taken off. Page cache warm in both.'],
    };
  },
};

/** An edit of one of the many files must be noticed: else the warm runs looked at nothing. */
function expectSeen(bench: Bench, site: string, trace: Trace): void {
  const path = join(site, 'in/0/7.txt');
  writeLarge(path, readFileSync(path).length);
  finish(bakeIn(bench, site, 'run'), bench.home);
  if (trace.take().length !== 1) throw new Error('an edit of one of many files was not noticed');
}

/** Medians with that of a base taken off. */
export function netOf(series: readonly Series[], base: string): (name: string) => number {
  const median = (name: string) => {
    const found = series.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no contestant ${name}`);
    return medianOf(found);
  };
  return (name) => median(name) - median(base);
}
