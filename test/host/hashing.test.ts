/** Digests: right for every size, in threads for large files, in bounded memory. */
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
