/** What programs read, held against the committed schemas, in every state that a stage can be in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { Rig } from '../support/rig.ts';

function schema(name: string) {
  const file = join(import.meta.dirname, `../../docs/schema/${name}.schema.json`);
  return z.fromJSONSchema(JSON.parse(readFileSync(file, 'utf8')) as never);
}

const PIPELINE = `bake: 1
name: told
stages:
  good: { run: "echo x > x; echo said", inputs: [in.txt], outputs: { x: x } }
  next: { run: "cat \${{ stages.good.outputs.x }} > dist/y", outputs: { y: dist/y } }
  bad: { run: "exit 3", outputs: { z: z } }
  after: { run: "cat \${{ stages.bad.outputs.z }}" }
`;

it('plans, summaries and explanations match their schemas', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE, 'in.txt': '1' });
  const plan = async () => JSON.parse((await here.bake(['plan', '--json'])).stdout) as object;
  const explain = async () => JSON.parse((await here.bake(['explain', 'next', '--json'])).stdout) as object;
  const first = await plan();
  await here.run(['--keep-going']);
  here.write({ 'in.txt': '2' });
  for (const one of [first, await plan()]) expect(schema('plan').parse(one)).toEqual(one);
  for (const one of [await explain()]) expect(schema('explain').parse(one)).toEqual(one);
  await here.bake(['run', '--summary', 'summary.json', '--keep-going']);
  const summary = JSON.parse(here.read('summary.json')) as { stages: { outcome: string }[] };
  expect(schema('summary').parse(summary)).toEqual(summary);
  expect(summary.stages.map(({ outcome }) => outcome)).toEqual(['built', 'fresh', 'failed', 'blocked']);
  for (const one of [await explain(), await plan()]) expect(one).toHaveProperty('schemaVersion', 1);
});

it('a schema refuses what it does not describe', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE, 'in.txt': '1' });
  const plan = JSON.parse((await here.bake(['plan', '--json'])).stdout) as { stages: object[] };
  expect(schema('plan').safeParse({ ...plan, schemaVersion: 2 }).success).toBe(false);
  const odd = { ...plan, stages: [{ ...plan.stages[0], status: 'maybe' }] };
  expect(schema('plan').safeParse(odd).success).toBe(false);
});
