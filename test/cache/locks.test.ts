/** One builder per fingerprint: races, waiting, take-over after death, other hosts, and whatever else may lie where a lock belongs. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Builder, Cache, LockRequest } from '../../src/cache/cache.ts';
import type { ProcessIdentity } from '../../src/host/host.ts';
import { hexOf } from '../../src/model/digest.ts';
import { type CacheRig, cacheRig, fingerprint, must } from './cache-rig.ts';
import { buildProgram, startChild } from './child-program.ts';

const FINGERPRINT = fingerprint('a');
const LOCK = `cache/v1/locks/${hexOf(FINGERPRINT)}`;
const never = new AbortController().signal;

function take(cache: Cache, request: Partial<LockRequest> = {}, name = FINGERPRINT) {
  return cache.lock(name, { directory: '/here', onWait: () => undefined, signal: never, ...request });
}

/** The lock, when nothing speaks against it. */
async function lockOf(cache: Cache, request: Partial<LockRequest> = {}, name = FINGERPRINT) {
  return must(await take(cache, request, name));
}

/** What a builder would have written. */
function recordOf(owner: ProcessIdentity, builder: Partial<Builder> = {}): string {
  return JSON.stringify({
    builder: { pid: owner.pid, host: 'far', directory: '/far', activity: null, ...builder },
    owner,
  });
}

const FAR = { pid: 7, startedAt: '1', realm: 'far boot ns' };

/** Takes the lock, says so, reports, and holds it until it is killed or told (by a file) to let go. */
const HOLDER = `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
import { watch } from 'node:fs';
const [directory, name, until, beatMs] = process.argv.slice(2);
const options = beatMs ? { lockLimits: { beatMs: Number(beatMs) } } : {};
const opened = await openCache(realHost(), directory, { ...options, onWarning: (warning) => console.log(warning.code) });
if (!opened.ok) throw new Error('no cache');
const onWait = (other) => console.log('waits for ' + other.pid + ' ' + other.activity);
const taken = await opened.value.lock(name, { directory: '/checkout/' + process.pid, onWait, signal: new AbortController().signal });
if (!taken.ok) throw new Error(taken.failure.code);
const lock = taken.value;
lock.report('booting');
const watcher = watch(until, async () => {
  watcher.close();
  await lock.release();
  console.log('released');
});
console.log('holds');
`;

async function holder(rig: CacheRig, ...more: string[]) {
  const program = await buildProgram(rig.directory, 'holder', HOLDER);
  rig.write('until/x', '');
  return startChild(program, [rig.path('cache'), FINGERPRINT, rig.path('until'), ...more]);
}

test('a second process waits, sees who builds and what it does, and goes on when the first lets go', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  await using child = await holder(rig);
  expect(await child.nextLine()).toBe('holds');

  let taken = false;
  const told: Builder[] = [];
  const heard = new Promise<void>((resolve) => {
    const onWait = (other: Builder) => {
      told.push(other);
      if (other.activity === 'booting') resolve();
    };
    void lockOf(cache, { onWait }).then((lock) => {
      taken = true;
      return lock?.release();
    });
  });
  await heard;
  expect(told.at(-1)).toEqual({
    pid: child.process.pid,
    host: rig.host.hostName,
    directory: `/checkout/${child.process.pid}`,
    activity: 'booting',
  });
  expect(taken).toBe(false);
  const mine = lockOf(cache);
  writeFileSync(rig.path('until/y'), '');
  expect(await child.nextLine()).toBe('released');
  const releasedAtMs = performance.now();
  const lock = await mine;
  expect(performance.now() - releasedAtMs).toBeLessThan(1_000);
  await lock?.release();
  expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
});

test('after kill -9 of the builder the one who waits takes over at once', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  await using child = await holder(rig);
  await child.nextLine();
  let mine: Promise<unknown> = Promise.resolve();
  await new Promise<void>((resolve) => {
    mine = lockOf(cache, { onWait: () => resolve() }).then((lock) => lock?.release());
  });
  const startedAtMs = performance.now();
  child.process.kill('SIGKILL');
  await mine;
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});

test('of many that want the same lock at once, one has it at any time, and all get it', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      const lock = await lockOf(cache);
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
  const lock = await lockOf(await rig.open());
  const other = await lockOf(await rig.open(), {}, fingerprint('b'));
  const far = await lockOf(await elsewhere.open());
  for (const each of [lock, other, far]) await each?.release();
  expect([lock, other, far]).not.toContain(null);
});

test('waiting ends when it is not wanted any more', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const lock = await lockOf(cache);
  const stop = new AbortController();
  expect(await lockOf(cache, { onWait: () => stop.abort(), signal: stop.signal })).toBeNull();
  await lock?.release();
});

test('a builder of another host is waited for while its file changes, and shown', async () => {
  await using rig = cacheRig();
  const cache = await rig.open({ lockLimits: { silentMs: 500 } });
  const foreign = { pid: 7, host: 'far', directory: '/far', activity: 'installing' };
  rig.write(LOCK, recordOf(FAR, foreign));
  let taken = false;
  let told: Builder | null = null;
  const onWait = (other: Builder) => {
    told = other;
  };
  const waiting = lockOf(cache, { onWait }).then((lock) => {
    taken = true;
    return lock;
  });
  for (let beat = 1; beat <= 10; beat++) {
    await rig.host.clock.sleep(100);
    utimesSync(rig.path(LOCK), beat, beat);
  }
  expect(told).toEqual(foreign);
  expect(taken).toBe(false);
  await (await waiting)?.release();
  expect(rig.warnings).toMatchObject([{ code: 'builder-passed-over', why: 'silent', pid: 7 }]);
});

test('a file left by a dead process of this machine is taken over at once', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  rig.write(LOCK, recordOf({ ...rig.host.identity, pid: 2 ** 22 + 1 }));
  let waited = false;
  const lock = await lockOf(cache, { onWait: () => (waited = true) });
  expect(lock).not.toBeNull();
  expect(waited).toBe(false);
  expect(rig.warnings).toEqual([]);
  await lock?.release();
});

test('a number that was given to another process since is no builder', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  rig.write(LOCK, recordOf({ ...rig.host.identity, startedAt: '1' }));
  const lock = await lockOf(cache, { onWait: () => expect.unreachable() });
  await lock?.release();
  expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
});

test('what lives but never renews the file, such as a record that somebody made up, is not waited for without limit', async () => {
  await using rig = cacheRig();
  const cache = await rig.open({ lockLimits: { silentMs: 300 } });
  rig.write(LOCK, recordOf(rig.host.identity));
  const lock = await lockOf(cache);
  await lock?.release();
  expect(rig.warnings).toMatchObject([{ code: 'builder-passed-over', why: 'silent' }]);
});

test('of locks that one process holds in turn, each has a file that says for which directory, and none is left', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const names = ['a', 'b', 'c', 'd'].map(fingerprint);
  // The third is for another directory than those before and after it: what is used again must have the right words.
  for (const [at, directory] of ['/one', '/one', '/other', '/one'].entries()) {
    const name = names[at] as (typeof names)[number];
    const lock = await lockOf(cache, { directory }, name);
    expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([hexOf(name)]);
    const said = JSON.parse(readFileSync(rig.path(`cache/v1/locks/${hexOf(name)}`), 'utf8'));
    expect(said).toEqual({
      builder: { pid: process.pid, host: rig.host.hostName, directory, activity: null },
      owner: rig.host.identity,
    });
    await lock?.release();
  }
  expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
  await cache.close();
  expect(readdirSync(rig.path('cache/v1/tmp'))).toEqual([]);
});

test('the file of a lock can be read by everyone, whatever the umask', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const before = process.umask(0o077);
  try {
    const lock = await lockOf(cache);
    expect(lstatSync(rig.path(LOCK)).mode & 0o777).toBe(0o644);
    lock?.report('booting');
    while (!readFileSync(rig.path(LOCK), 'utf8').includes('booting')) await rig.host.clock.sleep(20);
    expect(lstatSync(rig.path(LOCK)).mode & 0o777).toBe(0o644);
    await lock?.release();
  } finally {
    process.umask(before);
  }
});

describe('what lies where a lock belongs and is none', () => {
  const ODD: { readonly [what: string]: (path: string) => void } = {
    junk: (path) => writeFileSync(path, '{"a":1}'),
    'an empty file': (path) => writeFileSync(path, ''),
    'bytes that are no text': (path) => writeFileSync(path, Buffer.from([0xff, 0, 0xfe, 0x80])),
    'a record with wrong types': (path) => writeFileSync(path, recordOf(FAR).replace('"pid":7', '"pid":"7"')),
    'a number of a process group': (path) => writeFileSync(path, recordOf({ ...FAR, pid: -1 })),
    'a name without end': (path) => writeFileSync(path, recordOf(FAR, { host: 'x'.repeat(10_000) })),
    'a file of the size of a disk': (path) =>
      execFileSync('truncate', ['-s', '8G', path], { stdio: 'ignore' }),
    'junk of the future': (path) => {
      writeFileSync(path, '?');
      utimesSync(path, 32_503_680_000, 32_503_680_000);
    },
    'a directory': (path) => mkdirSync(path),
    'a directory with something in it': (path) => {
      mkdirSync(`${path}/below`, { recursive: true });
      writeFileSync(`${path}/below/x`, '');
    },
    'a link to nowhere': (path) => symlinkSync('/nowhere/x', path),
    'a link to itself': (path) => symlinkSync(path, path),
    'a link to a living record': (path) => {
      writeFileSync(`${path}.elsewhere`, recordOf(FAR));
      symlinkSync(`${path}.elsewhere`, path);
    },
    'a pipe that nobody writes': (path) => void execFileSync('mkfifo', [path]),
    'a device': (path) => void execFileSync('mknod', [path, 'c', '1', '5']),
  };
  test.each(Object.keys(ODD))('%s', async (what) => {
    await using rig = cacheRig();
    const cache = await rig.open();
    mkdirSync(rig.path('cache/v1/locks'), { recursive: true });
    ODD[what]?.(rig.path(LOCK));
    const before = process.cpuUsage();
    const startedAtMs = performance.now();
    const lock = await lockOf(cache, { onWait: () => expect.unreachable() });
    expect(performance.now() - startedAtMs).toBeLessThan(4_000);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(1);
    expect(JSON.parse(readFileSync(rig.path(LOCK), 'utf8')).owner).toEqual(rig.host.identity);
    await lock?.release();
    rmSync(rig.path(`${LOCK}.elsewhere`), { force: true });
    expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
    await cache.close();
    expect(readdirSync(rig.path('cache/v1/tmp'))).toEqual([]);
  });
});

const USERS = [12_001, 12_002] as const;

/** Builds as a user in a cache that both may write. */
const AS_USER = `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
process.umask(0o077);
const [directory, name, hold] = process.argv.slice(2);
process.env.HOME = directory + '/home-' + process.getuid();
// Where their own state goes is told of elsewhere.
const onWarning = (warning) => warning.code === 'private-state-elsewhere' || console.log(JSON.stringify(warning));
const opened = await openCache(realHost(), directory, { onWarning });
const onWait = (other) => console.log('waits for ' + other.pid);
const taken = await opened.value.lock(name, { directory: '/', onWait, signal: new AbortController().signal });
console.log(taken.value === null ? 'stopped' : 'holds');
if (hold) setInterval(() => {}, 1000);
else { await taken.value.release(); await opened.value.close(); console.log('done'); }
`;

describe('two users with umask 077 and one cache', () => {
  test.each([
    ['all of them may remove everything', 0o2777],
    ['everyone may remove his own only', 0o3777],
  ])('where %s: one waits for the other, and goes on when that was killed', async (_, mode) => {
    await using rig = cacheRig();
    chmodSync(rig.directory, 0o755);
    mkdirSync(rig.path('cache'));
    chmodSync(rig.path('cache'), mode);
    const [first, second] = USERS;
    const program = await buildProgram(rig.directory, 'as-user', AS_USER);
    await using holds = startChild(program, [rig.path('cache'), FINGERPRINT, 'hold'], {
      uid: first,
      gid: first,
    });
    expect(await holds.nextLine()).toBe('holds');
    if (mode === 0o3777) chmodSync(rig.path('cache/v1/locks'), mode);
    await using waits = startChild(program, [rig.path('cache'), FINGERPRINT], { uid: second, gid: second });
    expect(await waits.nextLine()).toBe(`waits for ${holds.process.pid}`);
    holds.process.kill('SIGKILL');
    expect(await waits.nextLine()).toBe('holds');
    expect(await waits.nextLine()).toBe('done');
  });

  test('a file that the other may not read makes nobody spin', async () => {
    await using rig = cacheRig();
    chmodSync(rig.directory, 0o755);
    const [first, second] = USERS;
    const file = rig.write(LOCK, recordOf(FAR), 0o600);
    for (const directory of ['cache', 'cache/v1', 'cache/v1/locks']) chmodSync(rig.path(directory), 0o2777);
    chownSync(file, first, first);
    const program = await buildProgram(rig.directory, 'as-user', AS_USER);
    const startedAtMs = performance.now();
    await using other = startChild(program, [rig.path('cache'), FINGERPRINT], { uid: second, gid: second });
    expect(await other.nextLine()).toBe('holds');
    expect(await other.nextLine()).toBe('done');
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  });
});

describe('a builder that stands still', () => {
  const limits = { silentMs: 60_000, stoppedMs: 300 };

  test('is passed over when it is seen to be stopped; when it goes on it leaves the file of the other alone, and says so', async () => {
    await using rig = cacheRig();
    const cache = await rig.open({ lockLimits: limits });
    await using child = await holder(rig);
    expect(await child.nextLine()).toBe('holds');
    child.process.kill('SIGSTOP');
    const lock = await lockOf(cache);
    expect(rig.warnings).toMatchObject([
      { code: 'builder-passed-over', why: 'stopped', pid: child.process.pid },
    ]);
    const mine = readFileSync(rig.path(LOCK), 'utf8');
    expect(JSON.parse(mine).owner).toEqual(rig.host.identity);
    child.process.kill('SIGCONT');
    writeFileSync(rig.path('until/y'), '');
    expect(await child.nextLine()).toBe('lock-lost');
    expect(await child.nextLine()).toBe('released');
    expect(readFileSync(rig.path(LOCK), 'utf8')).toBe(mine);
    await lock?.release();
    expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
  });

  test('is no reason to work in the same directory at the same time: that is a failure which names it', async () => {
    await using rig = cacheRig();
    const cache = await rig.open({ lockLimits: limits });
    await using child = await holder(rig);
    expect(await child.nextLine()).toBe('holds');
    child.process.kill('SIGSTOP');
    const directory = `/checkout/${child.process.pid}`;
    expect(await take(cache, { directory, inPlace: true })).toMatchObject({
      ok: false,
      failure: { code: 'other-builder-stuck', why: 'stopped', pid: child.process.pid, directory },
    });
    expect(JSON.parse(readFileSync(rig.path(LOCK), 'utf8')).builder.pid).toBe(child.process.pid);
  });

  test('goes on being waited for while it renews its file', async () => {
    await using rig = cacheRig();
    const cache = await rig.open({ lockLimits: { silentMs: 1_000, stoppedMs: 300, oddMs: 300 } });
    await using child = await holder(rig, '100');
    expect(await child.nextLine()).toBe('holds');
    const stop = new AbortController();
    const waiting = lockOf(cache, { signal: stop.signal });
    const times = new Set<number>();
    while (times.size < 20) {
      times.add(lstatSync(rig.path(LOCK)).mtimeMs);
      await rig.host.clock.sleep(10);
    }
    stop.abort();
    expect(await waiting).toBeNull();
    expect(rig.warnings).toEqual([]);
  });
});

test('a process that was started by the builder is told so at once instead of waiting for it', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const lock = await lockOf(cache);
  const program = await buildProgram(
    rig.directory,
    'inner',
    `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
const [directory, name] = process.argv.slice(2);
const opened = await openCache(realHost(), directory);
const taken = await opened.value.lock(name, { directory: '/', onWait() {}, signal: new AbortController().signal });
console.log(JSON.stringify(taken));
`,
  );
  const inner = (args: string[], wrapper: string[]) =>
    startChild(program, [rig.path('cache'), ...args], { wrapper });
  await using child = inner([FINGERPRINT], []);
  const failure = { code: 'stage-waits-for-itself', pid: process.pid };
  expect(JSON.parse(await child.nextLine())).toEqual({ ok: false, failure });
  await using deeper = inner([FINGERPRINT], ['setsid', 'sh', '-c', '"$0" "$@"; true']);
  expect(JSON.parse(await deeper.nextLine())).toEqual({ ok: false, failure });
  await using other = inner([fingerprint('b')], []);
  expect(JSON.parse(await other.nextLine())).toMatchObject({ ok: true });
  await lock?.release();
});

test('another network namespace sees the same lock', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const lock = await lockOf(cache);
  const program = await buildProgram(rig.directory, 'holder', HOLDER.replace(/^if \(!taken.*$/m, ''));
  rig.write('until/x', '');
  const outside = startChild(program, [rig.path('cache'), fingerprint('b'), rig.path('until')], {
    wrapper: ['unshare', '-n'],
  });
  await using child = outside;
  expect(await child.nextLine()).toBe('holds');
  let told: Builder | null = null;
  const onWait = (other: Builder) => {
    told = other;
    writeFileSync(rig.path('until/y'), '');
  };
  const theirs = await lockOf(cache, { onWait }, fingerprint('b'));
  expect(told).toMatchObject({ pid: child.process.pid });
  await theirs?.release();
  await lock?.release();
});

test('a builder in a container is waited for while it renews its file, though its process cannot be seen', async () => {
  await using rig = cacheRig();
  const cache = await rig.open({ lockLimits: { silentMs: 1_500 } });
  const program = await buildProgram(rig.directory, 'holder', HOLDER);
  rig.write('until/x', '');
  await using child = startChild(program, [rig.path('cache'), FINGERPRINT, rig.path('until'), '100'], {
    wrapper: ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
  });
  expect(await child.nextLine()).toBe('holds');
  const { realm, pid } = JSON.parse(readFileSync(rig.path(LOCK), 'utf8')).owner;
  expect([pid, realm === rig.host.identity.realm]).toEqual([1, false]);
  let isTaken = false;
  const mine = lockOf(cache).then((lock) => {
    isTaken = true;
    return lock;
  });
  const times = new Set<number>();
  while (times.size < 25) {
    times.add(lstatSync(rig.path(LOCK)).mtimeMs);
    await rig.host.clock.sleep(10);
  }
  expect(isTaken).toBe(false);
  child.process.kill('SIGKILL');
  await (await mine)?.release();
  expect(rig.warnings).toMatchObject([{ code: 'builder-passed-over', why: 'silent' }]);
});

test('what the dead left of stages that nobody builds any more is cleared away by the next run, and nothing else', async () => {
  await using rig = cacheRig();
  const locks = rig.path('cache/v1/locks');
  const names = ['b', 'c', 'd'].map((digit) => hexOf(fingerprint(digit)));
  const [dead, far, alive] = names as [string, string, string];
  rig.write(`cache/v1/locks/${dead}`, recordOf({ ...rig.host.identity, pid: 2 ** 22 + 1 }));
  rig.write(`cache/v1/locks/${far}`, recordOf(FAR));
  rig.write(`cache/v1/locks/${alive}`, recordOf(rig.host.identity));
  // As in a directory of the user's own to which somebody made a link.
  rig.write('cache/v1/locks/thesis', recordOf({ ...rig.host.identity, pid: 2 ** 22 + 1 }));
  const lock = await lockOf(await rig.open());
  expect(readdirSync(locks).sort()).toEqual([hexOf(FINGERPRINT), far, alive, 'thesis'].sort());
  await lock?.release();
});

test('when the whole cache is removed while a lock is held, the lock comes back with the next beat or is let go of quietly', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const lock = await lockOf(cache);
  rmSync(rig.path('cache'), { recursive: true });
  const other = await lockOf(cache, {}, fingerprint('b'));
  expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([hexOf(fingerprint('b'))]);
  await other?.release();
  await lock?.release();
  expect(readdirSync(rig.path('cache/v1/locks'))).toEqual([]);
  onTestFinished(() => expect(rig.warnings.filter(({ code }) => code !== 'lock-lost')).toEqual([]));
});
