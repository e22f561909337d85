/** Stories about `bake rebuild`: a stage runs beside its result, and where the two differ is told; nothing else changes. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { expect, it } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';

const PIPELINE = `bake: 1
name: again
stages:
  same:
    run: echo hello > a; mkdir t; echo 1 > t/x; chmod 755 t/x; ln -s x t/l
    outputs: { a: a, t: t }
  bytes:
    run: cat \${{ stages.same.outputs.a }} > b; cat /proc/sys/kernel/random/uuid >> b
    outputs: { b: b }
  paths:
    run: mkdir p; echo 1 > p/kept; cat /proc/sys/kernel/random/uuid > p/changed; touch "p/only-$(cat /proc/sys/kernel/random/uuid)"
    outputs: { p: p }
  disk:
    run: >-
      mkdir -p root/etc; echo fixed > root/etc/fixed; cat /proc/sys/kernel/random/uuid > root/etc/id;
      truncate -s 8M disk; mke2fs -q -F -t ext4 -d root disk
    outputs: { disk: disk }
  never: { run: "true", cache: false }
  here: { run: echo 1 > here.txt, workspace: in-place, outputs: { h: here.txt } }
  breaks:
    run: if [ -e ../../../../../../broken ]; then exit 3; fi; echo 1 > x
    outputs: { x: x }
`;

/** All that is in the cache and the checkout. */
function everything(here: Checkout): readonly string[] {
  return ['cache/v1/content-v2', 'cache/v1/index-v5', '.'].flatMap((place) =>
    readdirSync(here.path(place), { recursive: place !== '.' }).map((name) => join(place, String(name))),
  );
}

interface Told {
  readonly same: boolean;
  readonly stages: readonly {
    readonly name: string;
    readonly outcome: string;
    readonly outputs: readonly { readonly name: string; readonly difference: unknown }[];
  }[];
}

const isOfSchema = new Ajv().compile(
  JSON.parse(
    readFileSync(join(import.meta.dirname, '../../docs/schema/rebuild.schema.json'), 'utf8'),
  ) as never,
);

async function rebuilt(here: Checkout, ...targets: readonly string[]): Promise<Told> {
  const ended = await here.bake(['rebuild', ...targets, '--json']);
  const told = JSON.parse(ended.stdout) as Told;
  expect(isOfSchema(told), JSON.stringify(isOfSchema.errors)).toBe(true);
  expect(ended.code).toBe(told.same ? 0 : 1);
  return told;
}

it('says whether a stage comes out the same, and where it first differs', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  expect((await here.run()).code).toBe(0);
  const before = everything(here);
  expect(await rebuilt(here, 'same')).toMatchObject({ same: true, stages: [{ outcome: 'same' }] });
  const told = await rebuilt(here, 'bytes', 'paths', 'disk');
  expect(told.stages).toMatchObject([
    { name: 'bytes', outcome: 'differs', outputs: [{ difference: { type: 'bytes', sizes: [43, 43] } }] },
    { name: 'paths', outputs: [{ difference: { type: 'files' } }] },
    {
      name: 'disk',
      outputs: [{ difference: { type: 'disk', files: [{ path: '/etc/id', change: 'changed' }] } }],
    },
  ]);
  const words = await here.bake(['rebuild', 'bytes', 'paths', 'same']);
  expect(words.code).toBe(1);
  expect(words.stdout).toMatch(/b: first at byte \d+ \(43 B both\)/);
  expect(words.stdout).toContain('p: 3 paths differ');
  expect(words.stdout).toContain('~ changed  first at byte');
  expect(words.stdout).toContain('1 the same, 2 differ');
  expect(everything(here)).toEqual(before);
  expect((await here.run()).outcomes).toMatchObject({ same: 'fresh', bytes: 'fresh', disk: 'fresh' });
});

it('refuses what cannot be run beside its result, or has none, before it runs anything', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  const none = await here.bake(['rebuild', 'same', 'bytes']);
  expect(none.code).not.toBe(0);
  expect(none.stderr).toContain('same');
  expect(none.stdout).toBe('');
  await here.run();
  for (const [target, words] of [
    ['never', 'never cached'],
    ['here', 'works in the checkout itself'],
    ['nope', 'no stage `nope`'],
  ] as const) {
    const refused = await here.bake(['rebuild', 'same', target]);
    expect(refused.code, target).not.toBe(0);
    expect(refused.stderr, target).toContain(words);
    expect(refused.stdout, target).toBe('');
  }
  expect((await here.bake(['rebuild'])).code).toBe(2);
});

it('tells of a stage that fails when it is run again, and leaves its result', async () => {
  await using rig = await Rig.make();
  const pipeline = PIPELINE.replace('../../../../../../broken', rig.path('broken'));
  const here = rig.checkout('here', { 'pipeline.yaml': pipeline });
  await here.run();
  rig.checkout('broken');
  const ended = await here.bake(['rebuild', 'breaks']);
  expect(ended.code).toBe(1);
  expect(ended.stdout).toContain('exit status 3');
  expect(ended.stdout).toContain('1 failed');
  rmSync(here.path('x'));
  expect((await here.run(['breaks'])).outcomes).toEqual({ breaks: 'restored' });
});

it('makes what a stage needs again when it is lost, and keeps none of it', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  const run = await here.run();
  const hex =
    run.stages['same']?.outputs.find(({ name }) => name === 'a')?.digest.slice('sha256:'.length) ?? '';
  rmSync(here.path('cache/v1/content-v2/sha256', hex.slice(0, 2), hex.slice(2, 4), hex.slice(4)));
  const before = everything(here);
  expect((await rebuilt(here, 'bytes')).stages).toMatchObject([{ outcome: 'differs' }]);
  expect(everything(here)).toEqual(before);
});
