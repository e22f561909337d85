/** A thousand trivial commands, each in a workspace of its own with its result stored, against ninja, which stores nothing. */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contestant, race } from '../measure.ts';
import { bakeIn, expectOutcomes, newDirectory, pipelineSite } from '../sites.ts';
import { ratioVerdict, type Suite } from '../suite.ts';
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
    const { ninja, make } = bench.tools;
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
    const series = race(contestants, bench.runs, bench.home);
    return {
      series,
      verdicts: [ratioVerdict(series, 'bake -j2', 'ninja -j2', 4, medianOf)],
      notes: [
        'Every round begins with no cache. The caches of earlier rounds stay until the end: what ext4 without a journal does after many files were removed is no part of this.',
      ],
    };
  },
};
