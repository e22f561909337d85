/** A thousand trivial commands, each in a workspace of its own with its result stored, against ninja, which stores nothing, and turbo, which does. */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contestant, race, type Series } from '../measure.ts';
import { turboCommands } from '../peers.ts';
import { bakeIn, expectOutcomes, newDirectory, pipelineSite } from '../sites.ts';
import { ratioVerdict, type Suite, type Verdict } from '../suite.ts';
import { medianOf } from './noop.ts';

export const spawn: Suite = {
  name: 'spawn',
  summary: '1,000 trivial commands, two at a time',
  run(bench) {
    const count = Math.round(1000 * bench.scale);
    const numbers = Array.from({ length: count }, (_, index) => index);
    // Equal stages have equal fingerprints and would be built once: a variable tells them apart.
    const stages = numbers.map((n) => `  s${n}:\n    run: "true"\n    env: { N: "${n}" }\n`);
    const cwd = pipelineSite(bench, 'spawn', `bake: 1\nname: spawn\nstages:\n${stages.join('')}`);
    const summary = join(bench.home, 'spawn.json');
    const cache = join(cwd, 'cache');
    let rounds = 0;
    const bake: Contestant = {
      name: 'bake -j2',
      command: bakeIn(bench, cwd, 'run', '-j2', '--summary', summary, '--cache-dir', cache),
      // Put aside: ext4 without a journal looks at every inode that was removed in the last minutes before it makes a new one.
      prepare: () => {
        if (existsSync(cache)) renameSync(cache, `${cache}-${++rounds}`);
      },
      check: () => expectOutcomes(summary, { built: count }),
    };
    const contestants = [bake];
    const { ninja, make, turbo } = bench.tools;
    const peers = newDirectory(bench, 'spawn-peers');
    if (ninja !== null) {
      const builds = numbers.map((n) => `build s${n}: c\n`);
      writeFileSync(join(peers, 'build.ninja'), `rule c\n  command = true\n${builds.join('')}`);
      contestants.push({
        name: 'ninja -j2',
        command: { file: ninja, args: ['-j2', '-v'], cwd: peers },
        prepare: () => rmSync(join(peers, '.ninja_log'), { force: true }),
        check: ({ stdout }) => {
          if (!stdout.includes(`[${count}/${count}] true`)) throw new Error('not all commands ran');
        },
      });
    }
    if (make !== null) {
      const names = numbers.map((n) => `s${n}`).join(' ');
      // The colon makes it take a shell, as ninja always does.
      writeFileSync(join(peers, 'Makefile'), `all: ${names}\n.PHONY: all ${names}\n${names}:\n\ttrue; :\n`);
      contestants.push({
        name: 'make -rR -j2',
        command: { file: make, args: ['-rR', '-j2'], cwd: peers },
        check: ({ stdout }) => {
          const ran = stdout.split('\n').filter((line) => line === 'true; :').length;
          if (ran !== count) throw new Error(`${ran} commands ran`);
        },
      });
    }
    // A tenth of the commands: each is an `npm run`, and a thousand of them would take minutes.
    const fewer = Math.ceil(count / 10);
    if (turbo !== null) contestants.push(turboCommands(bench, TURBO, fewer));
    const series = race(contestants, bench.runs, bench.home);
    return {
      series,
      verdicts: [
        ratioVerdict(series, 'bake -j2', 'ninja -j2', 4, medianOf),
        perCommand(series, count, fewer),
      ],
      notes: [
        'Every round begins with no cache. The caches of earlier rounds stay until the end: what ext4 without a journal does after many files were removed is no part of this.',
        `turbo runs ${fewer} commands, each through npm as it always does, and is compared command by command.`,
      ],
    };
  },
};

const TURBO = 'turbo --concurrency=2, a tenth';

/** What bake takes for a command, as a part of what turbo takes for one: both whole processes. */
function perCommand(series: readonly Series[], count: number, fewer: number): Verdict {
  const { measured, ...verdict } = ratioVerdict(series, 'bake -j2', TURBO, 0.05, medianOf);
  const what = 'bake -j2 / turbo --concurrency=2, a command';
  return { ...verdict, what, measured: measured === null ? null : (measured * fewer) / count };
}
