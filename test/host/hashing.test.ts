/** Digests: right for every size, in threads for large files, in bounded memory. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashFile } from 'hasha';
import { expect, onTestFinished, test } from 'vitest';
import { realHashing } from '../../src/host/hashing.ts';
import { buildProgram, startChild } from '../cache/child-program.ts';

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bake-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test.each([0, 1, 1024 * 1024, 1024 * 1024 + 1, 9_000_001])(
  'a file of %i bytes has the digest that hasha gives it',
  async (size) => {
    const file = join(temporary(), 'file');
    writeFileSync(file, Buffer.alloc(size, 'bake'));
    const digest = await realHashing().digestFile(file);
    const hex = await hashFile(file, { algorithm: 'sha256' });
    expect(digest).toEqual({ ok: true, value: { digest: `sha256:${hex}`, sizeBytes: size } });
  },
);

test('what cannot be read is a failure', async () => {
  expect(await realHashing().digestFile('/no/such/file')).toMatchObject({
    ok: false,
    failure: { errno: 'ENOENT' },
  });
  expect(await realHashing().digestFile('/')).toMatchObject({ ok: false, failure: { errno: 'EISDIR' } });
});

test('for a pipe that took the place of a file nobody waits', async () => {
  const pipe = join(temporary(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  expect(await realHashing().digestFiles([pipe], [3])).toMatchObject({ ok: true });
});

test('a text is hashed as UTF-8', () => {
  const hex = createHash('sha256').update(Buffer.from('zwölf')).digest('hex');
  expect(realHashing().digestBytes('zwölf')).toBe(`sha256:${hex}`);
});

test('in the bundle many large files are hashed by threads, in less than 200 MB, with progress', async () => {
  const directory = temporary();
  const sizes = [1024 ** 3, 5_000_000, 6_000_000, 7_000_000, 8_000_000];
  for (const [at, size] of sizes.entries()) {
    writeFileSync(join(directory, `file${at}`), `${at}`);
    truncateSync(join(directory, `file${at}`), size);
  }
  const program = await buildProgram(
    directory,
    'hasher',
    `
import { realHashing } from './src/host/hashing.ts';
const hashing = realHashing();
let progress = 0;
let ticks = 0;
const timer = setInterval(() => { ticks += 1; }, 1);
const results = await Promise.all(process.argv.slice(2).map((path) => hashing.digestFile(path, () => { progress += 1; })));
clearInterval(timer);
console.log(JSON.stringify({ digests: results.map((r) => r.ok && r.value.digest), progress, ticks, peak: process.resourceUsage().maxRSS * 1024 }));
`,
  );
  const paths = sizes.map((_, at) => join(directory, `file${at}`));
  await using child = startChild(program, [...paths, '/no/such/file']);
  const told = JSON.parse(await child.nextLine()) as {
    digests: string[];
    progress: number;
    ticks: number;
    peak: number;
  };
  for (const [at, path] of paths.entries())
    expect(told.digests[at]).toBe(`sha256:${await hashFile(path, { algorithm: 'sha256' })}`);
  expect(told.digests.at(-1)).toBe(false);
  expect(told.progress).toBeGreaterThan(10);
  // The main thread went on meanwhile.
  expect(told.ticks).toBeGreaterThan(20);
  expect(told.peak).toBeLessThan(200e6);
  expect(await child.ended).toBe(0);
});

test('a list of files has the digests of its files, in order, whatever their sizes', async () => {
  const directory = temporary();
  const contents = [
    Buffer.alloc(0),
    Buffer.from('one'),
    Buffer.alloc(300_000, 'x'),
    Buffer.alloc(5_000_000, 'y'),
  ];
  const paths = contents.map((content, at) => {
    writeFileSync(join(directory, `${at}`), content);
    return join(directory, `${at}`);
  });
  const sizes = contents.map(({ length }) => length);
  const wanted = contents.map((content) => `sha256:${createHash('sha256').update(content).digest('hex')}`);
  expect(await realHashing().digestFiles(paths, sizes)).toEqual({ ok: true, value: wanted });
  // Grown or shrunk since they were looked at: read to the end all the same.
  const other = sizes.map((size) => Math.abs(size - 1));
  expect(await realHashing().digestFiles(paths, other)).toEqual({ ok: true, value: wanted });
});

test('of a list of files the first that cannot be read is the failure', async () => {
  const file = join(temporary(), 'file');
  writeFileSync(file, 'x');
  expect(await realHashing().digestFiles([file, '/no/such/file'], [1, 1])).toMatchObject({
    ok: false,
    failure: { path: '/no/such/file', errno: 'ENOENT' },
  });
});

test('in the bundle threads share a long list of small files, and each digest is at its place', async () => {
  const directory = temporary();
  const paths = Array.from({ length: 20_000 }, (_, at) => join(directory, `${at}`));
  for (const [at, path] of paths.entries()) writeFileSync(path, `${at}`);
  const program = await buildProgram(
    directory,
    'lister',
    `
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { realHashing } from './src/host/hashing.ts';
const directory = process.argv[2];
const paths = Array.from({ length: 20_000 }, (_, at) => directory + '/' + at);
const digests = await realHashing().digestFiles(paths, paths.map((_, at) => String(at).length));
const wrong = paths.filter((_, at) =>
  digests.value[at] !== 'sha256:' + createHash('sha256').update(String(at)).digest('hex'));
console.log(JSON.stringify({ count: digests.value.length, wrong: wrong.length }));
`,
  );
  await using child = startChild(program, [directory]);
  expect(JSON.parse(await child.nextLine())).toEqual({ count: 20_000, wrong: 0 });
  expect(await child.ended).toBe(0);
});
