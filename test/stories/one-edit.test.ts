/** Stories about a run after a small change: what is remembered spares looking, and never gives another answer than looking would. */
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { noise } from '../support/disks.ts';
import { ownPath } from '../support/own-place.ts';
import type { Checkout } from '../support/rig.ts';
import { Rig } from '../support/rig.ts';

const PIPELINE = `bake: 1
name: edits
vars:
  word: one
stages:
  a:
    run: cat in/a.txt > a.out
    inputs: [in/a.txt]
    outputs: { o: a.out }
  b:
    run: head -c 3 in/b.txt > b.out
    inputs: [in/b.txt]
    outputs: { o: b.out }
  c:
    run: cat \${{ stages.a.outputs.o }} \${{ stages.b.outputs.o }} > c.out
    outputs: { o: c.out }
  many:
    run: ls -l in | wc -l > many.out
    inputs: ["in/*.txt"]
    outputs: { o: many.out }
  word:
    run: echo \${{ vars.word }} > word.out
    outputs: { o: word.out }
  tool:
    run: odd --version > tool.out
    outputs: { o: tool.out }
    tools: [odd]
`;
const INPUTS = { 'in/a.txt': 'a', 'in/b.txt': 'bbb one' };
const SECONDS_AGO = 100;

/** As if everything in a directory had been there for a while. */
function age(directory: string): void {
  const then = Date.now() / 1000 - SECONDS_AGO;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!statSync(join(directory, name)).isFile()) continue;
    utimesSync(join(directory, name), then, then);
  }
  for (const name of ['.', 'in'].filter((one) => existsSync(join(directory, one))))
    utimesSync(join(directory, name), then, then);
}

function odd(rig: Rig, version: string): void {
  const place = rig.path('tools');
  rig.checkout('tools').write({ odd: `#!/bin/sh\necho odd ${version}\n` }, 0o755);
  age0(join(place, 'odd'));
}

function age0(path: string): void {
  const then = Date.now() / 1000 - SECONDS_AGO;
  utimesSync(path, then, then);
}

/** Writes a file as if that had been a while ago, so that its stamp is trusted. */
function editLongAgo(here: Checkout, path: string, text: string): void {
  here.write({ [path]: text });
  age0(here.path(path));
}

/** A checkout that was built, with files that have lain there for a while. */
async function built(rig: Rig, name: string): Promise<Checkout> {
  const here = rig.checkout(name, { 'pipeline.yaml': PIPELINE, ...INPUTS });
  age(here.directory);
  const run = await here.run(['--cache-dir', rig.path(`cache-${name}`)], environment(rig));
  expect(run.stderr).toBe('');
  return here;
}

function environment(rig: Rig) {
  return { env: { PATH: `${rig.path('tools')}:${process.env['PATH']}` } };
}

function stateOf(rig: Rig, name: string): string {
  const checkouts = ownPath(rig.path(`cache-${name}`), 'checkouts');
  return join(checkouts, readdirSync(checkouts)[0] ?? '', 'state.json');
}

it('does not even look up what an edit does not reach, but makes it again where its bytes are needed and lost', async () => {
  await using rig = await Rig.make();
  odd(rig, '1');
  const here = await built(rig, 'here');
  // Behind the program's back: whoever looks up a result now finds none.
  rmSync(rig.path('cache-here/v1/index-v5'), { recursive: true });
  const run = () => here.run(['--cache-dir', rig.path('cache-here')], environment(rig));
  here.write({ 'in/b.txt': 'bbb two' });
  // b gives the same bytes as before: c, which reads them, is not looked up either.
  expect((await run()).outcomes).toMatchObject({ a: 'fresh', b: 'built', c: 'fresh', word: 'fresh' });
  here.write({ 'in/b.txt': 'two' });
  const second = await run();
  expect(second.outcomes).toMatchObject({ a: 'built', b: 'built', c: 'built', word: 'fresh', tool: 'fresh' });
  expect(second.code).toBe(0);
  expect(here.read('c.out')).toBe('atwo');
});

it('notices that what a stage reads was made anew by a run of other stages', async () => {
  await using rig = await Rig.make();
  odd(rig, '1');
  const here = await built(rig, 'here');
  const run = (...targets: string[]) =>
    here.run([...targets, '--cache-dir', rig.path('cache-here')], environment(rig));
  editLongAgo(here, 'in/b.txt', 'new');
  // a is among them so that not everything in that run has changed.
  expect((await run('a', 'b')).outcomes).toEqual({ a: 'fresh', b: 'built' });
  expect((await run()).outcomes).toMatchObject({ a: 'fresh', b: 'fresh', c: 'built' });
  expect(here.read('c.out')).toBe('anew');
});

it('looks again at the files of a stage that waited, for they may have been edited meanwhile', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'in/a.txt': 'one', 'in/late.txt': 'one' });
  const pipeline = `bake: 1
name: meanwhile
stages:
  slow:
    run: cp in/a.txt '${here.path('in/late.txt')}' && echo same > slow.out
    inputs: [in/a.txt]
    outputs: { o: slow.out }
  reader:
    run: cat in/late.txt \${{ stages.slow.outputs.o }} > reader.out
    inputs: [in/late.txt]
    outputs: { o: reader.out }
`;
  here.write({ 'pipeline.yaml': pipeline });
  age(here.directory);
  // The first time it is told that the file was edited, and nothing is built of it.
  expect((await here.run()).outcomes).toEqual({ slow: 'built', reader: 'failed' });
  age0(here.path('in/late.txt'));
  expect((await here.run()).outcomes).toEqual({ slow: 'fresh', reader: 'built' });
  editLongAgo(here, 'in/a.txt', 'two');
  const third = await here.run();
  expect(third.outcomes['slow']).toBe('built');
  expect(third.outcomes['reader']).not.toBe('fresh');
  expect((await here.run()).code).toBe(0);
  expect(here.read('reader.out')).toBe('twosame\n');
});

it.each([1, 2, 3])('is right after any order of edits and runs of some stages (seed %i)', async (seed) => {
  await using rig = await Rig.make();
  odd(rig, '1');
  const here = await built(rig, 'here');
  const dice = noise(64, seed);
  let at = 0;
  const roll = (sides: number): number => (dice[at++ % dice.length] as number) % sides;
  const run = (...targets: string[]) =>
    here.run([...targets, '--cache-dir', rig.path('cache-here')], environment(rig));
  for (let round = 0; round < 8; round++) {
    const letters = 'xyz';
    const file = `in/${'ab'[roll(2)]}.txt`;
    const text = `${letters[roll(3)]}${letters[roll(2)]}z more`;
    if (roll(4) > 0) editLongAgo(here, file, text);
    else here.write({ [file]: text });
    const targets = [['a'], ['b'], ['a', 'b'], ['c'], ['a', 'word'], []][roll(6)] as string[];
    const { code, outcomes } = await run(...targets);
    expect(code).toBe(0);
    if (!('c' in outcomes)) continue;
    expect(here.read('c.out')).toBe(`${here.read('in/a.txt')}${here.read('in/b.txt').slice(0, 3)}`);
  }
  await run();
  expect(here.read('c.out')).toBe(`${here.read('in/a.txt')}${here.read('in/b.txt').slice(0, 3)}`);
});

it('stops where the bytes are the same as before', async () => {
  await using rig = await Rig.make();
  odd(rig, '1');
  const here = await built(rig, 'here');
  here.write({ 'in/b.txt': 'bbb two' });
  const run = await here.run(['--cache-dir', rig.path('cache-here')], environment(rig));
  expect(run.outcomes).toEqual({
    a: 'fresh',
    b: 'built',
    c: 'fresh',
    many: 'built',
    word: 'fresh',
    tool: 'fresh',
  });
});

it('loads neither schemas nor other kinds to run an edited command, but does for a kind that needs them', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': `bake: 1
name: kinds
stages:
  command: { run: cp in.txt out.txt, inputs: [in.txt], outputs: { o: out.txt } }
  sums: { uses: checksums, with: { files: { other: other.txt } } }
`,
    'in.txt': 'one',
    'other.txt': 'one',
  });
  expect((await here.run()).outcomes).toEqual({ command: 'built', sums: 'built' });
  const loadedAfterEdit = async (file: string): Promise<readonly string[]> => {
    here.write({ [file]: 'two' });
    const coverage = rig.path(`coverage-${file}`);
    const run = await here.run([], { env: { NODE_V8_COVERAGE: coverage } });
    expect(Object.values(run.outcomes).sort()).toEqual(['built', 'fresh']);
    const [report] = readdirSync(coverage);
    const { result } = JSON.parse(readFileSync(join(coverage, report as string), 'utf8')) as {
      result: { url: string }[];
    };
    return result.map(({ url }) => url).filter((url) => url.includes('/chunks/stages-'));
  };
  expect(await loadedAfterEdit('in.txt')).toEqual([]);
  expect(await loadedAfterEdit('other.txt')).toHaveLength(1);
});

const CHANGES: readonly (readonly [string, (here: Checkout, rig: Rig) => void, readonly string[]])[] = [
  ['nothing', () => undefined, []],
  [
    'an input has other bytes, but the same size and time',
    (here) => {
      writeFileSync(here.path('in/a.txt'), 'x');
      age0(here.path('in/a.txt'));
    },
    [],
  ],
  ['an input became executable', (here) => chmodSync(here.path('in/a.txt'), 0o755), []],
  ['a wildcard finds one more', (here) => here.write({ 'in/c.txt': 'c' }), []],
  [
    'a wildcard finds one less',
    (here) => {
      here.write({ 'in/c.txt': 'c' });
      unlinkSync(here.path('in/c.txt'));
    },
    [],
  ],
  ['an output is gone', (here) => unlinkSync(here.path('c.out')), []],
  ['an output was emptied', (here) => writeFileSync(here.path('c.out'), ''), ['--replace']],
  ['an output was written to', (here) => writeFileSync(here.path('c.out'), 'mine'), ['--replace']],
  ['a variable has another value', () => undefined, ['--var', 'word=two']],
  ['a tool has another version', (_, rig) => odd(rig, '2'), []],
  ['one is forced', () => undefined, ['--force=a']],
  [
    'the pipeline has another command',
    (here) => here.write({ 'pipeline.yaml': PIPELINE.replace('cat in/a.txt', 'cat in/a.txt in/a.txt') }),
    [],
  ],
];

it.each(CHANGES)('gives the answer that looking at everything gives when %s', async (_, change, flags) => {
  await using rig = await Rig.make();
  odd(rig, '1');
  const [kept, anew] = [await built(rig, 'kept'), await built(rig, 'anew')];
  for (const here of [kept, anew]) change(here, rig);
  unlinkSync(stateOf(rig, 'anew'));
  const run = (here: Checkout, name: string) =>
    here.run([...flags, '--cache-dir', rig.path(`cache-${name}`)], environment(rig));
  const [remembered, looked] = [await run(kept, 'kept'), await run(anew, 'anew')];
  const named = ({ stages }: typeof looked) =>
    Object.fromEntries(
      Object.values(stages).map(({ name, fingerprint, outputs }) => [name, { fingerprint, outputs }]),
    );
  expect(remembered.code).toBe(0);
  expect(named(remembered)).toEqual(named(looked));
  const ran = ({ outcomes }: typeof looked) =>
    Object.keys(outcomes).filter((name) => outcomes[name] === 'built');
  expect(ran(remembered)).toEqual(ran(looked));
  for (const file of ['c.out', 'many.out', 'word.out', 'tool.out'])
    expect(kept.read(file)).toBe(anew.read(file));
});
