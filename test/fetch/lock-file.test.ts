/** Tests of bake.lock: stable text, lines of others kept, several writers at once. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Cache } from '../../src/cache/cache.ts';
import { openCache } from '../../src/cache/local.ts';
import { askingAgain, openLockFile } from '../../src/engine/lock-file.ts';
import { realHost } from '../../src/host/real.ts';

const host = realHost();
let directory: string;
let path: string;
let opened: Cache[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-lock-'));
  path = join(directory, 'bake.lock');
  opened = [];
});
afterEach(async () => {
  for (const cache of opened) await cache.close();
  rmSync(directory, { recursive: true, force: true });
  rmSync(`${directory}-cache`, { recursive: true, force: true });
});

/** As another process with the same cache does it. */
const alone: Cache['alone'] = async (name, work) => {
  const cache = await openCache(host, `${directory}-cache`);
  if (!cache.ok) throw new Error(cache.failure.code);
  opened.push(cache.value);
  return cache.value.alone(name, work);
};

async function open() {
  const opened = await openLockFile(host, path, 'bake.lock', alone);
  if (!opened.ok) throw new Error(opened.failure.code);
  return opened.value;
}

test('remembers across openings, sorted, whatever the order of setting', async () => {
  const lock = await open();
  lock.set('fetch-iso https://b/SUMS b.iso', 'sha256:2');
  lock.set('fetch-iso https://a/SUMS a.iso', 'sha256:1');
  expect(await lock.save()).toEqual({ ok: true, value: undefined });
  expect(
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#')),
  ).toEqual(['fetch-iso https://a/SUMS a.iso = sha256:1', 'fetch-iso https://b/SUMS b.iso = sha256:2', '']);
  expect((await open()).get('fetch-iso https://b/SUMS b.iso')).toBe('sha256:2');
});

test('is not made, and not touched, when nothing was learnt', async () => {
  const lock = await open();
  expect(lock.get('x')).toBeNull();
  await lock.save();
  expect(host.files.stamp(path)).toBeNull();

  writeFileSync(path, 'x = 1\n');
  const before = host.files.stamp(path);
  const again = await open();
  again.set('x', '1');
  await again.save();
  expect(host.files.stamp(path)).toEqual(before);
});

test('keeps lines that others wrote after it was opened', async () => {
  const first = await open();
  const second = await open();
  first.set('a', '1');
  second.set('b', '2');
  await first.save();
  await second.save();
  const last = await open();
  expect([last.get('a'), last.get('b')]).toEqual(['1', '2']);
});

test('loses no line when twenty writers save at once', async () => {
  const writers = await Promise.all(Array.from({ length: 20 }, () => open()));
  await Promise.all(
    writers.map((writer, index) => {
      writer.set(`key ${index}`, String(index));
      return writer.save();
    }),
  );
  const lock = await open();
  expect(writers.map((_, index) => lock.get(`key ${index}`))).toEqual(
    writers.map((_, index) => String(index)),
  );
  expect(host.files.list(directory).names).toEqual(['bake.lock']);
});

test('names the line that is no entry, such as a conflict marker', async () => {
  writeFileSync(path, '# comment\na = 1\n<<<<<<< HEAD\nb = 2\n');
  expect(await openLockFile(host, path, 'sub/bake.lock', alone)).toEqual({
    ok: false,
    failure: {
      code: 'lock-file-broken',
      location: { file: 'sub/bake.lock', line: 3, column: 1, length: 12, text: '<<<<<<< HEAD' },
    },
  });
});

test('is silent for a stage that asks again, and takes what it learns', async () => {
  const lock = await open();
  lock.set('a', 'old');
  const view = askingAgain(lock);
  expect(view.get('a')).toBeNull();
  view.set('a', 'new');
  expect(lock.get('a')).toBe('new');
});
