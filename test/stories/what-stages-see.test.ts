/** Stories about what a stage reads: the same bytes for everybody, and never bytes that its fingerprint does not know. */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';

const ARCHIVE = `bake: 1
name: sees
stages:
  up:
    run: mkdir up && echo 1 > up/a && ln -s a up/l
    outputs: { o: up }
  tar:
    run: tar -c --sort=name --numeric-owner --owner=0 --group=0 --exclude=o.tar in \${{ stages.up.outputs.o }} > o.tar && umask > mask
    inputs: [in]
    outputs: { o: o.tar, mask: mask }
`;

it('an archive of the same files is the same for every umask, mode, time and place', async () => {
  await using rig = await Rig.make();
  const tars: string[] = [];
  for (const [name, mask, times] of [
    ['one', '022', 1_000_000_000],
    ['two/deeper', '077', 1_700_000_000],
    ['three', '002', 1_234_567_890],
  ] as const) {
    const checkout = rig.checkout(name, { 'pipeline.yaml': ARCHIVE, 'in/a': 'a', 'in/d/x': 'x', run: '' });
    chmodSync(checkout.path('in/a'), 0o600 | Number.parseInt(mask, 8));
    chmodSync(checkout.path('in/d/x'), mask === '077' ? 0o700 : 0o775);
    symlinkSync('d/x', checkout.path('in/l'));
    for (const path of ['in/a', 'in/d/x', 'in/d', 'in']) utimesSync(checkout.path(path), times, times);
    const before = process.umask(Number.parseInt(mask, 8));
    const run = await checkout.run(['--cache-dir', 'cache']);
    process.umask(before);
    expect(run.outcomes).toEqual({ up: 'built', tar: 'built' });
    expect(checkout.read('mask')).toBe('0022\n');
    tars.push(readFileSync(checkout.path('o.tar'), 'base64'));
  }
  expect(new Set(tars).size).toBe(1);
});

const COPY = (options: string) => `bake: 1
name: copies
stages:
  a: { run: "cat in/* > o", inputs: [in], outputs: { o: o }${options} }
`;

it('what a link leads to is noticed when it changes, appears or is replaced, in the quick check too', async () => {
  await using rig = await Rig.make();
  const checkout = rig.checkout('co', { 'pipeline.yaml': COPY('') });
  mkdirSync(checkout.path('in'));
  const outside = rig.path('outside');
  mkdirSync(outside);
  for (const name of ['rel', 'abs', 'other']) writeFileSync(join(outside, name), `${name}1 `);
  symlinkSync('../../outside/rel', checkout.path('in/1'));
  symlinkSync(join(outside, 'abs'), checkout.path('in/2'));
  symlinkSync(join(outside, 'chain'), checkout.path('in/3'));
  symlinkSync('other', join(outside, 'chain'));
  const gives = async (text: string) => {
    expect((await checkout.run()).code).toBe(0);
    expect((await checkout.bake(['run'])).code).toBe(0);
    expect(checkout.read('o')).toBe(text);
  };
  await gives('rel1 abs1 other1 ');
  writeFileSync(join(outside, 'rel'), 'rel2 ');
  await gives('rel2 abs1 other1 ');
  writeFileSync(join(outside, 'abs'), 'abs2 ');
  await gives('rel2 abs2 other1 ');
  rmSync(join(outside, 'chain'));
  symlinkSync('rel', join(outside, 'chain'));
  await gives('rel2 abs2 rel2 ');
});

it('a link to nothing is looked at again when something is there', async () => {
  await using rig = await Rig.make();
  const checkout = rig.checkout('co', {
    'pipeline.yaml': COPY('').replace('cat in/*', '(cat in/l || echo nothing)'),
  });
  mkdirSync(checkout.path('in'));
  symlinkSync(rig.path('later'), checkout.path('in/l'));
  await checkout.run();
  expect(checkout.read('o')).toBe('nothing\n');
  writeFileSync(rig.path('later'), 'now');
  await checkout.run();
  expect(checkout.read('o')).toBe('now');
});

it.each(['appears', 'vanishes', 'changes and keeps its times', 'is retargeted'])(
  'a file that %s while a stage reads it in place fails the stage, and nothing is stored',
  async (what) => {
    await using rig = await Rig.make();
    rig.tools.make('wait-tool');
    const pipeline = COPY(', workspace: in-place').replace('cat in/*', 'wait-tool && cat in/*');
    const checkout = rig.checkout('co', { 'pipeline.yaml': pipeline, 'in/a': 'a', 'in/b': 'b', other: 'o' });
    symlinkSync('../other', checkout.path('in/l'));
    const change: Record<string, () => void> = {
      appears: () => writeFileSync(checkout.path('in/c'), 'c'),
      vanishes: () => rmSync(checkout.path('in/b')),
      'changes and keeps its times': () => {
        const { atimeMs, mtimeMs } = statSync(checkout.path('in/a'));
        writeFileSync(checkout.path('in/a'), 'A');
        utimesSync(checkout.path('in/a'), atimeMs / 1000, mtimeMs / 1000);
      },
      'is retargeted': () => {
        symlinkSync('b', checkout.path('in/m'));
        renameSync(checkout.path('in/m'), checkout.path('in/l'));
      },
    };
    const { running, run } = checkout.startRun();
    const call = await rig.tools.next('wait-tool');
    change[what]?.();
    await call.exit(0);
    expect((await run).stages['a']?.failure).toMatchObject({ code: 'input-changed' });
    expect((await running.ended).code).toBe(1);
  },
);

it('no edit is ever missed, whatever times it keeps and however soon it comes', async () => {
  await using rig = await Rig.make();
  const checkout = rig.checkout('co', { 'pipeline.yaml': COPY(''), 'in/a': '0000' });
  const old = 1_500_000_000;
  const edit = fc.record({
    text: fc.stringMatching(/^[a-z]{4}$/),
    how: fc.constantFrom('write', 'replace', 'write, old times', 'replace, old times'),
    quick: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      for (const { text, how, quick } of edits) {
        const place = checkout.path('in/a');
        const target = how.startsWith('replace') ? checkout.path('in.new') : place;
        writeFileSync(target, text);
        if (how.endsWith('old times')) utimesSync(target, old, old);
        if (target !== place) renameSync(target, place);
        const run = quick ? await checkout.bake(['run']) : await checkout.run();
        expect(run.code).toBe(0);
        expect(checkout.read('o')).toBe(text);
      }
    }),
    { numRuns: 8 },
  );
});
