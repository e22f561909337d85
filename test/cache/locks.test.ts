/** One builder per fingerprint: races, waiting, takeover after death, other hosts. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Builder } from '../../src/cache/cache.ts';
import { hexOf } from '../../src/model/digest.ts';
import { cacheRig, fingerprint } from './cache-rig.ts';
import { buildProgram, startChild } from './child-program.ts';

const FINGERPRINT = fingerprint('a');
const never = new AbortController().signal;

/** Takes the lock, says so, reports, and holds it until it is killed or told (by a file) to let go. */
const HOLDER = `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
import { existsSync, watch } from 'node:fs';
const [directory, name, until] = process.argv.slice(2);
const opened = await openCache(realHost(), directory);
if (!opened.ok) throw new Error('no cache');
const seen = (other) => console.log('waits for ' + other.pid + ' ' + other.activity);
const lock = await opened.value.lock(name, '/checkout/' + process.pid, seen, new AbortController().signal);
lock.report('booting');
console.log('holds');
const watcher = watch(until, async () => {
  watcher.close();
  await lock.release();
  console.log('released');
});
`;

test('a second process waits, sees who builds and what it does, and goes on when the first lets go', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const program = await buildProgram(rig.directory, 'holder', HOLDER);
  const until = rig.path('until');
  rig.write('until/x', '');
  await using child = startChild(program, [rig.path('cache'), FINGERPRINT, until]);
  expect(await child.nextLine()).toBe('holds');

  let taken = false;
  const other = await new Promise<Builder>((resolve) => {
    void cache.lock(FINGERPRINT, '/here', resolve, never).then((lock) => {
      taken = true;
      return lock?.release();
    });
  });
  expect(other).toEqual({
    pid: child.process.pid,
    host: rig.host.hostName,
    directory: `/checkout/${child.process.pid}`,
    activity: 'booting',
  });
  expect(taken).toBe(false);
  const mine = cache.lock(FINGERPRINT, '/here', () => undefined, never);
  writeFileSync(`${until}/y`, '');
  expect(await child.nextLine()).toBe('released');
  const lock = await mine;
  expect(lock).not.toBeNull();
  await lock?.release();
  expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
});

test('after kill -9 of the builder the one who waits takes over at once', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const program = await buildProgram(rig.directory, 'holder', HOLDER);
  await using child = startChild(program, [rig.path('cache'), FINGERPRINT, rig.directory]);
  await child.nextLine();
  const waiting = new Promise<void>(
    (resolve) => void cache.lock(FINGERPRINT, '/', () => resolve(), never).then((lock) => lock?.release()),
  );
  await waiting;
  const startedAtMs = performance.now();
  child.process.kill('SIGKILL');
  const lock = await cache.lock(FINGERPRINT, '/here', () => undefined, never);
  expect(lock).not.toBeNull();
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
  await lock?.release();
});

test('of many that want the same lock at once, one has it at any time, and all get it', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      const lock = await cache.lock(FINGERPRINT, '/here', () => undefined, never);
      holders += 1;
      most = Math.max(most, holders);
      await new Promise((resolve) => setImmediate(resolve));
      holders -= 1;
      await lock?.release();
    }),
  );
  expect(most).toBe(1);
});

test('another fingerprint, or another cache directory, is another lock', async () => {
  await using rig = cacheRig();
  await using elsewhere = cacheRig();
  const lock = await (await rig.open()).lock(FINGERPRINT, '/', () => undefined, never);
  const other = await (await rig.open()).lock(fingerprint('b'), '/', () => undefined, never);
  const far = await (await elsewhere.open()).lock(FINGERPRINT, '/', () => undefined, never);
  for (const each of [lock, other, far]) await each?.release();
  expect([lock, other, far]).not.toContain(null);
});

test('waiting ends when it is not wanted any more', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const lock = await cache.lock(FINGERPRINT, '/', () => undefined, never);
  const stop = new AbortController();
  const second = cache.lock(FINGERPRINT, '/', () => stop.abort(), stop.signal);
  expect(await second).toBeNull();
  await lock?.release();
});

test('a builder on another host is waited for while its file changes, and shown', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const foreign = { pid: 7, host: 'far', directory: '/far', activity: 'installing' };
  const beat = { builder: foreign, owner: { pid: 7, startedAt: '1', realm: 'far boot ns' }, beat: 1 };
  const file = `cache/v1/locks/${hexOf(FINGERPRINT)}`;
  rig.write(file, JSON.stringify(beat));
  const seen = new Promise<Builder>((resolve) => {
    void cache.lock(FINGERPRINT, '/', resolve, never).then(async (lock) => {
      await lock?.release();
      done();
    });
  });
  let done: () => void = () => undefined;
  const taken = new Promise<void>((resolve) => {
    done = resolve;
  });
  expect(await seen).toEqual(foreign);
  await rig.host.files.remove(rig.path(file));
  await taken;
});

test('a file left by a dead process of this machine is taken over at once', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const owner = { ...rig.host.identity, pid: 2 ** 22 + 1 };
  const builder = { pid: owner.pid, host: rig.host.hostName, directory: '/', activity: null };
  rig.write(`cache/v1/locks/${hexOf(FINGERPRINT)}`, JSON.stringify({ builder, owner, beat: 3 }));
  let waited = false;
  const lock = await cache.lock(FINGERPRINT, '/', () => (waited = true), never);
  expect(lock).not.toBeNull();
  expect(waited).toBe(false);
  await lock?.release();
});

test('of locks that one process holds in turn, each has a file that says for which directory, and none is left', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const names = ['a', 'b', 'c', 'd'].map(fingerprint);
  // The third is for another directory than those before and after it: what is used again must have the right words.
  for (const [at, directory] of ['/one', '/one', '/other', '/one'].entries()) {
    const name = names[at] as (typeof names)[number];
    const lock = await cache.lock(name, directory, () => undefined, never);
    expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([hexOf(name)]);
    const said = JSON.parse(readFileSync(rig.path(`cache/v1/locks/${hexOf(name)}`), 'utf8'));
    expect(said).toMatchObject({ builder: { directory, activity: null }, beat: 0 });
    await lock?.release();
  }
  expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
  await cache.close();
  expect(readdirSync(rig.path('cache/v1/tmp'))).toEqual([]);
});
