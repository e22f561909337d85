/** What the local cache does when the disk, other programs or other users are against it: nothing wrong is ever given out. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import { openCache } from '../../src/cache/local.ts';
import { without } from '../support/without.ts';
import { cacheRig, failingOnce, fingerprint, must, resultOf } from './cache-rig.ts';
import { buildProgram, startChild } from './child-program.ts';

const BIG = 3 * 1024 * 1024;
/** Too large to be copied into a workspace. */
const LINKED = 17 * 1024 * 1024;
const never = new AbortController().signal;

/** Writes into a file without changing its length, as a stage with root's rights can through a hard link. */
function damage(path: string): void {
  chmodSync(path, 0o644);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  chmodSync(path, 0o444);
}

test.each([
  ['small', 100],
  ['large', BIG],
])('a %s damaged blob is put aside, its results are dropped, and it is never restored', async (_, size) => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(size, 5))));
  const other = must(await cache.blobs.adopt(rig.write('other', 'other')));
  must(await cache.actions.put(resultOf(fingerprint('a'), [content])));
  must(await cache.actions.put(resultOf(fingerprint('b'), [other])));
  damage(cache.blobs.pathOf(content.digest));
  const later = await rig.open();
  for (const mode of ['private', 'shared'] as const) {
    expect(await later.restore(content, rig.path('out'), mode)).toEqual({
      ok: false,
      failure: { code: 'blob-missing', digest: content.digest },
    });
  }
  expect(existsSync(rig.path('out'))).toBe(false);
  expect(await later.actions.get(fingerprint('a'))).toBeNull();
  expect(await later.actions.get(fingerprint('b'))).not.toBeNull();
  expect(rig.warnings).toMatchObject([{ code: 'cache-corrupt', digest: content.digest, dropped: ['disk'] }]);
  expect(readdirSync(rig.path('cache/v1/quarantine'))).toHaveLength(1);
});

test.each([
  ['small', 100],
  ['large', BIG],
])('a %s blob that cannot be looked at once is missing then, and no damage', async (_, size) => {
  await using rig = cacheRig();
  const first = await rig.open();
  const content = must(await first.blobs.adopt(rig.write('disk', Buffer.alloc(size, 5))));
  must(await first.actions.put(resultOf(fingerprint('a'), [content])));
  await first.close();
  const blob = new RegExp(`${first.blobs.pathOf(content.digest)}$`);
  const cache = must(
    await openCache(failingOnce(rig.host, 'stamp', blob), rig.path('cache'), {
      onWarning: (warning) => rig.warnings.push(warning),
      temporaryDirectory: rig.directory,
    }),
  );
  expect((await cache.restore(content, rig.path('out'), 'private')).ok).toBe(false);
  expect(rig.warnings).toEqual([]);
  must(await cache.restore(content, rig.path('out'), 'private'));
  expect(await cache.actions.get(fingerprint('a'))).not.toBeNull();
  await cache.close();
});

test('a blob that was cut short is damaged too', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(BIG, 5))));
  const result = resultOf(fingerprint('a'), [content]);
  const path = cache.blobs.pathOf(content.digest);
  chmodSync(path, 0o644);
  truncateSync(path, BIG - 1);
  expect(await cache.isComplete(result)).toBe(false);
  expect(await cache.restore(content, rig.path('out'), 'private')).toMatchObject({ ok: false });
});

test('a stage that writes to a shared input through the link is found out', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const contents = [];
  for (const [name, size] of [
    ['small', 10],
    ['large', LINKED],
    ['untouched', LINKED + 1],
  ] as const)
    contents.push(must(await cache.blobs.adopt(rig.write(name, Buffer.alloc(size, name)))));
  const [small, large] = contents;
  for (const [at, content] of contents.entries())
    must(await cache.restore(content, rig.path(`work/${at}`), 'shared'));
  expect(await cache.damagedAmong(contents)).toEqual([]);
  // Where restoring shares the blocks instead of the inode, nothing can go wrong.
  if (lstatSync(rig.path('work/0')).nlink === 1) return;
  damage(rig.path('work/0'));
  damage(rig.path('work/1'));
  expect(await cache.damagedAmong(contents)).toEqual([small?.digest, large?.digest]);
  expect(await cache.blobs.has(large!.digest, LINKED)).toBe(false);
});

test('a large blob that may not have reached the disk before the machine stopped is hashed before it is used', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(BIG, 5))));
  // Damaged as by a power cut: the times are right, the bytes are not.
  const path = cache.blobs.pathOf(content.digest);
  const { mtimeMs } = lstatSync(path);
  damage(path);
  utimesSync(path, mtimeMs / 1000, mtimeMs / 1000);
  const { openCache } = await import('../../src/cache/local.ts');
  const rebooted = { ...rig.host, bootId: 'another' };
  const later = must(await openCache(rebooted, rig.path('cache')));
  expect(await later.restore(content, rig.path('out'), 'private')).toMatchObject({ ok: false });
  await later.close();
});

test('a cache that was copied without its times still hits, and what was damaged on the way does not', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const good = must(await cache.blobs.adopt(rig.write('good', Buffer.alloc(BIG, 5))));
  const bad = must(await cache.blobs.adopt(rig.write('bad', Buffer.alloc(BIG, 6))));
  must(await cache.actions.put(resultOf(fingerprint('a'), [good])));
  execFileSync('cp', ['-r', rig.path('cache'), rig.path('moved')]);
  const { openCache } = await import('../../src/cache/local.ts');
  const moved = must(await openCache(rig.host, rig.path('moved')));
  damage(moved.blobs.pathOf(bad.digest));
  expect(await moved.actions.get(fingerprint('a'))).not.toBeNull();
  must(await moved.restore(good, rig.path('out'), 'private'));
  expect(await moved.restore(bad, rig.path('out2'), 'private')).toMatchObject({ ok: false });
  await moved.close();
});

test.each(['torn', 'empty', 'garbage'])(
  'a %s index entry or result is a miss, and can be stored anew',
  async (how) => {
    await using rig = cacheRig();
    const cache = await rig.open();
    const result = resultOf(fingerprint('a'), []);
    must(await cache.actions.put(result));
    for (const { path, type } of rig.host.files.walk(rig.path('cache/v1/index-v5')).entries) {
      if (type !== 'file') continue;
      const file = rig.path(`cache/v1/index-v5/${path}`);
      const text = readFileSync(file, 'utf8');
      writeFileSync(
        file,
        how === 'torn' ? text.slice(0, -20) : how === 'empty' ? '' : '\0'.repeat(text.length),
      );
    }
    expect(await cache.actions.get(fingerprint('a'))).toBeNull();
    must(await cache.actions.put(result));
    expect(await cache.actions.get(fingerprint('a'))).toEqual(result);
  },
);

test('a result whose own bytes were damaged is a miss', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  must(await cache.actions.put(resultOf(fingerprint('a'), [])));
  for (const { path, type } of rig.host.files.walk(rig.path('cache/v1/content-v2')).entries)
    if (type === 'file') damage(rig.path(`cache/v1/content-v2/${path}`));
  expect(await cache.actions.get(fingerprint('a'))).toBeNull();
  expect(await cache.actions.get(fingerprint('a'))).toBeNull();
});

test('opening and looking touches nothing', async () => {
  await using rig = cacheRig();
  const cache = await rig.open({ lookOnly: true });
  expect(await cache.actions.get(fingerprint('a'))).toBeNull();
  must(await cache.digestOf(rig.write('file', 'x')));
  await cache.close();
  expect(existsSync(rig.path('cache'))).toBe(false);
});

test('a cache directory that is a file is a failure', async () => {
  await using rig = cacheRig();
  rig.write('cache', '');
  const { openCache } = await import('../../src/cache/local.ts');
  expect(await openCache(rig.host, rig.path('cache'))).toMatchObject({
    ok: false,
    failure: { code: 'cache-unusable' },
  });
});

test.skipIf(without.root)(
  'on a full disk the run goes on with one warning, and nothing wrong is stored (needs root to mount)',
  async () => {
    await using rig = cacheRig('small/cache');
    mkdirSync(rig.path('small'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', rig.path('small')]);
    try {
      const cache = await rig.open();
      const first = must(await cache.blobs.adopt(rig.write('first', Buffer.alloc(BIG, 1))));
      must(await cache.actions.put(resultOf(fingerprint('a'), [first])));
      const second = must(await cache.blobs.adopt(rig.write('second', Buffer.alloc(BIG, 2))));
      must(await cache.actions.put(resultOf(fingerprint('b'), [second])));
      expect(rig.warnings).toMatchObject([{ code: 'cache-not-writable', errno: 'ENOSPC' }]);
      for (const [content, byte] of [
        [first, 1],
        [second, 2],
      ] as const) {
        must(await cache.restore(content, rig.path('out'), 'private'));
        expect(readFileSync(rig.path('out')).equals(Buffer.alloc(BIG, byte))).toBe(true);
      }
      const result = await cache.actions.get(fingerprint('b'));
      expect(result && (await cache.isComplete(result))).toBe(true);
      await cache.close();
      const later = await rig.open();
      expect(await later.actions.get(fingerprint('a'))).not.toBeNull();
      expect(await later.actions.get(fingerprint('b'))).toBeNull();
      await later.close();
      expect(readdirSync(rig.directory).filter((name) => name.startsWith('bake-cache-'))).toEqual([]);
    } finally {
      execFileSync('umount', [rig.path('small')]);
    }
  },
);

test('where the system does not tell its boot, a large blob is flushed at once and trusted afterwards', async () => {
  await using rig = cacheRig();
  const { openCache } = await import('../../src/cache/local.ts');
  const flushed: string[] = [];
  const flush = (path: string) => {
    flushed.push(path);
    return rig.host.files.flush(path);
  };
  const host = { ...rig.host, bootId: '', files: { ...rig.host.files, flush } };
  const cache = must(await openCache(host, rig.path('cache')));
  const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(BIG, 5))));
  expect(flushed).toEqual([cache.blobs.pathOf(content.digest)]);
  must(await cache.restore(content, rig.path('out'), 'private'));
  await cache.close();
});

const REBUILDER = `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
const [directory, temporaryDirectory, result] = process.argv.slice(2);
const host = realHost();
const cache = (await openCache(host, directory, { temporaryDirectory })).value;
const stored = JSON.parse(result);
const content = stored.artifacts[0].content;
const before = await cache.restore(content, temporaryDirectory + '/out', 'private');
const workspace = (await cache.makeWorkspace()).value;
await host.files.writeFile(workspace.path + '/disk', Buffer.alloc(content.sizeBytes, 5));
const again = await cache.blobs.adopt(workspace.path + '/disk');
await cache.actions.put({ ...stored, durationMs: 7 });
const after = await cache.restore(again.value, temporaryDirectory + '/out', 'private');
console.log(JSON.stringify({ before: before.ok, after: after.ok, durationMs: (await cache.actions.get(stored.fingerprint)).durationMs }));
await cache.close();
`;

test.skipIf(without.root)(
  'what is damaged in a cache that cannot be written is built again for this run (needs root to be another user)',
  async () => {
    await using rig = cacheRig();
    const cache = await rig.open();
    const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(BIG, 5))));
    const result = resultOf(fingerprint('a'), [content]);
    must(await cache.actions.put(result));
    damage(cache.blobs.pathOf(content.digest));
    chmodSync(rig.directory, 0o755);
    mkdirSync(rig.path('home'));
    chownSync(rig.path('home'), 65534, 65534);
    const program = await buildProgram(rig.directory, 'rebuilder', REBUILDER);
    const args = [rig.path('cache'), rig.path('home'), JSON.stringify(result)];
    await using child = startChild(program, args, { uid: 65534, gid: 65534 });
    expect(JSON.parse(await child.nextLine())).toEqual({ before: false, after: true, durationMs: 7 });
  },
);

const READER = `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
import { readFileSync } from 'node:fs';
const [directory, temporaryDirectory, fingerprint, to] = process.argv.slice(2);
process.umask(0o077);
process.env.HOME = temporaryDirectory;
const host = realHost();
const warnings = [];
const opened = await openCache(host, directory, { temporaryDirectory, onWarning: (warning) => warnings.push(warning.code) });
if (!opened.ok) throw new Error('no cache');
const cache = opened.value;
const found = await cache.actions.get(fingerprint);
const restored = found && (await cache.isComplete(found)) && (await cache.restore(found.artifacts[0].content, to, process.argv[6])).ok;
const workspace = await cache.makeWorkspace();
const written = workspace.ok && (await host.files.writeFile(workspace.value.path + '/x', 'mine ' + process.getuid())).ok;
const adopted = written ? await cache.blobs.adopt(workspace.value.path + '/x') : null;
const own = JSON.parse(process.argv[7]);
const kept = adopted?.ok ? await cache.actions.put({ ...own, artifacts: [{ name: 'x', path: 'x', content: adopted.value }] }) : null;
await cache.close();
console.log(JSON.stringify({ restored, bytes: restored ? readFileSync(to).length : null, kept: kept?.ok ?? false, warnings }));
`;

test.skipIf(without.root)(
  'another user reads a cache that it cannot write, with one warning (needs root to become one)',
  async () => {
    await using rig = cacheRig();
    const cache = await rig.open();
    const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(BIG, 5))));
    must(await cache.actions.put(resultOf(fingerprint('a'), [content])));
    chmodSync(rig.directory, 0o755);
    mkdirSync(rig.path('home'));
    chownSync(rig.path('home'), 65534, 65534);
    const program = await buildProgram(rig.directory, 'reader', READER);
    for (const mode of ['private', 'shared']) {
      const args = [
        rig.path('cache'),
        rig.path('home'),
        fingerprint('a'),
        rig.path(`home/${mode}`),
        mode,
        JSON.stringify(resultOf(fingerprint('1'), [])),
      ];
      await using child = startChild(program, args, { uid: 65534, gid: 65534 });
      expect(JSON.parse(await child.nextLine())).toEqual({
        restored: true,
        bytes: BIG,
        kept: true,
        warnings: [...(mode === 'private' ? ['private-state-elsewhere'] : []), 'cache-not-writable'],
      });
      expect(await child.ended).toBe(0);
    }
    expect(readdirSync(rig.path('home')).sort()).toEqual(['.local', 'private', 'shared']);
  },
);

test.skipIf(without.root)(
  'two users of one group share a cache, whatever their umask (needs root to become them)',
  async () => {
    await using rig = cacheRig();
    mkdirSync(rig.path('cache'));
    chownSync(rig.path('cache'), 0, 60_000);
    chmodSync(rig.path('cache'), 0o2775);
    chmodSync(rig.directory, 0o777);
    const cache = await rig.open();
    const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(BIG, 5))));
    must(await cache.actions.put(resultOf(fingerprint('a'), [content])));
    await cache.close();
    const program = await buildProgram(rig.directory, 'reader', READER);
    for (const [uid, digit, source] of [
      [60_001, '1', 'a'],
      [60_002, '2', 'a'],
      [60_001, '2', 'a'],
    ] as const) {
      const to = rig.path(`out-${uid}-${digit}`);
      const args = [
        rig.path('cache'),
        rig.directory,
        fingerprint(source),
        to,
        'shared',
        JSON.stringify(resultOf(fingerprint(digit), [])),
      ];
      await using child = startChild(program, args, { uid, gid: 60_000 });
      expect(JSON.parse(await child.nextLine())).toEqual({
        restored: true,
        bytes: BIG,
        kept: true,
        warnings: [],
      });
      expect(await child.ended).toBe(0);
    }
    for (const { path, type } of rig.host.files.walk(rig.path('cache/v1')).entries)
      if (type === 'directory')
        expect([path, lstatSync(rig.path(`cache/v1/${path}`)).mode & 0o2070]).toEqual([path, 0o2070]);
  },
);

const WRITER = `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
const host = realHost();
const opened = await openCache(host, process.argv[2]);
const cache = opened.value;
const workspace = (await cache.makeWorkspace()).value;
await host.processes.start('sleep', ['1000'], { cwd: '/', env: { PATH: process.env.PATH } });
await cache.lock('sha256:' + 'a'.repeat(64), { directory: '/', onWait() {}, signal: new AbortController().signal });
console.log(JSON.stringify({ workspace: workspace.path }));
for (let round = 0; ; round += 1) {
  const bytes = Buffer.alloc(8 * 1024 * 1024, round);
  await host.files.writeFile(workspace.path + '/disk', bytes);
  await host.files.makeDirectory(workspace.path + '/tree/deep');
  await host.files.writeFile(workspace.path + '/tree/deep/small', 'round ' + round);
  const contents = [];
  for (const name of ['disk', 'tree']) contents.push((await cache.blobs.adopt(workspace.path + '/' + name)).value);
  const result = JSON.parse(process.argv[3])[round];
  if (result !== undefined) await cache.actions.put({ ...result, artifacts: contents.map((content, at) => ({ name: 'o' + at, path: 'o' + at, content })) });
  if (round === 2) console.log('going');
}
`;

test('after kill -9 in the middle of storing, every result there is whole, and the next run clears up', async () => {
  await using rig = cacheRig();
  const program = await buildProgram(rig.directory, 'writer', WRITER);
  const rounds = Array.from({ length: 200 }, (_, round) => resultOf(fingerprint(String(round)), []));
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await using child = startChild(program, [rig.path('cache'), JSON.stringify(rounds)]);
    const { workspace } = JSON.parse(await child.nextLine()) as { workspace: string };
    await child.nextLine();
    // Another moment in each attempt, spread over one round.
    const until = performance.now() + attempt * 7;
    while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
    child.process.kill('SIGKILL');
    await child.ended;
    expect(existsSync(workspace)).toBe(true);

    const cache = await rig.open();
    let found = 0;
    for (const [round, { fingerprint: of }] of rounds.entries()) {
      const result = await cache.actions.get(of);
      if (result === null) break;
      found += 1;
      expect(await cache.isComplete(result)).toBe(true);
      const restored = await cache.restore(result.artifacts[0]!.content, rig.path('out'), 'private');
      expect(restored.ok).toBe(true);
      expect(readFileSync(rig.path('out')).equals(Buffer.alloc(8 * 1024 * 1024, round))).toBe(true);
      if (round > 4) break;
    }
    expect(found).toBeGreaterThan(2);
    // The lock of the dead is free, its workspace is cleared away by the first workspace of a later run.
    const lock = must(
      await cache.lock(fingerprint('a'), { directory: '/', onWait: () => undefined, signal: never }),
    );
    await lock?.release();
    must(await cache.makeWorkspace());
    expect(existsSync(workspace)).toBe(false);
    expect(rig.warnings).toEqual([]);
    await cache.close();
  }
});
