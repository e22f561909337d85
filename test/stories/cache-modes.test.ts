/** Stories about caches that are shared with less trust: one that is only read, one that is not used, and one below another. */
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Checkout } from '../support/rig.ts';
import { Rig } from '../support/rig.ts';

const LARGE = 3 * 1024 * 1024;
const FILES = {
  'pipeline.yaml': `bake: 1
name: modes
stages:
  disk:
    run: head -c ${LARGE} /dev/zero | tr '\\0' x > disk
    outputs: { disk: disk }
  pack:
    run: cat \${{ stages.disk.outputs.disk }} in.txt | sha256sum > out.txt
    inputs: [in.txt]
    outputs: { out: out.txt }
`,
  'in.txt': 'one\n',
};

/** Each file below a directory with all that shows a change. */
function snapshot(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => {
      const { mode, size, mtimeMs, ino, uid } = lstatSync(path);
      return [path, mode, size, mtimeMs, ino, uid].join(' ');
    });
}

/** The large blob of a cache. */
function largeBlob(cache: string): string {
  const content = join(cache, 'v1/content-v2');
  const found = readdirSync(content, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .find((path) => lstatSync(path).isFile() && lstatSync(path).size === LARGE);
  if (found === undefined) throw new Error(`no large blob in ${cache}`);
  return found;
}

/** Damages a file and keeps its size and mtime. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  chmodSync(path, 0o444);
}

function made(here: Checkout): string {
  return here.read('out.txt');
}

it('uses results and stores none with --cache-mode read', async () => {
  await using rig = await Rig.make();
  const one = rig.checkout('one', FILES);
  const cache = rig.path('cache');
  await one.run(['--cache-dir', cache]);
  const before = snapshot(join(cache, 'v1'));
  const other = rig.checkout('other', FILES);
  const args = ['--cache-dir', cache, '--cache-mode', 'read'];
  expect((await other.run(args)).outcomes).toEqual({ disk: 'restored', pack: 'restored' });
  other.write({ 'in.txt': 'two\n' });
  const edited = await other.run(args);
  expect(edited.outcomes).toEqual({ disk: 'fresh', pack: 'built' });
  expect(edited.stderr).toBe('');
  expect((await other.run(args)).outcomes).toEqual({ disk: 'fresh', pack: 'fresh' });
  expect(snapshot(join(cache, 'v1'))).toEqual(before);
  // Nothing of what stood in for it is left, and the next run that may store does build.
  const own = join(cache, 'private', String(process.getuid?.() ?? 0));
  expect(readdirSync(join(own, 'stand-ins'))).toEqual([]);
  expect((await other.run(['--cache-dir', cache])).outcomes).toEqual({ disk: 'fresh', pack: 'built' });
});

it('leaves nothing of a run that only read and was killed to the next one that stores', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', FILES);
  await here.run();
  here.write({
    'pipeline.yaml': FILES['pipeline.yaml'].replace('sha256sum', 'sh -c "echo begun >&2; sleep 100"'),
  });
  const { running, run } = here.startRun(['--cache-mode', 'read', '-v']);
  await running.says(/^pack \| begun/m);
  running.kill('SIGKILL');
  await run.catch(() => undefined);
  const standIns = here.path('cache/private', String(process.getuid?.() ?? 0), 'stand-ins');
  expect(readdirSync(standIns)).toHaveLength(1);
  here.write(FILES);
  here.write({ 'in.txt': 'two\n' });
  await here.run();
  expect(readdirSync(standIns)).toEqual([]);
});

it('reads nothing and stores nothing with --cache-mode off', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', FILES);
  await here.run();
  const before = snapshot(here.path('cache/v1'));
  const env = { BAKE_CACHE_MODE: 'off' };
  for (const round of [1, 2]) {
    const run = await here.run([], { env });
    expect(run.outcomes, `round ${round}`).toEqual({ disk: 'built', pack: 'built' });
    expect(run.stages['disk']?.reasons).toEqual(['the cache is not used']);
  }
  expect((await here.bake(['plan'], { env })).stdout).toContain('the cache is not used');
  expect(snapshot(here.path('cache/v1'))).toEqual(before);
  expect((await here.run()).outcomes).toEqual({ disk: 'fresh', pack: 'fresh' });
});

it('looks into the shared cache for what its own does not have, and never changes it', async () => {
  await using rig = await Rig.make();
  const shared = rig.path('shared');
  await rig.checkout('ci', FILES).run(['--cache-dir', shared]);
  const before = snapshot(shared);
  const here = rig.checkout('here', FILES);
  const env = { BAKE_SHARED_CACHE_DIR: shared };
  expect((await here.bake(['plan'], { env })).stdout).toContain('2 hit');
  expect((await here.run([], { env })).outcomes).toEqual({ disk: 'restored', pack: 'restored' });
  expect((await here.run([], { env })).outcomes).toEqual({ disk: 'fresh', pack: 'fresh' });
  here.write({ 'in.txt': 'two\n' });
  expect((await here.run([], { env })).outcomes).toEqual({ disk: 'fresh', pack: 'built' });
  expect(snapshot(shared)).toEqual(before);
  // What is new is in its own cache alone.
  expect((await here.bake(['cache', 'ls', 'disk'])).stdout).toContain('nothing is stored');
  rmSync(here.path('out.txt'));
  expect((await here.run()).outcomes).toMatchObject({ pack: 'restored' });
});

it('does not use what is damaged in a cache that it may not change, and leaves it there', async () => {
  for (const [flag, where] of [
    ['--shared-cache', 'shared'],
    ['--cache-dir', 'read'],
  ] as const) {
    await using rig = await Rig.make();
    const cache = rig.path(where);
    const right = rig.checkout('ci', FILES);
    await right.run(['--cache-dir', cache]);
    damage(largeBlob(cache));
    const before = snapshot(join(cache, 'v1'));
    const here = rig.checkout('here', { ...FILES, 'in.txt': 'one\n' });
    rmSync(join(cache, 'private'), { recursive: true });
    const args = [flag, cache, ...(where === 'read' ? ['--cache-mode', 'read'] : [])];
    here.write({ 'in.txt': 'two\n' });
    const run = await here.run(args);
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.outcomes['pack']).toBe('built');
    expect(run.stdout + run.stderr).toContain('damaged content');
    right.write({ 'in.txt': 'two\n' });
    await right.run(['--cache-mode', 'off']);
    expect(made(here)).toBe(made(right));
    expect(snapshot(join(cache, 'v1'))).toEqual(before);
  }
});

it('takes a sound result of the shared cache in place of a damaged one of its own', async () => {
  await using rig = await Rig.make();
  const shared = rig.path('shared');
  await rig.checkout('ci', FILES).run(['--cache-dir', shared]);
  const here = rig.checkout('here', FILES);
  await here.run();
  damage(largeBlob(here.path('cache')));
  rmSync(here.path('out.txt'));
  here.write({ 'in.txt': 'two\n' });
  const run = await here.run(['--shared-cache', shared]);
  expect(run.code).toBe(0);
  expect(run.outcomes).toMatchObject({ pack: 'built' });
  // Its own copy was put aside; the other one was used, so that nothing had to be built again.
  expect(run.outcomes['disk']).not.toBe('built');
});

it('refuses a mode that is none, and goes on without a shared cache that is not there', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', FILES);
  const odd = await here.bake(['run'], { env: { BAKE_CACHE_MODE: 'none' } });
  expect(odd.code).toBe(2);
  expect(odd.stderr).toContain('`BAKE_CACHE_MODE`');
  const run = await here.run(['--shared-cache', 'not/there']);
  expect(run.outcomes).toEqual({ disk: 'built', pack: 'built' });
  expect(run.stdout + run.stderr).toContain('not/there cannot be used');
  const same = await here.run(['--shared-cache', 'cache']);
  expect(same.stderr + same.stdout).not.toContain('cannot be used');
});

it('pours no damaged output into a pipe', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', FILES);
  await here.run();
  damage(largeBlob(here.path('cache')));
  const got = await here.bake(['get', 'disk', '--to', '-']);
  expect(got.code).not.toBe(0);
  expect(got.stdout).toBe('');
});
