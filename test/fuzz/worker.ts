/** The loop of the fuzzer, in a thread of its own: inputs that reach something new are kept and changed further. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { beginningsOf } from './beginnings.ts';
import { type Material, mutated, randomFrom } from './mutate.ts';
import { TARGETS, type Target } from './targets.ts';

/** What the parent gives, and what the bundle has before its first module. */
interface Task {
  readonly target: string;
  readonly until: number;
  readonly seeds: string;
  /** Where inputs are kept from one run to the next, and findings. */
  readonly kept: string;
  readonly literals: readonly string[];
  /** First the number of runs, then the length of the input that runs, then the input. */
  readonly shared: SharedArrayBuffer;
}
interface Probes {
  readonly hits: Uint8Array;
  readonly compared: Set<string | number | bigint>;
}

const LONGEST = 16_384;
const LONGEST_SEED = 4096;
const MOST_SEEDS = 40;
const SLOW_MS = 1500;
const MOST_WORDS = 3000;
/** For making the seeds small, when the time of the run is over. */
const MOST_TRIMMING_MS = 15_000;

const task = workerData as Task;
const probes = (globalThis as unknown as { readonly __fuzz: Probes }).__fuzz;
const run = TARGETS[task.target] as Target;
const progress = new Int32Array(task.shared, 0, 2);
const running = new Uint8Array(task.shared, 8);
const random = randomFrom(Date.now());
/** Of each counter the classes of hits that were met: once, twice, more, many. */
const met = new Uint8Array(probes.hits.length);
const corpus: Uint8Array[] = [];
const findings = new Set<string>();
const words: Uint8Array[] = [];

function classOf(hits: number): number {
  return hits === 0 ? 0 : hits === 1 ? 1 : hits === 2 ? 2 : hits < 8 ? 4 : hits < 32 ? 8 : 16;
}

/** Runs one input; what goes wrong is written down. */
async function tried(input: Uint8Array): Promise<void> {
  probes.hits.fill(0);
  running.set(input);
  Atomics.store(progress, 1, input.length);
  Atomics.add(progress, 0, 1);
  const begun = performance.now();
  try {
    await run(input);
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    found(input, stack);
    // What is not as it must be reaches nothing that others build on.
    probes.hits.fill(0);
  }
  const took = performance.now() - begun;
  if (took > SLOW_MS) found(input, `slow: ${Math.round(took)} ms`);
}

function found(input: Uint8Array, what: string): void {
  // The same words at the same place of the program are the same fault.
  const place = what.split('\n').find((line) => line.includes('/src/')) ?? '';
  const kind = `${what
    .split('\n')[0]
    ?.replace(/[\d_]+/g, '#')
    .replace(/`.*?`/g, '`…`')}${place}`;
  if (findings.has(kind) || findings.size >= 30) return;
  findings.add(kind);
  const path = join(task.kept, `${task.target}-finding-${nameOf(input)}`);
  writeFileSync(path, input);
  parentPort?.postMessage({ finding: what.split('\n').slice(0, 6).join('\n'), path });
}

const nameOf = (input: Uint8Array) => createHash('sha256').update(input).digest('hex').slice(0, 12);

/** Whether the last run reached something that none before did. */
function isNew(): boolean {
  let isSo = false;
  for (let at = 0; at < met.length; at++) {
    const hits = probes.hits[at] as number;
    if (hits === 0) continue;
    const seen = classOf(hits);
    if (((met[at] as number) & seen) !== 0) continue;
    met[at] = (met[at] as number) | seen;
    isSo = true;
  }
  return isSo;
}

/** Keeps the input of the last run if it is worth it. */
function keepNew(input: Uint8Array): void {
  if (!isNew()) return;
  corpus.push(input);
  writeFileSync(join(task.kept, task.target, nameOf(input)), input);
}

function addWords(): void {
  for (const value of [...task.literals, ...probes.compared]) {
    if (words.length >= MOST_WORDS) break;
    if (typeof value === 'string') words.push(Buffer.from(value));
    if (typeof value === 'string' && !/^(?:\d+|0x[\da-f]+)$/i.test(value)) continue;
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
    for (const width of [2, 4, 8])
      words.push(
        new Uint8Array(number.subarray(0, width)),
        new Uint8Array(number.subarray(0, width)).reverse(),
      );
  }
  probes.compared.clear();
}

function pick(): Uint8Array {
  const latest = random(2) === 0 ? Math.min(corpus.length, 20) : corpus.length;
  return corpus[corpus.length - 1 - random(latest)] ?? new Uint8Array(0);
}

/** The counters that an input reaches. */
async function reachedBy(input: Uint8Array): Promise<readonly number[]> {
  await tried(input);
  return [...probes.hits.entries()].flatMap(([at, hits]) => (hits > 0 ? [at] : []));
}

/** The same input with as much left out as goes, for it to reach the same. */
async function trimmed(input: Uint8Array): Promise<Uint8Array> {
  let best = input;
  const wanted = (await reachedBy(input)).join();
  const hasTime = () => Date.now() < task.until + MOST_TRIMMING_MS;
  // Pieces down to a 256th: smaller ones take longer than they save.
  for (let size = best.length >> 1; size * 256 > best.length && hasTime(); size >>= 1)
    for (let at = 0; at < best.length && hasTime(); ) {
      const shorter = new Uint8Array(Buffer.concat([best.subarray(0, at), best.subarray(at + size)]));
      if ((await reachedBy(shorter)).join() === wanted) best = shorter;
      else at += size;
    }
  return best;
}

/** As few inputs as reach all that is reached, the one that adds most first. */
async function fewest(): Promise<readonly Uint8Array[]> {
  const left = new Map<Uint8Array, readonly number[]>();
  for (const input of corpus) left.set(input, await reachedBy(input));
  const covered = new Set<number>();
  const chosen: Uint8Array[] = [];
  while (chosen.length < MOST_SEEDS) {
    const gains = [...left]
      .map(([input, reached]) => ({ input, gain: reached.filter((at) => !covered.has(at)).length }))
      .filter(({ gain }) => gain > 0)
      .sort((a, b) => b.gain - a.gain || a.input.length - b.input.length);
    const best = gains[0]?.input;
    if (!best) break;
    const small = await trimmed(best);
    if (small.length <= LONGEST_SEED) {
      chosen.push(small);
      for (const at of left.get(best) ?? []) covered.add(at);
    }
    left.delete(best);
  }
  return chosen;
}

function filesIn(directory: string): readonly Uint8Array[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => new Uint8Array(readFileSync(join(directory, name))));
}

mkdirSync(join(task.kept, task.target), { recursive: true });
for (const input of [
  ...filesIn(task.seeds),
  ...beginningsOf(task.target),
  ...filesIn(join(task.kept, task.target)),
])
  if (input.length <= LONGEST) {
    await tried(input);
    keepNew(input);
  }
addWords();
const material: Material = { random, words, other: pick, longest: LONGEST };
for (let count = 1; Date.now() < task.until; count++) {
  const input = mutated(pick(), material);
  await tried(input);
  keepNew(input);
  if (count % 1000 === 0) addWords();
}
const executions = Atomics.load(progress, 0);
const reached = met.reduce((count, classes) => count + (classes === 0 ? 0 : 1), 0);
const seeds = await fewest();
mkdirSync(task.seeds, { recursive: true });
// Those of mended faults stay, whatever they reach.
for (const name of readdirSync(task.seeds)) if (!name.startsWith('mended-')) rmSync(join(task.seeds, name));
for (const seed of seeds) writeFileSync(join(task.seeds, nameOf(seed)), seed);
parentPort?.postMessage({ executions, reached, corpus: corpus.length, seeds: seeds.length });
