/** Stories about where words go: streams that refuse them, and a great many of them. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';

const SMALL = `bake: 1
name: small
stages:
  a: { run: "echo hi > o; echo said", outputs: { o: o } }
`;

/** The program with its streams where a shell puts them. */
function shell(here: Checkout, command: string, env: Readonly<Record<string, string>> = {}) {
  const program = process.env['BAKE_TEST_PROGRAM'];
  if (program === undefined) throw new Error('no program: the global setup makes it');
  const bake = `'${process.execPath}' '${program}'`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command.replaceAll('BAKE', bake)], {
    cwd: here.directory,
    env: { PATH: process.env['PATH'] ?? '', HOME: here.directory, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

const LOST = /^bake: standard output could not be written \(ENOSPC\)[^\n]*\n$/;

describe('standard output that refuses (a full disk)', () => {
  it.each([
    ['plain', 'run'],
    ['plain, with all lines', 'run -v'],
    ['JSON', 'run --reporter json'],
  ])('ends no build: %s', async (_, args) => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': SMALL });
    const ended = shell(here, `BAKE ${args} > /dev/full`);
    expect(ended.stderr).toMatch(LOST);
    expect(ended.status).toBe(3);
    expect(here.read('o')).toBe('hi\n');
    expect((await here.run()).outcomes).toEqual({ a: 'fresh' });
  });

  it('is told of by what only looks as well, and by a run with nothing to do', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': SMALL });
    await here.run();
    for (const args of ['run', 'plan', 'log a', 'log a --raw', 'get a --to -', '--version', 'help']) {
      const ended = shell(here, `BAKE ${args} > /dev/full`);
      expect([args, ended.status]).toEqual([args, 3]);
      expect(ended.stderr).toMatch(LOST);
    }
  });

  it('hides no failure of the build itself', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': SMALL.replace('echo said', 'exit 4') });
    expect(shell(here, 'BAKE run > /dev/full').status).toBe(1);
  });
});

it('needs no stream at all: both closed, both full, a reader that goes away', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': SMALL });
  for (const command of [
    'BAKE run >&- 2>&-',
    'BAKE run -v 2> /dev/full',
    'BAKE run -v | true',
    'BAKE run | head -c 1',
  ]) {
    rmSync(here.path('o'), { force: true });
    rmSync(here.path('cache'), { recursive: true, force: true });
    const ended = shell(here, `set -o pipefail; ${command}`);
    expect([command, ended.status, ended.stderr]).toEqual([command, 0, '']);
    expect(here.read('o')).toBe('hi\n');
  }
  expect(shell(here, 'BAKE run --force > /dev/full 2>&1').status).toBe(3);
});

it('keeps and shows the log of a stage that says more than is stored in one go', async () => {
  await using rig = await Rig.make();
  const pipeline = `bake: 1
name: loud
stages:
  a: { run: "seq 1 400000; printf 'no end'; echo hi > o", outputs: { o: o } }
`;
  const env = { BAKE_CACHE_DIR: rig.path('shared') };
  const here = rig.checkout('here', { 'pipeline.yaml': pipeline });
  expect((await here.run([], { env })).outcomes).toEqual({ a: 'built' });
  const numbers = Array.from({ length: 400_000 }, (_, at) => `${at + 1}\n`).join('');
  const digest = (text: string) => createHash('sha256').update(text).digest('hex');
  const said = digest(`${numbers}no end\n`);
  expect(digest((await here.bake(['log', 'a'], { env })).stdout)).toBe(said);
  const there = rig.checkout('there', { 'pipeline.yaml': pipeline });
  expect((await there.run([], { env })).outcomes).toEqual({ a: 'restored' });
  expect(digest((await there.bake(['log', 'a'], { env })).stdout)).toBe(said);
  expect(digest((await there.bake(['log', 'a', '--raw'], { env })).stdout)).toBe(said);
});
