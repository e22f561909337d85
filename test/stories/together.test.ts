/** Stories about several things at once: parallel stages, two bakes, one cache. */
import { expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';

const WORK = `bake: 1
name: together
stages:
  a: { run: work a, outputs: { out: out } }
`;

it('runs as many stages at once as it may, and no more', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: together
stages:
  a: { run: work a }
  b: { run: work b }
  c: { run: work c }
`,
  });
  const { run } = here.startRun(['-j2']);
  const [first, second] = [await rig.tools.next('work'), await rig.tools.next('work')];
  expect(rig.tools.count('work')).toBe(2);
  await first.exit(0);
  const third = await rig.tools.next('work');
  await second.exit(0);
  await third.exit(0);
  expect((await run).outcomes).toEqual({ a: 'built', b: 'built', c: 'built' });
});

it('builds once when two checkouts need the same at the same time; the other says whom it waits for', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  const env = { BAKE_CACHE_DIR: rig.path('shared') };
  const here = rig.checkout('here', { 'pipeline.yaml': WORK });
  const there = rig.checkout('there', { 'pipeline.yaml': WORK });
  const first = here.startRun(['--reporter', 'plain'], { env });
  const call = await rig.tools.next('work');
  const second = there.startRun(['--reporter', 'plain'], { env });
  await second.running.says(new RegExp(`waiting.*${first.running.child.pid}`));
  await call.write('out', 'once');
  await call.exit(0);
  expect((await first.run).outcomes).toEqual({ a: 'built' });
  expect((await second.run).outcomes).toEqual({ a: 'restored' });
  expect(there.read('out')).toBe('once');
  expect(rig.tools.count('work')).toBe(1);
});

it('takes over at once when the one it waits for is killed', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  const here = rig.checkout('here', { 'pipeline.yaml': WORK });
  const first = here.startRun(['--reporter', 'plain']);
  await rig.tools.next('work');
  const second = here.startRun(['--reporter', 'plain']);
  await second.running.says(/waiting/);
  first.running.kill('SIGKILL');
  const call = await rig.tools.next('work');
  await call.write('out', 'taken over');
  await call.exit(0);
  expect((await second.run).outcomes).toEqual({ a: 'built' });
  expect(here.read('out')).toBe('taken over');
});

it('gives a stage that asks for all processors the host for itself', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: together
stages:
  big: { run: work big, resources: { cpu: 64 } }
  small: { run: work small }
`,
  });
  const { run } = here.startRun(['-j2']);
  const first = await rig.tools.next('work');
  expect(rig.tools.count('work')).toBe(1);
  await first.exit(0);
  const second = await rig.tools.next('work');
  await second.exit(0);
  expect((await run).outcomes).toEqual({ big: 'built', small: 'built' });
});
