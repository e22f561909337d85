/** Every file of a cache and of what bake remembers, damaged in every way while its times stay: the next run gives the right bytes or says why not. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { filesBelow, harm, spread, WAYS, type Way } from '../support/damage.ts';
import { type Checkout, type Ended, Rig } from '../support/rig.ts';

const PIPELINE = `bake: 1
name: damage
stages:
  big: { run: "echo said; yes $(cat in.txt) | head -c 1300000 > b.bin", inputs: [in.txt], outputs: { b: b.bin } }
  tree: { run: "mkdir -p t/a; cp in.txt t/a/x; ln -s a/x t/l; echo t > t/z; chmod +x t/z", inputs: [in.txt], outputs: { t: t } }
  join:
    run: "sha256sum < \${{ stages.big.outputs.b }} > j.txt; cat \${{ stages.tree.outputs.t }}/a/x other.txt >> j.txt"
    inputs: [other.txt]
    outputs: { j: j.txt }
  copy: { run: "cp -r \${{ stages.tree.outputs.t }} u; chmod -R u+w u", outputs: { u: u } }
`;

/** How many points are tried; BAKE_DAMAGE_POINTS=all tries every one, in every situation. */
const POINTS = 24;
const LONGEST_RUN_MS = 60_000;

/** What is damaged, and what the run then has to do: nothing, put outputs back, or build one stage anew out of what is there. */
const SITUATIONS = ['same', 'displaced', 'edited'] as const;

/** What is not as it has to be. */
function wrongIn(here: Checkout, other: string): readonly string[] {
  const read = (path: string) => (existsSync(here.path(path)) ? readFileSync(here.path(path), 'utf8') : null);
  const sum = execFileSync('sha256sum', {
    input: Buffer.from('input\n'.repeat(300_000)).subarray(0, 1_300_000),
  });
  const wanted: readonly [string, string][] = [
    ['j.txt', `${sum.toString()}input\n${other}\n`],
    ['u/a/x', 'input\n'],
    ['u/z', 't\n'],
  ];
  const wrong = wanted.filter(([path, text]) => read(path) !== text).map(([path]) => path);
  if (wrong.length === 0 && readlinkSync(here.path('u/l')) !== 'a/x') wrong.push('u/l');
  return wrong;
}

interface Point {
  readonly path: string;
  readonly way: Way;
  readonly situation: (typeof SITUATIONS)[number];
}

/** Every file in every way and situation, or so many of them, spread evenly. */
function pointsIn(here: Checkout): readonly Point[] {
  const roots = ['cache', 'state'].filter((root) => existsSync(here.path(root)));
  const files = roots.flatMap((root) => filesBelow(here.path(root)).map((path) => `${root}/${path}`));
  const all = files.flatMap((path) =>
    SITUATIONS.flatMap((situation) => WAYS.map((way): Point => ({ path, way, situation }))),
  );
  return spread(all, POINTS);
}

/** A run that ends at least when it is killed: one that waits for a pipe would wait for ever. */
async function run(here: Checkout): Promise<Ended> {
  // All that bake remembers lies in the checkout, so that it can be put back as it was.
  const running = here.start(['run'], { env: { XDG_STATE_HOME: here.path('state') } });
  const late = setTimeout(() => running.kill('SIGKILL'), LONGEST_RUN_MS);
  const ended = await running.ended;
  clearTimeout(late);
  return ended;
}

/** What is wrong after a point was damaged; nothing when all is as promised. */
async function outcomeAt(here: Checkout, { path, way, situation }: Point): Promise<readonly string[]> {
  const other = situation === 'edited' ? '1' : '0';
  if (situation === 'edited') writeFileSync(here.path('other.txt'), '1\n');
  if (situation === 'displaced')
    for (const one of ['j.txt', 'u']) rmSync(here.path(one), { recursive: true });
  harm(here.path(path), way);
  const point = `${path} ${way} ${situation}`;
  const first = await run(here);
  if (first.code === 0) return wrongIn(here, other).map((one) => `${point}: ${one} is wrong`);
  const said = `${first.stdout}${first.stderr}`;
  if (![1, 2, 3].includes(first.code ?? 70))
    return [`${point}: ended with ${first.code ?? first.signal}\n${said}`];
  const second = await run(here);
  const isHealed = second.code === 0 && wrongIn(here, other).length === 0;
  return isHealed ? [] : [`${point}: not healed, ${second.code}\n${said}${second.stdout}${second.stderr}`];
}

test('whatever is damaged, the bytes are right or the run says why not, and the next one heals', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE, 'in.txt': 'input\n', 'other.txt': '0\n' });
  expect((await run(here)).code).toBe(0);
  expect((await run(here)).code).toBe(0);
  execFileSync('cp', ['-a', here.directory, rig.path('whole')]);
  const points = pointsIn(here);
  const bad: string[] = [];
  for (const point of points) {
    rmSync(here.directory, { recursive: true, force: true });
    execFileSync('cp', ['-a', rig.path('whole'), here.directory]);
    bad.push(...(await outcomeAt(here, point)));
  }
  expect(bad).toEqual([]);
  expect(points.length).toBeGreaterThan(7);
}, 3_600_000);

test('`--verify` finds what was changed behind the back of every stamp, and BAKE_VERIFY=1 does the same', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE, 'in.txt': 'input\n', 'other.txt': '0\n' });
  expect((await here.bake(['run'])).code).toBe(0);
  const quiet = await here.bake(['run', '--verify']);
  expect(quiet.code).toBe(0);
  // What looks as it did: as a disk that turns a bit, or a clock that stands, would leave it.
  cpSync(here.path('j.txt'), here.path('kept'));
  writeFileSync(here.path('j.txt'), 'X'.repeat(readFileSync(here.path('j.txt')).length));
  expect((await here.bake(['run'], { env: { BAKE_VERIFY: '1' } })).code).toBe(0);
  expect(readFileSync(here.path('j.txt'), 'utf8')).toBe(readFileSync(here.path('kept'), 'utf8'));
});
