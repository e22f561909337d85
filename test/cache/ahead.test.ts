/** Reading ahead: what it gives is what reading afterwards gives, also of files that change meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { buildProgram, startChild } from './child-program.ts';

const PROGRAM = `
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
const [directory, count] = process.argv.slice(2);
const files = directory + '/files';
mkdirSync(files);
const AGO = 1_600_000_000;
const content = new Map();
const write = (path, text, at = AGO) => {
  writeFileSync(path, text);
  utimesSync(path, at, at);
  content.set(path, text);
};
const paths = Array.from({ length: Number(count) }, (_, at) => files + '/' + at);
for (const [at, path] of paths.entries()) write(path, 'content ' + at);
const real = realHost();
const read = [];
const host = { ...real, hashing: { ...real.hashing, digestFiles(paths, sizes) {
  read.push(...paths);
  return real.hashing.digestFiles(paths, sizes);
} } };
const now = Date.now() / 1000;
// Written just now: another write would leave the same stamp.
write(paths[5], 'new', now);
// Larger than what is read in one go.
write(paths[6], 'x'.repeat(300_000));
const stamps = new Map(paths.map((path) => [path, host.files.stamp(path)]));
const cache = (await openCache(host, directory + '/cache')).value;
const tell = await cache.readAhead();
// Of some files is told twice, as when two stages read them.
for (const [path, stamp] of stamps) tell(path, stamp);
for (const path of paths.slice(0, 500)) tell(path, stamps.get(path));
// After it was found, and perhaps before it was read.
write(paths[7], 'changed', now);
stamps.set(paths[7], host.files.stamp(paths[7]));
const take = async (from) => {
  const digests = (await from.digestsOf(stamps, (path) => path)).value;
  return paths.filter((path, at) =>
    digests[at] !== 'sha256:' + createHash('sha256').update(content.get(path)).digest('hex')).length;
};
const [wrong, again] = await Promise.all([take(cache), take(cache)]);
const first = [...new Set(read.splice(0))].map((path) => paths.indexOf(path)).sort((a, b) => a - b);
await cache.close();
const wrongLater = await take((await openCache(host, directory + '/cache')).value);
const later = read.map((path) => paths.indexOf(path)).sort((a, b) => a - b);
// Gone before anybody asks: what was read ahead of it does not hide that.
const other = (await openCache(host, directory + '/other')).value;
const tellOther = await other.readAhead();
for (const [path, stamp] of stamps) tellOther(path, stamp);
write(paths[9], 'no longer the same', now);
stamps.set(paths[9], host.files.stamp(paths[9]));
rmSync(paths[8]);
stamps.set(paths[8], { ...stamps.get(paths[8]), ctimeMs: 1 });
const failed = await other.digestsOf(stamps, (path) => path);
console.log(JSON.stringify({
  wrong: [wrong, again, wrongLater],
  first: availableParallelism() > 1 || first.length < paths.length ? first : null,
  later,
  failure: failed.ok ? null : failed.failure.errno + ' ' + paths.indexOf(failed.failure.path),
}));
`;

async function toldOf(count: number) {
  const directory = mkdtempSync(join(tmpdir(), 'bake-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const program = await buildProgram(directory, 'ahead', PROGRAM);
  await using child = startChild(program, [directory, String(count)]);
  const told = JSON.parse(await child.nextLine()) as { first: number[] | null; later: number[] };
  expect(await child.ended).toBe(0);
  return told;
}

test('of many files all is known that can be, and the rest is read when it is asked for', async () => {
  const told = await toldOf(8_500);
  expect(told).toMatchObject({ wrong: [0, 0, 0], failure: 'ENOENT 8' });
  // Whether those written meanwhile had settled when they were read depends on how fast this machine is.
  expect([5, 7]).toEqual(expect.arrayContaining(told.later));
  // Null with one processor, where nothing is read ahead.
  if (told.first !== null) expect(told.first.filter((at) => at !== 5)).toEqual([6, 7]);
});

test('few files are not read before they are asked for', async () => {
  const told = await toldOf(1_000);
  expect(told).toMatchObject({ wrong: [0, 0, 0], failure: 'ENOENT 8' });
  // Whether those written meanwhile had settled when they were read depends on how fast this machine is.
  expect([5, 7]).toEqual(expect.arrayContaining(told.later));
  expect(told.first).toHaveLength(1_000);
});
