/** Following logs while their stages run. */
import { expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';

it('shows what stages write as they write it, several at once, and ends at Ctrl-C', async () => {
  await using rig = await Rig.make();
  rig.tools.make('speak');
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: told
stages:
  one: { run: speak one, tools: [speak], tags: [both] }
  two: { run: speak two, tools: [speak], tags: [both] }
`,
  });
  const { run } = here.startRun(['-j', '2']);
  const calls = [await rig.tools.next('speak'), await rig.tools.next('speak')];
  const follow = here.start(['log', 'tag:both', '--follow']);
  for (const call of calls) await call.print(`${call.args[0]} begins\n`);
  await follow.says(/one begins\n/);
  await follow.says(/two begins\n/);
  for (const call of calls) await call.print(`${call.args[0]} goes on\n`);
  await follow.says(/one goes on\n/);
  await follow.says(/two goes on\n/);
  for (const call of calls) await call.exit();
  expect((await run).outcomes).toEqual({ one: 'built', two: 'built' });
  follow.kill('SIGINT');
  const { stdout } = await follow.ended;
  expect(stdout.split('\n').sort()).toEqual(['', 'one begins', 'one goes on', 'two begins', 'two goes on']);
  // Afterwards the same is shown at once, stage by stage.
  const all = await here.bake(['log', 'tag:both']);
  expect(all.stdout).toBe('one begins\none goes on\ntwo begins\ntwo goes on\n');
});
