/** The queue of digests: threads read while more is being added, and what is not as it was seen is left to the ordinary way. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { buildProgram, startChild } from '../cache/child-program.ts';

/** What all programs here begin with: files of 1,000 bytes, each of which is asked for again and again, and what their digests are. */
const BEGINNING = `
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { digestQueue } from './src/host/digest-queue.ts';
const [directory] = process.argv.slice(2);
const BYTES = 1_000;
const FILES = 300;
const text = (at) => String(at).padEnd(BYTES, '.');
const files = Array.from({ length: FILES }, (_, at) => directory + '/file-ü-' + at);
for (const [at, path] of files.entries()) writeFileSync(path, text(at));
const hex = Array.from(files, (_, at) => createHash('sha256').update(text(at)).digest('hex'));
const isRight = (digest, at) => digest === 'sha256:' + hex[at % FILES];
const queue = digestQueue();
const addAll = (from, to) => { for (let at = from; at < to; at++) queue.add(files[at % FILES], BYTES); };
const tell = (answer) => console.log(JSON.stringify(answer));
const hasThreads = availableParallelism() > 1;
`;

/** `worker`, when given, is what the threads run instead of their program. */
async function toldBy(source: string, worker?: string): Promise<unknown> {
  const directory = mkdtempSync(join(tmpdir(), 'bake-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const program = await buildProgram(directory, 'queue', BEGINNING + source);
  if (worker !== undefined) writeFileSync(join(directory, 'digest-worker.cjs'), worker);
  await using child = startChild(program, [directory]);
  const told: unknown = JSON.parse(await child.nextLine());
  expect(await child.ended).toBe(0);
  return told;
}

test('threads read what was added before the last is: it may be gone by then', async () => {
  const told = await toldBy(`
// What this process has read so far, less what it took to ask.
let asked = 0;
const bytesRead = () => {
  const io = readFileSync('/proc/self/io', 'latin1');
  asked += io.length;
  return Number(/rchar: (\\d+)/.exec(io)[1]) - asked;
};
const before = bytesRead();
const last = directory + '/last';
writeFileSync(last, text(0));
const GONE = 8_192;
addAll(0, GONE);
// A thread reads its own program, too: by so much may others lag behind.
for (let at = 0; at < 2_048; at++) queue.add(last, BYTES);
const began = queue.isUnderway();
// Without a thread nothing would ever be read here, for this one never lets go.
if (began) while (bytesRead() - before < (GONE + 2_048) * BYTES);
if (began) for (const path of files) rmSync(path);
for (let at = 0; at < 10_000; at++) queue.add(last, BYTES);
const digests = await queue.finish();
tell({
  asItShould: began === hasThreads,
  count: digests.length,
  wrong: digests.filter((digest, at) => !isRight(digest, at < GONE ? at : 0)).length,
});
`);
  expect(told).toEqual({ asItShould: true, count: 20_240, wrong: 0 });
});

test('what is not as it was seen has none, and all others are at their places', async () => {
  const told = await toldBy(`
const special = (name) => directory + '/' + name;
writeFileSync(special('longer'), text(1) + 'more');
writeFileSync(special('shorter'), 'less');
execFileSync('mkfifo', [special('pipe')]);
mkdirSync(special('directory'));
symlinkSync('nowhere', special('dangling'));
const specials = ['absent', 'longer', 'shorter', 'pipe', 'directory', 'dangling'];
for (const [at, name] of specials.entries()) {
  addAll(at * 3_000, at * 3_000 + 2_999);
  queue.add(special(name), BYTES);
}
const digests = await queue.finish();
tell({
  without: digests.flatMap((digest, at) => (digest === null ? [at] : [])),
  wrong: digests.filter((digest, at) => digest !== null && !isRight(digest, at)).length,
});
`);
  expect(told).toEqual({ without: [2_999, 5_999, 8_999, 11_999, 14_999, 17_999], wrong: 0 });
});

test('below eight thousand no thread is started, and all are hashed in this one', async () => {
  const told = await toldBy(`
addAll(0, 7_999);
const began = queue.isUnderway();
const digests = await queue.finish();
tell({ began, count: digests.length, wrong: digests.filter((digest, at) => !isRight(digest, at)).length });
`);
  expect(told).toEqual({ began: false, count: 7_999, wrong: 0 });
});

test('an empty queue has no digests', async () => {
  expect(await toldBy('tell(await queue.finish());')).toEqual([]);
});

test('a queue that nobody finishes keeps no process alive', async () => {
  const told = await toldBy(`
addAll(0, 8_192);
tell(queue.isUnderway() === hasThreads);
`);
  expect(told).toBe(true);
});

test.each([
  ['throws', 'throw new Error("broken");', 256],
  ['ends', 'process.exit(3);', 256],
  ['is no program', '}{', 0],
])('what a thread took that %s has none, and nobody waits for it', async (_, death, taken) => {
  const told = await toldBy(
    `
addAll(0, 10_000);
if (hasThreads && ${taken} > 0) while (!existsSync(directory + '/taken'));
const digests = await queue.finish();
tell({
  missing: digests.filter((digest) => digest === null).length,
  wrong: digests.filter((digest, at) => digest !== null && !isRight(digest, at)).length,
});
`,
    `const { writeFileSync } = require('node:fs');
const { workerData } = require('node:worker_threads');
Atomics.add(workerData.counts, 0, 1);
writeFileSync(__dirname + '/taken', '');
${death}`,
  );
  expect(told).toEqual({ missing: availableParallelism() > 1 ? taken : 0, wrong: 0 });
});
