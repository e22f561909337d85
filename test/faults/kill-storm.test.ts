/** A storm of `kill -9`: eight processes build in three checkouts on one cache and are killed at random moments; no result may ever be wrong, nobody may hang, and nothing needs to be repaired by hand. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { randomFrom } from '../support/numbers.ts';
import { faultsOf } from './verify-cache.ts';

/** Kills in the short form; `KILLS=1000` is the long one. */
const KILLS = Number(process.env['KILLS'] ?? 24);
const SEED = Number(process.env['SEED'] ?? 20_261_129);
const PROCESSES = 8;
const LIMIT_MS = 90_000;

const PIPELINE = `bake: 1
name: storm
stages:
  small: { run: "cat in.txt > s.txt; sleep 0.02", inputs: [in.txt], outputs: { s: s.txt }, place: true }
  tree:
    run: "mkdir -p t/a t/empty; for i in 1 2 3 4 5; do cat in.txt > t/a/f$i; done; ln -s a/f1 t/l; chmod +x t/a/f1"
    inputs: [in.txt]
    outputs: { t: t }
    place: true
  big: { run: "yes $(cat in.txt) | head -c 2000000 > b.bin", inputs: [in.txt], outputs: { b: b.bin }, place: true }
  here: { run: "sleep 0.03; cat in.txt > p.txt", inputs: [in.txt], workspace: in-place, outputs: { p: p.txt } }
  join:
    run: "sha256sum < \${{ stages.big.outputs.b }} > j.txt; cat \${{ stages.small.outputs.s }} >> j.txt"
    outputs: { j: j.txt }
`;

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

class Storm implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bake-storm-'));
  readonly cache = join(this.directory, 'cache');
  readonly values = new Map<string, string>();
  readonly #children = new Set<ChildProcess>();

  constructor() {
    for (const name of ['one', 'two', 'three']) {
      const checkout = join(this.directory, name);
      mkdirSync(checkout);
      writeFileSync(join(checkout, 'pipeline.yaml'), PIPELINE);
      this.edit(checkout, '0');
    }
  }

  edit(checkout: string, value: string): void {
    this.values.set(checkout, value);
    writeFileSync(join(checkout, 'in.txt'), `${value}\n`);
  }

  start(checkout: string): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
    const child = spawn(process.execPath, [process.env['BAKE_TEST_PROGRAM'] ?? '', 'run', '-j', '3'], {
      cwd: checkout,
      env: { PATH: process.env['PATH'] ?? '', HOME: this.directory, BAKE_CACHE_DIR: this.cache },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const ended = new Promise<Ended>((resolve) => {
      let isLate = false;
      const limit = setTimeout(() => {
        isLate = true;
        child.kill('SIGKILL');
      }, LIMIT_MS);
      child.once('close', (code, signal) => {
        clearTimeout(limit);
        this.#children.delete(child);
        resolve({ code, signal: isLate ? 'HANG' : signal, output });
      });
    });
    return { child, ended };
  }

  wrongIn(checkout: string): readonly string[] {
    const value = `${this.values.get(checkout)}\n`;
    const big = value.repeat(Math.ceil(2_000_000 / value.length)).slice(0, 2_000_000);
    const wanted: Record<string, string> = {
      's.txt': value,
      'p.txt': value,
      'b.bin': big,
      'j.txt': `${createHash('sha256').update(big).digest('hex')}  -\n${value}`,
      't/l': value,
      't/a/f5': value,
    };
    return Object.entries(wanted)
      .filter(([path, text]) => readFileSync(join(checkout, path), 'utf8') !== text)
      .map(([path]) => `${checkout.slice(this.directory.length + 1)}/${path} is wrong`);
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One round: edits, eight processes of which some are killed, then one clean run in each checkout. */
async function weather(
  storm: Storm,
  random: () => number,
  round: number,
): Promise<{ readonly kills: number; readonly problems: readonly string[] }> {
  const checkouts = [...storm.values.keys()];
  const problems: string[] = [];
  for (const checkout of checkouts)
    if (random() < 0.8) storm.edit(checkout, `${Math.floor(random() * 3)}-${round}`);
  const running = Array.from({ length: PROCESSES }, () =>
    storm.start(checkouts[Math.floor(random() * checkouts.length)] as string),
  );
  let kills = 0;
  for (const { child } of running.filter(() => random() < 0.5)) {
    await new Promise((resolve) => setTimeout(resolve, random() * 300));
    if (child.exitCode === null && child.kill('SIGKILL')) kills += 1;
  }
  const complain = (when: string, { code, signal, output }: Ended) =>
    problems.push(`${when}: ended with ${code ?? signal}: ${output.slice(-600)}`);
  for (const ended of await Promise.all(running.map((one) => one.ended)))
    if (ended.code !== 0 && ended.signal !== 'SIGKILL') complain(`round ${round}`, ended);
  problems.push(...faultsOf(storm.cache).filter((fault) => !fault.includes('missing')));
  for (const checkout of checkouts) {
    const ended = await storm.start(checkout).ended;
    if (ended.code === 0) problems.push(...storm.wrongIn(checkout));
    else complain(`round ${round}, afterwards`, ended);
  }
  problems.push(...faultsOf(storm.cache));
  return { kills, problems };
}

test(`after ${KILLS} kills at random moments no result is wrong, and every next run ends well`, {
  timeout: 60_000 + KILLS * 5_000,
}, async () => {
  using storm = new Storm();
  const random = randomFrom(SEED);
  const problems: string[] = [];
  for (let round = 0, kills = 0; kills < KILLS && problems.length < 10; round++) {
    const outcome = await weather(storm, random, round);
    kills += outcome.kills;
    problems.push(...outcome.problems);
  }
  expect(problems).toEqual([]);
});
