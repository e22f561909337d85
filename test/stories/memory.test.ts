/** Stories about what bake remembers: what is not run again, and what is said about it. */
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { without } from '../support/without.ts';

const TWO = {
  'pipeline.yaml': `bake: 1
name: two
stages:
  one:
    run: cat in/*.txt > all.txt
    inputs: ["in/**"]
    outputs: { text: all.txt }
  two:
    run: tr a-z A-Z < \${{ stages.one.outputs.text }} > dist/loud.txt
    outputs: { text: dist/loud.txt }
`,
  'in/a.txt': 'a\n',
  'in/b.txt': 'b\n',
};

it('builds once; the second run is fresh and executes nothing', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  expect((await here.run()).outcomes).toEqual({ one: 'built', two: 'built' });
  expect(here.read('dist/loud.txt')).toBe('A\nB\n');
  const again = await here.run();
  expect(again.outcomes).toEqual({ one: 'fresh', two: 'fresh' });
  expect(again.code).toBe(0);
  const brief = await here.bake(['run']);
  expect(brief.stdout).toMatch(/^nothing to do: 2 stages fresh/);
});

it('is not misled by times: touched files, a copy elsewhere, a move', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  const first = await here.run();
  for (const file of ['pipeline.yaml', 'in/a.txt', 'in/b.txt', 'dist/loud.txt'])
    utimesSync(here.path(file), new Date(), new Date());
  expect((await here.run()).outcomes).toEqual({ one: 'fresh', two: 'fresh' });
  cpSync(here.directory, rig.path('copy'), { recursive: true });
  const copied = await rig.checkout('copy').run();
  expect(Object.values(copied.outcomes)).not.toContain('built');
  renameSync(here.directory, rig.path('moved'));
  const moved = await rig.checkout('moved').run();
  expect(Object.values(moved.outcomes)).not.toContain('built');
  expect(moved.stages['two']?.fingerprint).toBe(first.stages['two']?.fingerprint);
});

it('puts a deleted output back from the cache, byte for byte, and only that', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  await here.run();
  rmSync(here.path('dist'), { recursive: true });
  const again = await here.run();
  expect(again.outcomes).toEqual({ one: 'fresh', two: 'restored' });
  expect(again.stages['two']?.reasons).toEqual(['dist/loud.txt was missing']);
  expect(here.read('dist/loud.txt')).toBe('A\nB\n');
});

it('puts the right bytes back over an output that somebody edited', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  await here.run();
  here.write({ 'dist/loud.txt': 'mine' });
  const again = await here.run();
  expect(again.outcomes['two']).toBe('restored');
  expect(again.stages['two']?.reasons.join()).toContain('dist/loud.txt was changed');
  expect(here.read('dist/loud.txt')).toBe('A\nB\n');
  // What the user edited was a file of its own: the cache was not written to.
  rmSync(here.path('dist'), { recursive: true });
  await here.run();
  expect(here.read('dist/loud.txt')).toBe('A\nB\n');
});

it('names what changed before and after; a revert builds nothing', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  await here.run();
  here.write({ 'in/b.txt': 'c\n', 'in/d.txt': 'd\n' });
  const plan = JSON.parse((await here.bake(['plan', '--json'])).stdout) as {
    stages: { name: string; status: string; reasons: string[] }[];
  };
  expect(plan.stages.map(({ status }) => status)).toEqual(['run', 'unknown']);
  expect(plan.stages[0]?.reasons).toEqual([
    expect.stringMatching(/^input in\/b\.txt changed \([0-9a-f]{8} → [0-9a-f]{8}\)$/),
    'input in/d.txt is new',
  ]);
  const explained = JSON.parse((await here.bake(['explain', 'one', '--json'])).stdout) as {
    changes: { field: string }[];
  };
  expect(explained.changes.map(({ field }) => field)).toEqual(['inputs.in/b.txt', 'inputs.in/d.txt']);
  const edited = await here.run();
  expect(edited.outcomes).toEqual({ one: 'built', two: 'built' });
  expect(edited.stages['one']?.reasons).toEqual(plan.stages[0]?.reasons);
  here.write({ 'in/b.txt': 'b\n' });
  rmSync(here.path('in/d.txt'));
  expect((await here.run()).outcomes).toEqual({ one: 'restored', two: 'restored' });
  expect(here.read('dist/loud.txt')).toBe('A\nB\n');
});

it('stops early when a stage yields the bytes of before', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  await here.run();
  here.write({
    'pipeline.yaml': TWO['pipeline.yaml'].replace('cat in', ':; cat in'),
  });
  expect((await here.run()).outcomes).toEqual({ one: 'built', two: 'fresh' });
});

it('gives the same fingerprints to every time zone, locale, umask, user and directory', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  const there = rig.checkout('some where/else', TWO);
  const env = { BAKE_CACHE_DIR: rig.path('shared') };
  const first = await here.run([], { env });
  const foreign = { ...env, TZ: 'Asia/Tokyo', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', USER: 'somebody' };
  const second = await there.run([], { env: foreign });
  expect(second.outcomes).toEqual({ one: 'restored', two: 'restored' });
  expect(second.stages['two']?.fingerprint).toBe(first.stages['two']?.fingerprint);
  expect(there.read('dist/loud.txt')).toBe('A\nB\n');
  const packer = rig.checkout('third', TWO);
  const third = await packer.run([], { env: { PACKER_CACHE_DIR: rig.path('shared') } });
  expect(third.outcomes).toEqual({ one: 'restored', two: 'restored' });
});

it.skipIf(without.root)('serves another user out of the same cache', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  const there = rig.checkout('there', TWO);
  const env = { BAKE_CACHE_DIR: rig.path('shared') };
  await here.run([], { env });
  execFileSync('chown', ['-R', '12345:12345', there.directory]);
  const other = await there.run([], { env, uid: 12345 });
  expect(other.stderr + other.stdout).not.toContain('bug');
  expect(other.outcomes).toEqual({ one: 'restored', two: 'restored' });
});

it('needs nothing of the files in between when the last one is in the cache', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  const first = await here.run();
  const hex = first.stages['one']?.outputs[0]?.digest.slice('sha256:'.length) ?? '';
  const blob = `cache/v1/content-v2/sha256/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}`;
  expect(here.has(blob)).toBe(true);
  rmSync(here.path(blob));
  rmSync(here.path('dist'), { recursive: true });
  expect((await here.run()).outcomes).toEqual({ one: 'fresh', two: 'restored' });
  // Once they are needed, they are made anew.
  here.write({ 'pipeline.yaml': TWO['pipeline.yaml'].replace('tr a-z', 'tr  a-z') });
  const plan = await here.bake(['plan', '--json']);
  expect(plan.stdout).toContain('no longer whole in the cache');
  const again = await here.run();
  expect(again.outcomes).toEqual({ one: 'built', two: 'built' });
  expect(again.stages['one']?.reasons).toEqual(['its result is no longer whole in the cache']);
});

it('sees an edit of the pipeline, of a variable file, and a new variable, also when nothing else changed', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: vars
vars: { word: one }
stages:
  a: { run: "echo \${{ vars.word }} > word", outputs: { word: word } }
`,
    'vars.yaml': 'word: two\n',
  });
  const says = async (args: readonly string[], env = {}) => {
    const old = new Date(Date.now() - 60_000);
    for (const file of ['pipeline.yaml', 'vars.yaml']) utimesSync(here.path(file), old, old);
    // Three times: the second may take the quick way, the third must.
    for (const _ of [1, 2, 3]) await here.bake(['run', ...args], { env });
    return here.read('word').trim();
  };
  expect(await says([])).toBe('one');
  expect(await says(['--var-file', 'vars.yaml'])).toBe('two');
  here.write({ 'vars.yaml': 'word: six\n' });
  expect(await says(['--var-file', 'vars.yaml'])).toBe('six');
  expect(await says([], { BAKE_VAR_word: 'env' })).toBe('env');
  expect(await says(['--var', 'word=arg'])).toBe('arg');
  here.write({ 'pipeline.yaml': here.read('pipeline.yaml').replace('word: one', 'word: ten') });
  expect(await says([])).toBe('ten');
});

it('notices an edit wherever it is called from, and however long the path of the pipeline is', async () => {
  await using rig = await Rig.make();
  const old = new Date(Date.now() - 60_000);
  const say = 'bake: 1\nname: say\nstages:\n  say: { run: cp in out, inputs: [in], outputs: { o: out } }\n';
  const long = `${'ä'.repeat(60)}/${'deep/'.repeat(20)}end`;
  for (const name of ['short', long]) {
    const here = rig.checkout(name, { 'pipeline.yaml': say, in: 'one' });
    // Has files of the same names: whoever looks from the wrong directory finds these.
    const elsewhere = rig.checkout(`elsewhere-${name.length}`, { 'pipeline.yaml': say, in: 'one' });
    const ways = [
      () => here.bake(['run']),
      () => elsewhere.bake(['-C', here.directory, 'run']),
      () => elsewhere.bake(['run', here.path('pipeline.yaml')]),
    ];
    for (const [edition, way] of ways.entries()) {
      here.write({ in: `edition ${edition}` });
      for (const file of ['pipeline.yaml', 'in', '.']) utimesSync(here.path(file), old, old);
      await way();
      expect(here.read('out')).toBe(`edition ${edition}`);
      for (const same of [way, way]) expect((await same()).stdout).toMatch(/^nothing to do/);
    }
  }
});

it('loads next to nothing when there is nothing to do', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  const old = new Date(Date.now() - 60_000);
  for (const file of ['pipeline.yaml', 'in/a.txt', 'in/b.txt', 'in']) utimesSync(here.path(file), old, old);
  await here.bake(['run']);
  await here.bake(['run']);
  const coverage = rig.path('coverage');
  const quick = await here.bake(['run'], { env: { NODE_V8_COVERAGE: coverage } });
  expect(quick.stdout).toMatch(/^nothing to do: 2 stages fresh/);
  const [report, ...others] = readdirSync(coverage);
  // One process: no tool was asked, no watchdog started.
  expect(others).toEqual([]);
  const { result } = JSON.parse(readFileSync(join(coverage, report as string), 'utf8')) as {
    result: { url: string }[];
  };
  const loaded = result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
  expect(loaded.filter((url) => /whole|wiring|live|zod|parse|p-graph/.test(url))).toEqual([]);
  expect(loaded.length).toBeLessThan(25);
});

it('forces what it is told to force', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  await here.run();
  const one = await here.run(['--force=two']);
  expect(one.outcomes).toEqual({ one: 'fresh', two: 'built' });
  expect(one.stages['two']?.reasons).toEqual(['forced']);
  expect((await here.run(['--force'])).outcomes).toEqual({ one: 'built', two: 'built' });
  expect((await here.run(['--force=one,two'])).outcomes).toEqual({ one: 'built', two: 'built' });
  const unknown = await here.bake(['run', '--force=tow']);
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('tow') });
});

it('replays the log of a cached result, and gets any output out of the cache', async () => {
  await using rig = await Rig.make();
  const files = { ...TWO, 'pipeline.yaml': TWO['pipeline.yaml'].replace('cat in', 'echo heard; cat in') };
  const here = rig.checkout('here', files);
  const there = rig.checkout('there', files);
  const env = { BAKE_CACHE_DIR: rig.path('shared') };
  await here.run([], { env });
  expect((await here.bake(['log', 'one'], { env })).stdout).toBe('heard\n');
  await there.run([], { env });
  expect((await there.bake(['log', 'one'], { env })).stdout).toBe('heard\n');
  expect((await there.bake(['get', 'one.text', '--to', '-'], { env })).stdout).toBe('a\nb\n');
  await there.bake(['get', 'one', '--to', 'elsewhere/'], { env });
  expect(there.read('elsewhere/all.txt')).toBe('a\nb\n');
  const wrong = await there.bake(['get', 'one.nothing'], { env });
  expect(wrong.code).not.toBe(0);
  expect(wrong.stderr).toContain('its outputs: text');
});

it('plans and explains without touching the disk', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  const before = execFileSync('find', [here.directory, '-printf', '%p %T@ %C@\n']).toString();
  const planned = await here.bake(['plan']);
  const explained = await here.bake(['explain', 'two']);
  expect([planned.code, explained.code]).toEqual([0, 0]);
  expect(execFileSync('find', [here.directory, '-printf', '%p %T@ %C@\n']).toString()).toBe(before);
});

it('notices that results were removed from the cache', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', TWO);
  await here.run();
  const old = new Date(Date.now() - 60_000);
  for (const file of ['pipeline.yaml', 'in/a.txt', 'in/b.txt', 'in', '.'])
    utimesSync(here.path(file), old, old);
  await here.run();
  expect((await here.bake(['run'])).stdout).toMatch(/^nothing to do/);
  await here.bake(['cache', 'rm', '--all']);
  expect((await here.run()).outcomes).toEqual({ one: 'built', two: 'built' });
});
