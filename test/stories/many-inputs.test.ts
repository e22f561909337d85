/** Stories about more inputs than are read by one thread: what a run does with them is what it does with few. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';

const FILES = 9_000;
const pipeline = (inputs: string) => `bake: 1
name: many
stages:
  look:
    run: echo built > look.out
    workspace: in-place
    inputs: [${inputs}]
    outputs: { o: look.out }
`;

/** As if they had lain there for a while: what was just written is not read ahead. */
function writeOld(path: string, text: string): void {
  writeFileSync(path, text);
  utimesSync(path, 1_600_000_000, 1_600_000_000);
}

function withInputs(rig: Rig): Checkout {
  const here = rig.checkout('here');
  mkdirSync(here.path('in'));
  for (let at = 0; at < FILES; at++)
    writeOld(here.path('in', `${at}.${at % 10 === 0 ? 'log' : 'txt'}`), `${at}`);
  return here;
}

it('a mistake beside them is told, an edit of one is seen, one that is excluded is not, what was built is found', async () => {
  await using rig = await Rig.make();
  const here = withInputs(rig);
  here.write({ 'pipeline.yaml': pipeline('"in/**", absent.txt') });
  const mistaken = await here.bake(['run']);
  expect(mistaken).toMatchObject({ code: 2, signal: null });
  expect(mistaken.stderr).toContain('absent.txt');
  expect(here.has('cache')).toBe(false);
  here.write({ 'pipeline.yaml': pipeline('"in/**", "!**/*.log"') });
  const first = await here.run();
  expect(first.outcomes).toEqual({ look: 'built' });
  writeOld(here.path('in/10.log'), 'edited');
  expect((await here.run()).outcomes).toEqual({ look: 'fresh' });
  writeOld(here.path('in/8999.txt'), 'edited');
  const edited = await here.run();
  expect(edited.outcomes).toEqual({ look: 'built' });
  expect(edited.stages['look']?.reasons.join()).toContain('in/8999.txt');
  writeOld(here.path('in/8999.txt'), '8999');
  const asBefore = await here.bake(['plan', '--json']);
  expect(JSON.parse(asBefore.stdout).stages[0]).toMatchObject({
    status: 'hit',
    fingerprint: first.stages['look']?.fingerprint,
  });
});
