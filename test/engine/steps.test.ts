/** Steps through the whole engine: what runs again, what goes on from step to step, and what is kept beside the layers. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/cache/layout.ts';
import { listSides } from '../../src/cache/sides.ts';
import { realHost } from '../../src/host/real.ts';
import { privateLayoutOf } from '../../src/incremental/private-place.ts';
import { buildProgram, startChild } from '../cache/child-program.ts';
import { happened } from '../support/chain.ts';
import { EngineRig } from '../support/engine-run.ts';

const PIPELINE = `bake: 1
name: steps
stages:
  disk:
    uses: chain
    with:
      disk: base.txt
      files: [a.txt, b.txt, c.txt]
  after:
    run: tr a-z A-Z < \${{ stages.disk.outputs.disk }} > loud.txt
    outputs: { text: loud.txt }
`;
const FILES = { 'pipeline.yaml': PIPELINE, 'base.txt': '0', 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' };

beforeEach(() => happened.splice(0));

async function rigWith(files: Readonly<Record<string, string>> = {}): Promise<EngineRig> {
  const rig = new EngineRig();
  rig.write({ ...FILES, ...files });
  return rig;
}

const ownIn = (rig: EngineRig) =>
  privateLayoutOf(join(rig.cacheDirectory, 'private', String(process.getuid?.())));
const sidesIn = (rig: EngineRig) => listSides(realHost(), ownIn(rig));

describe('the steps of a stage', () => {
  it('run one after the other, each in what the one before handed on, and the stage has the result of the last', async () => {
    await using rig = await rigWith();
    const built = await rig.run();
    expect(built.outcomes).toEqual({
      'disk@a': 'built',
      'disk@b': 'built',
      'disk@c': 'built',
      'disk@end': 'built',
      after: 'built',
    });
    expect(readFileSync(join(rig.directory, 'loud.txt'), 'utf8')).toBe('0ABC');
    expect(happened).toEqual([
      'disk@a began cold',
      'handed on by disk@a',
      'disk@b took over that of disk@a',
      'handed on by disk@b',
      'disk@c took over that of disk@b',
      'handed on by disk@c',
      'disk@end took over that of disk@c',
    ]);
  });

  it('are fresh when nothing changed, and leave nothing going on', async () => {
    await using rig = await rigWith();
    await rig.run();
    happened.splice(0);
    expect(new Set(Object.values((await rig.run()).outcomes))).toEqual(new Set(['fresh']));
    expect(happened).toEqual([]);
  });

  it('before an edited input are not run again: the first that is resumes where they ended', async () => {
    await using rig = await rigWith();
    await rig.run();
    happened.splice(0);
    rig.write({ 'c.txt': 'C' });
    const built = await rig.run();
    expect(built.outcomes).toMatchObject({
      'disk@a': 'fresh',
      'disk@b': 'fresh',
      'disk@c': 'built',
      'disk@end': 'built',
    });
    expect(happened).toEqual([
      'disk@c resumed memory of disk@b',
      'handed on by disk@c',
      'disk@end took over that of disk@c',
    ]);
    const predicted = await rig.predict();
    expect(predicted.every(({ status }) => status === 'fresh')).toBe(true);
  });

  it('after one that makes the same bytes anew are not run, and what it handed on is ended', async () => {
    await using rig = await rigWith();
    await rig.run();
    happened.splice(0);
    const built = await rig.run({ forced: ['disk@b'] });
    expect(built.outcomes).toMatchObject({
      'disk@a': 'fresh',
      'disk@b': 'built',
      'disk@c': 'fresh',
      'disk@end': 'fresh',
    });
    expect(happened).toEqual([
      'disk@b resumed memory of disk@a',
      'handed on by disk@b',
      'ended that of disk@b',
    ]);
  });

  it('can be built as far as one of them, and what went on there is ended with the run', async () => {
    await using rig = await rigWith();
    const built = await rig.run({ targets: ['disk@b'] });
    expect(built.outcomes).toEqual({ 'disk@a': 'built', 'disk@b': 'built' });
    expect(happened.at(-1)).toBe('ended that of disk@b');
    happened.splice(0);
    await rig.run();
    expect(happened[0]).toBe('disk@c resumed memory of disk@b');
  });
});

describe('a step that fails', () => {
  it('leaves those before it in the cache: the next run begins with it', async () => {
    await using rig = await rigWith({ 'c.txt': 'fail' });
    const broken = await rig.run();
    expect(broken.outcomes).toMatchObject({
      'disk@b': 'built',
      'disk@c': 'failed',
      'disk@end': 'blocked',
      after: 'blocked',
    });
    expect(happened.slice(-2)).toEqual(['disk@c took over that of disk@b', 'after the failure: end']);
    happened.splice(0);
    rig.write({ 'c.txt': 'c' });
    const mended = await rig.run();
    expect(mended.outcomes).toMatchObject({ 'disk@a': 'fresh', 'disk@b': 'fresh', 'disk@c': 'built' });
    expect(happened[0]).toBe('disk@c resumed memory of disk@b');
  });

  it('is tried again from what is before it, never in what the failed attempt had taken over', async () => {
    const again = PIPELINE.replace('uses: chain', 'uses: chain\n    retries: 1');
    await using rig = await rigWith({ 'pipeline.yaml': again, 'c.txt': 'fail' });
    const asked: string[] = [];
    await rig.run({
      afterFailure: async (action) => {
        asked.push(action);
        return 'keep';
      },
    });
    expect(happened.slice(-4)).toEqual([
      'disk@c took over that of disk@b',
      'after the failure: end',
      'disk@c resumed memory of disk@b',
      'after the failure: keep',
    ]);
    // Of an attempt after which another comes nothing is kept, and nobody is asked.
    expect(asked).toEqual(['disk@c']);
  });

  it('ends what others handed on, when nobody goes on with it', async () => {
    const two = `${PIPELINE}  other:
    uses: chain
    with: { disk: base.txt, files: [x.txt, broken.txt] }
`;
    await using rig = await rigWith({ 'pipeline.yaml': two, 'x.txt': 'x', 'broken.txt': 'fail' });
    await rig.run();
    const count = (pattern: RegExp) => happened.filter((line) => pattern.test(line)).length;
    expect(count(/^handed on/)).toBe(count(/ took over /) + count(/^ended/));
  });

  it('and Ctrl-C end what waits to be taken over', async () => {
    await using rig = await rigWith();
    const stop = new AbortController();
    const built = await rig.run({
      signal: stop.signal,
      emit: (event) => {
        if (event.type === 'action-finished' && event.action.name === 'disk@a') stop.abort();
      },
    });
    expect(built.outcomes).toMatchObject({ 'disk@a': 'built', 'disk@b': 'cancelled' });
    expect(happened).toEqual(['disk@a began cold', 'handed on by disk@a', 'ended that of disk@a']);
  });
});

describe('several runs', () => {
  it('at the same time run each step once', async () => {
    await using one = await rigWith();
    await using two = new EngineRig({ cacheDirectory: one.cacheDirectory });
    two.write(FILES);
    const [here, there] = await Promise.all([one.run(), two.run()]);
    for (const name of ['disk@a', 'disk@b', 'disk@c', 'disk@end', 'after'])
      expect([here.outcomes[name], there.outcomes[name]].sort()).toEqual(['built', 'restored']);
    expect(readFileSync(join(two.directory, 'loud.txt'), 'utf8')).toBe('0ABC');
    expect(readdirSync(ownIn(one).work)).toEqual([]);
  });

  it('begin where one ended that was killed, and clear up what it left', async () => {
    await using rig = await rigWith({ 'c.txt': 'wait' });
    const source = `import { EngineRig } from './test/support/engine-run.ts';
      const rig = new EngineRig({ directory: process.argv[2] });
      rig.run({ emit: (event) => { if (event.type === 'action-output') console.log(event.line); } });`;
    const program = await buildProgram(rig.directory, 'run', source);
    await using child = startChild(program, [rig.directory]);
    while ((await child.nextLine()) !== 'disk@c took over that of disk@b');
    child.process.kill('SIGKILL');
    await child.ended;
    const [layout, own] = [layoutOf(rig.cacheDirectory), ownIn(rig)];
    expect(readdirSync(own.work)).not.toEqual([]);
    rig.write({ 'c.txt': 'c' });
    const after = await rig.run();
    expect(after.outcomes).toMatchObject({ 'disk@a': 'restored', 'disk@b': 'restored', 'disk@c': 'built' });
    expect(happened[0]).toBe('disk@c resumed memory of disk@b');
    expect(readFileSync(join(rig.directory, 'loud.txt'), 'utf8')).toBe('0ABC');
    expect(
      [own.work, own.temporary, layout.inUse, layout.temporary].flatMap((path) => readdirSync(path)),
    ).toEqual([]);
  });
});

describe('layers and side files', () => {
  it('of a step hold what it wrote alone, on top of those below', async () => {
    await using rig = await rigWith();
    const { settled } = await rig.run();
    const contents = settled.map(({ result }) => result?.artifacts[0]?.content);
    expect(contents.map((content) => (content?.type === 'layers' ? content.layers.length : 1))).toEqual([
      2, 3, 4, 1, 1,
    ]);
    const [a, b] = contents;
    expect(b?.type === 'layers' && b.layers.slice(0, 2)).toEqual(a?.type === 'layers' && a.layers);
  });

  it('are rebuilt when a layer is lost, and only where it is needed', async () => {
    await using rig = await rigWith();
    const { settled } = await rig.run();
    const [content] = settled.map(({ result }) => result?.artifacts[0]?.content);
    const layer = content?.type === 'layers' ? content.layers[1] : undefined;
    if (layer === undefined) throw new Error('no layer');
    rmSync(layoutOf(rig.cacheDirectory).blob(layer.digest), { force: true });
    expect(new Set(Object.values((await rig.run()).outcomes))).toEqual(new Set(['fresh']));
    rig.write({ 'c.txt': 'C' });
    expect((await rig.run()).outcomes).toMatchObject({
      'disk@a': 'built',
      'disk@c': 'built',
      after: 'built',
    });
    expect(readFileSync(join(rig.directory, 'loud.txt'), 'utf8')).toBe('0ABC');
  });

  it('are one plain file in the checkout, of which is told what lies there', async () => {
    await using rig = await rigWith({
      'pipeline.yaml': `bake: 1
name: flat
stages:
  disk: { uses: chain, with: { disk: base.img, overlay: true }, outputs: { disk: dist/disk.qcow2 } }
`,
      'base.img': 'a'.repeat(2 ** 20),
    });
    const built = await rig.run();
    const file = join(rig.directory, 'dist/disk.qcow2');
    const [output] = built.finished.flatMap(({ outputs }) => outputs);
    const digest = realHost().hashing.digestBytes(readFileSync(file));
    expect(output?.artifact.content).toMatchObject({ type: 'file', digest, sizeBytes: statSync(file).size });
    execFileSync('qemu-img', ['convert', '-O', 'raw', file, join(rig.directory, 'raw')]);
    expect(readFileSync(join(rig.directory, 'raw'), 'utf8')).toBe('a'.repeat(2 ** 19) + 'b'.repeat(2 ** 19));
    const again = await rig.run();
    expect(again.outcomes).toEqual({ 'disk@end': 'fresh' });
    expect(again.finished[0]?.outputs).toEqual(built.finished[0]?.outputs);
    rmSync(file);
    expect((await rig.run()).outcomes).toEqual({ 'disk@end': 'restored' });
    expect(realHost().hashing.digestBytes(readFileSync(file))).toBe(digest);
  });

  it('are for their owner alone, and enter no fingerprint', async () => {
    await using rig = await rigWith();
    const first = await rig.run();
    const kept = sidesIn(rig);
    expect(kept).toHaveLength(3);
    for (const { path } of kept) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
      for (const file of readdirSync(path)) expect(statSync(join(path, file)).mode & 0o777).toBe(0o600);
    }
    for (const { path } of kept) writeFileSync(join(path, 'memory'), 'another');
    const again = await rig.run();
    expect(again.finished.map(({ fingerprint }) => fingerprint)).toEqual(
      first.finished.map(({ fingerprint }) => fingerprint),
    );
  });

  it('are neither kept nor used without checkpoints; the steps still go on in one another', async () => {
    await using rig = await rigWith();
    await rig.run({ checkpoints: false });
    expect(sidesIn(rig)).toEqual([]);
    expect(happened).toContain('disk@b took over that of disk@a');
    happened.splice(0);
    rig.write({ 'c.txt': 'C' });
    await rig.run({ checkpoints: false });
    expect(happened[0]).toBe('disk@c began cold');
  });
});
