/** Stories about a run after a small change: what is remembered spares looking, and never gives another answer than looking would. */
import {
  chmodSync,
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
  for (const name of ['.', 'in']) utimesSync(join(directory, name), then, then);
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
  const checkouts = rig.path(`cache-${name}`, 'v1/checkouts');
  return join(checkouts, readdirSync(checkouts)[0] ?? '', 'state.json');
}

it('does not even look up what an edit does not reach, but makes it again where its bytes are needed and lost', async () => {
  await using rig = await Rig.make();
  odd(rig, '1');
  const here = await built(rig, 'here');
  // Behind the program's back: whoever looks up a result now finds none.
  rmSync(rig.path('cache-here/v1/index-v5'), { recursive: true });
  here.write({ 'in/b.txt': 'bbb two' });
  const first = await here.run(['--cache-dir', rig.path('cache-here')], environment(rig));
  // b gave the same bytes as before, but its result and that of c could not be looked up.
  expect(first.outcomes).toMatchObject({ b: 'built', c: 'built', word: 'fresh', tool: 'fresh' });
  expect(first.outcomes['a']).toBe('built');
  expect(first.code).toBe(0);
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
  ['an output was written to', (here) => writeFileSync(here.path('c.out'), 'mine'), []],
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
