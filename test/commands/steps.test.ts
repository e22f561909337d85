/** What programs read of stages that are chains of steps: one entry for each stage, with its steps in it. */
import { readFileSync } from 'node:fs';
import { beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { explainJson } from '../../src/commands/explain.ts';
import { planJson } from '../../src/commands/plan.ts';
import { summaryJson } from '../../src/commands/run-summary.ts';
import type { Built } from '../../src/engine/build.ts';
import { happened } from '../support/chain.ts';
import { EngineRig } from '../support/engine-run.ts';

const PIPELINE = `bake: 1
name: told
stages:
  disk:
    uses: chain
    with: { disk: base.txt, files: [a.txt, b.txt] }
  after:
    run: cat \${{ stages.disk.outputs.disk }} > out
    outputs: { text: out }
`;
const FILES = { 'pipeline.yaml': PIPELINE, 'base.txt': '0', 'a.txt': 'a', 'b.txt': 'b' };

beforeEach(() => happened.splice(0));

function held<T extends object>(name: string, value: T): T {
  const schema = z.fromJSONSchema(JSON.parse(readFileSync(`docs/schema/${name}.schema.json`, 'utf8')));
  expect(schema.parse(value)).toEqual(value);
  return value;
}

function summary({ finished }: Built) {
  const run = { pipeline: 'told', startedAtMs: 0, durationMs: 1, cacheDir: '/cache', actions: finished };
  return held('summary', summaryJson(run));
}

it('a plan says of a stage that it runs when one of its steps does, and what each would do', async () => {
  await using rig = new EngineRig();
  rig.write(FILES);
  const first = held('plan', planJson('told', await rig.predict()));
  expect(first).toMatchObject({
    stages: [
      {
        name: 'disk',
        kind: 'chain',
        status: 'run',
        fingerprint: null,
        reasons: ['never built before'],
        needs: [],
        steps: [
          { name: 'a', status: 'run' },
          { name: 'b', status: 'unknown', reasons: ['depends on what disk@a will make'] },
          { name: 'end', status: 'unknown' },
        ],
      },
      { name: 'after', kind: 'run', status: 'unknown', needs: ['disk'] },
    ],
  });
  await rig.run();
  rig.write({ 'b.txt': 'B' });
  const [disk, after] = held('plan', planJson('told', await rig.predict()))['stages'] as [object, object];
  expect(disk).toMatchObject({ status: 'run', reasons: [expect.stringMatching(/^input b\.txt changed/)] });
  expect(disk).toMatchObject({ steps: [{ status: 'fresh' }, { status: 'run' }, { status: 'unknown' }] });
  expect(after).not.toHaveProperty('steps');
});

it('a summary adds up the steps, and tells of the one that failed', async () => {
  await using rig = new EngineRig();
  rig.write(FILES);
  const built = summary(await rig.run());
  expect(built['stages']).toMatchObject([
    {
      name: 'disk',
      kind: 'chain',
      outcome: 'built',
      fingerprint: expect.stringMatching(/^sha256:/),
      outputs: [{ name: 'disk', path: null }],
      log: expect.stringContaining('disk%40b.log'),
      failure: null,
      steps: [{ name: 'a' }, { name: 'b' }, { name: 'end' }],
    },
    { name: 'after', outcome: 'built' },
  ]);
  rig.write({ 'b.txt': 'fail' });
  expect(summary(await rig.run())['stages']).toMatchObject([
    {
      outcome: 'failed',
      reasons: [expect.stringMatching(/^input b\.txt changed/)],
      failure: { code: 'stage-refused' },
      outputs: [],
      steps: [{ outcome: 'fresh' }, { outcome: 'failed' }, { outcome: 'blocked' }],
    },
    { outcome: 'blocked' },
  ]);
  rig.write({ 'b.txt': 'b' });
  expect(summary(await rig.run())['stages']).toMatchObject([{ outcome: 'fresh' }, { outcome: 'fresh' }]);
});

it('an explanation of a stage holds one of each step; a step can be asked for alone', async () => {
  await using rig = new EngineRig();
  rig.write(FILES);
  await rig.run();
  rig.write({ 'b.txt': 'B' });
  const statuses = (await rig.predict()).filter(({ action }) => action.stage === 'disk');
  const explained = statuses.map((status) => ({ ...status, stage: 'disk', previous: null }));
  const [a, ...others] = explained;
  if (a === undefined) throw new Error('no steps');
  expect(held('explain', explainJson([a, ...others]))).toMatchObject({
    stage: 'disk',
    status: 'run',
    fingerprint: null,
    steps: [
      { name: 'a', status: 'fresh', manifest: { kind: 'link-step' } },
      { name: 'b', status: 'run' },
      { name: 'end', status: 'unknown', manifest: null },
    ],
  });
  const alone = held('explain', explainJson([a]));
  expect(alone).toMatchObject({ stage: 'disk@a', status: 'fresh' });
  expect(alone).not.toHaveProperty('steps');
});
