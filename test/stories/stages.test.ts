/** Stories about what a stage sees, and the ways in which stages differ. */
import { chmodSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { without } from '../support/without.ts';

it('gives a stage its declared inputs, a fixed environment, and nothing else', async () => {
  await using rig = await Rig.make();
  rig.tools.make('look');
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: seen
stages:
  a:
    run: look; find . -type f > files.txt
    inputs: [in/seen.txt]
    outputs: { files: files.txt }
    env: { OWN: "1" }
    pass_env: [PASSED]
`,
    'in/seen.txt': '',
    'in/unseen.txt': '',
  });
  const { run } = here.startRun([], {
    env: { PASSED: 'yes', LEAKED: 'no', LANG: 'de_DE', TZ: 'Asia/Tokyo' },
  });
  const call = await rig.tools.next('look');
  expect(call.env).toMatchObject({ OWN: '1', PASSED: 'yes', LANG: 'C.UTF-8', TZ: 'UTC' });
  expect(call.env).not.toHaveProperty('LEAKED');
  expect(call.env['HOME']).not.toBe(rig.directory);
  expect(call.cwd).not.toContain(here.directory.concat('/in'));
  await call.exit(0);
  await run;
  expect(here.read('files.txt').split('\n').filter(Boolean).sort()).toEqual(['./files.txt', './in/seen.txt']);
});

it('has the directories of its outputs ready before it starts', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: parents
stages:
  a:
    run: echo deep > out/far/down.txt && echo tree > out/tree/leaf 2> /dev/null || mkdir out/tree
    outputs: { file: out/far/down.txt, tree: out/tree }
`,
  });
  await here.run();
  expect(here.read('out/far/down.txt')).toBe('deep\n');
});

it('masks secrets in everything that is shown or stored, and needs them only when it runs', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: secret
stages:
  a:
    run: |
      echo "token $TOKEN"; echo "$TOKEN" | base64; echo "$TOKEN" >&2
      printf %s "$TOKEN" | wc -c > size
    secrets: [TOKEN]
    outputs: { size: size }
`,
  });
  const missing = await here.run();
  expect(missing.stages['a']?.failure).toMatchObject({ code: 'secret-missing', variable: 'TOKEN' });
  const env = { TOKEN: 'hunter2-very-secret' };
  const built = await here.run(['-v'], { env });
  expect(here.read('size').trim()).toBe(String(env.TOKEN.length));
  const log = await here.bake(['log', 'a']);
  for (const text of [built.stdout, built.stderr, log.stdout, JSON.stringify(built.stages)]) {
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(Buffer.from(env.TOKEN).toString('base64').slice(0, 20));
  }
  expect(log.stdout).toContain('token ***');
  // Another value is no other work, and a stage that does not run needs none.
  expect((await here.run()).outcomes).toEqual({ a: 'fresh' });
  rmSync(here.path('size'));
  expect((await here.run()).outcomes).toEqual({ a: 'restored' });
});

it('fans a stage out over a matrix, each cell with a fingerprint of its own', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: fan
stages:
  cell:
    matrix: { arch: [amd64, arm64], os: [debian] }
    run: echo \${{ matrix.arch }} \${{ matrix.os }} > out-\${{ matrix.arch }}
    outputs: { out: "out-\${{ matrix.arch }}" }
`,
  });
  const run = await here.run();
  expect(Object.values(run.outcomes)).toEqual(['built', 'built']);
  expect([here.read('out-amd64'), here.read('out-arm64')]).toEqual(['amd64 debian\n', 'arm64 debian\n']);
});

it('runs a stage in the checkout itself when it asks for that, and leaves its outputs there', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: inplace
stages:
  gen: { run: "echo x > gen.txt", outputs: { x: gen.txt } }
  a:
    run: cat undeclared.txt \${{ stages.gen.outputs.x }} > built.txt
    workspace: in-place
    outputs: { x: built.txt }
`,
    'undeclared.txt': 'seen\n',
  });
  expect((await here.run()).outcomes).toEqual({ gen: 'built', a: 'built' });
  expect(here.read('built.txt')).toBe('seen\nx\n');
  here.write({ 'built.txt': 'scribbled' });
  expect((await here.run()).outcomes).toEqual({ gen: 'fresh', a: 'restored' });
  expect(here.read('built.txt')).toBe('seen\nx\n');
  expect(here.has('.bake')).toBe(false);
});

it('runs a stage that is not cached every time; what follows runs only when its bytes change', async () => {
  await using rig = await Rig.make();
  rig.tools.make('clock');
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: uncached
stages:
  now: { run: clock, cache: false, outputs: { time: time } }
  after: { run: "cat \${{ stages.now.outputs.time }} > copy", outputs: { copy: copy } }
`,
  });
  const outcomes = async (time: string) => {
    const { run } = here.startRun();
    const call = await rig.tools.next('clock');
    await call.write('time', time);
    await call.exit(0);
    return (await run).outcomes;
  };
  expect(await outcomes('1')).toEqual({ now: 'built', after: 'built' });
  expect(await outcomes('1')).toEqual({ now: 'built', after: 'fresh' });
  expect(await outcomes('2')).toEqual({ now: 'built', after: 'built' });
  expect(await outcomes('1')).toEqual({ now: 'built', after: 'restored' });
});

it('lets the version of a tool decide, asks for it once, and names both in the reason', async () => {
  await using rig = await Rig.make();
  rig.tools.make('packer', 'packer v1.2.3');
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: tools
stages:
  a: { run: "echo x > x", tools: [packer], outputs: { x: x } }
`,
  });
  await here.run();
  expect((await here.run()).outcomes).toEqual({ a: 'fresh' });
  rig.tools.make('packer', 'packer v1.3.0');
  const changed = await here.run();
  expect(changed.outcomes).toEqual({ a: 'built' });
  expect(changed.stages['a']?.reasons).toEqual(['tool packer: 1.2.3 → 1.3.0']);
});

it('keeps executable bits, links and empty directories of a directory that it stores', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: tree
stages:
  tree:
    run: mkdir -p t/empty t/bin; echo x > t/bin/x; chmod +x t/bin/x; ln -s bin/x t/link
    outputs: { t: t }
  use:
    run: test -x \${{ stages.tree.outputs.t }}/bin/x; cp -a \${{ stages.tree.outputs.t }} dist/copy; chmod -R u+w dist/copy
    outputs: { copy: dist/copy }
`,
  });
  expect((await here.run()).outcomes).toEqual({ tree: 'built', use: 'built' });
  rmSync(here.path('dist'), { recursive: true });
  expect((await here.run()).outcomes).toEqual({ tree: 'fresh', use: 'restored' });
  expect((await here.run()).outcomes).toEqual({ tree: 'fresh', use: 'fresh' });
  expect(here.has('dist/copy/empty')).toBe(true);
  // What somebody else puts there is his.
  here.write({ 'dist/copy/extra': 'not of the stage' });
  expect((await here.run()).outcomes['use']).toBe('fresh');
  expect(here.has('dist/copy/extra')).toBe(true);
});

it.skipIf(without.root)('builds with a cache that cannot be written, with a warning', async () => {
  await using rig = await Rig.make();
  const files = {
    'pipeline.yaml': `bake: 1
name: readonly
stages:
  a: { run: "echo x > x", outputs: { x: x } }
`,
  };
  const here = rig.checkout('here', files);
  chmodSync(here.directory, 0o777);
  const shared = rig.checkout('locked');
  chmodSync(shared.directory, 0o555);
  const run = await here.run([], { env: { BAKE_CACHE_DIR: shared.directory }, uid: 12345 });
  expect(run.outcomes).toEqual({ a: 'built' });
  expect(here.read('x')).toBe('x\n');
  expect(run.stdout + run.stderr).toContain('warning');
});

it('writes a trace that is JSON, and events that begin with a schema version', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': 'bake: 1\nname: told\nstages:\n  a: { run: "echo said" }\n',
  });
  await here.bake(['run', '--trace', 'trace.json']);
  expect(() => JSON.parse(readFileSync(here.path('trace.json'), 'utf8')) as unknown).not.toThrow();
  const { stdout } = await here.bake(['run', '--json', '--force']);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events[0]).toMatchObject({ schemaVersion: 1, type: 'run-started' });
  expect(events.map(({ type }) => type)).toContain('action-output');
  expect(events.at(-1)?.['type']).toBe('run-finished');
});

it('takes a linked file that an option names by what it leads to', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: linked
stages:
  iso: { uses: fetch-iso, with: { url: image.iso }, outputs: { iso: out.iso } }
`,
  });
  rig.checkout('aside', { 'real.iso': 'one' });
  symlinkSync(rig.path('aside/real.iso'), here.path('image.iso'));
  expect((await here.run()).outcomes).toEqual({ iso: 'built' });
  expect(here.read('out.iso')).toBe('one');
  rig.checkout('aside', { 'real.iso': 'two!' });
  expect((await here.run()).outcomes).toEqual({ iso: 'built' });
  expect(here.read('out.iso')).toBe('two!');
  expect(readFileSync(rig.path('aside/real.iso'), 'utf8')).toBe('two!');
});
