/** Stories about users of one group who share a cache: honest ones get each other's work, whatever their umask, and nothing more. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';
import { pathsBelow, sharedCache, User } from '../support/two-users.ts';
import { without } from '../support/without.ts';

/** Bytes that are linked or copied rather than read whole. */
const LARGE = 1_300_000;

const PIPELINE = `bake: 1
name: shared
stages:
  make:
    run: |
      yes $(cat in.txt) | head -c ${LARGE} > large
      printf '#!/bin/sh\\necho %s\\n' "$(cat in.txt)" > tool; chmod 755 tool
      cat in.txt > key; chmod 600 key
      mkdir -p tree/a; cat in.txt > tree/a/f; ln -s a/f tree/l; chmod 444 large; ln large again
    inputs: [in.txt]
    outputs: { large: large, tool: tool, key: key, tree: tree, again: again }
    place: true
  use:
    run: cat \${{ stages.make.outputs.large }} \${{ stages.make.outputs.tree }}/l | sha256sum > sum
    outputs: { sum: sum }
`;

const OUTPUTS = ['large', 'tool', 'key', 'tree/a/f', 'again', 'sum'];

/** Bytes and modes of all outputs. */
function placed(here: Checkout): Readonly<Record<string, string>> {
  const files = OUTPUTS.map((path) => {
    const mode = (lstatSync(here.path(path)).mode & 0o7777).toString(8);
    return [path, `${mode} ${readFileSync(here.path(path)).toString('base64')}`];
  });
  return { ...Object.fromEntries(files), 'tree/l': readlinkSync(here.path('tree/l')) };
}

/** The modes that a user's umask leaves of those that the stage gave. */
function modesUnder(umask: string): Readonly<Record<string, string>> {
  const left = 0o777 & ~Number.parseInt(umask, 8);
  const wanted: readonly [path: string, mode: number][] = OUTPUTS.map((path) => [
    path,
    path === 'key' ? 0o600 : path === 'tool' ? 0o777 & left : 0o666 & left,
  ]);
  return Object.fromEntries(wanted.map(([path, mode]) => [path, mode.toString(8)]));
}

const SAME = { make: 'restored', use: 'restored' };

describe.skipIf(without.root)('honest users of one sticky cache (needs root to become them)', () => {
  it.each([
    ['022', '077'],
    ['077', '022'],
  ])(
    'with umask %s and %s restore what the other built, bytes and modes, and both store',
    async (one, two) => {
      await using rig = await Rig.make();
      const cache = sharedCache(rig);
      const [alice, bob] = [new User(rig, cache, 12_001), new User(rig, cache, 12_002)];
      const files = { 'pipeline.yaml': PIPELINE, 'in.txt': 'one\n' };
      const [hers, his] = [alice.checkout('a', files), bob.checkout('b', files)];
      const third = bob.checkout('third', files);
      const built = await hers.run([], alice.runs(one));
      expect([built.outcomes, built.stderr]).toEqual([{ make: 'built', use: 'built' }, '']);
      for (const there of [his, third]) {
        const restored = await there.run([], bob.runs(two));
        expect([restored.code, restored.outcomes]).toEqual([0, SAME]);
        const [got, wanted] = [placed(there), placed(hers)];
        for (const path of OUTPUTS) {
          expect(got[path]?.split(' ')[1], path).toBe(wanted[path]?.split(' ')[1]);
          expect(got[path]?.split(' ')[0], path).toBe(modesUnder(two)[path]);
          expect(wanted[path]?.split(' ')[0], path).toBe(modesUnder(one)[path]);
        }
      }
      // What is private stays so where it was placed.
      expect(alice.does('cat "$1"', his.path('key')).isOk).toBe(false);
      expect(bob.does('cat "$1"', hers.path('key')).isOk).toBe(false);
      // And the other way round.
      bob.must('echo two > "$1"', his.path('in.txt'));
      alice.must('echo two > "$1"', hers.path('in.txt'));
      const edited = await his.run([], bob.runs(two));
      expect([edited.outcomes, edited.stderr]).toEqual([{ make: 'built', use: 'built' }, '']);
      const back = await hers.run([], alice.runs(one));
      expect([back.outcomes, back.stderr]).toEqual([SAME, '']);
      expect(readFileSync(hers.path('sum'))).toEqual(readFileSync(his.path('sum')));
      expect(hers.read('tree/l')).toBe('two\n');
    },
  );

  it('remove results without breaking a build of the other that rests on them', async () => {
    await using rig = await Rig.make();
    rig.tools.make('work');
    const cache = sharedCache(rig);
    const [alice, bob] = [new User(rig, cache, 12_001), new User(rig, cache, 12_002)];
    const files = {
      'pipeline.yaml': `bake: 1
name: rm
stages:
  a: { run: "head -c ${LARGE} /dev/zero > big", outputs: { big: big } }
  b: { run: "work; wc -c < \${{ stages.a.outputs.big }} > n", outputs: { n: n } }
  c: { run: "cat \${{ stages.b.outputs.n }} \${{ stages.a.outputs.big }} | wc -c > m", outputs: { m: m } }
`,
    };
    const [hers, his] = [alice.checkout('a', files), bob.checkout('b', files)];
    expect((await his.run(['a'], bob.runs('077'))).code).toBe(0);
    const { run } = hers.startRun([], alice.runs('077'));
    const call = await rig.tools.next('work');
    const removed = await his.bake(['cache', 'rm', '--all'], bob.runs());
    expect([removed.code, removed.stderr]).toEqual([0, '']);
    await call.exit(0);
    const { code, outcomes, stderr } = await run;
    expect([code, outcomes, stderr]).toEqual([0, { a: 'restored', b: 'built', c: 'built' }, '']);
    expect(hers.read('m').trim()).toBe(String(LARGE + String(LARGE).length + 1));
  });

  it('see nothing of what the other keeps for himself: state, logs, workspaces and what is left of failures', async () => {
    await using rig = await Rig.make();
    rig.tools.make('work');
    const cache = sharedCache(rig);
    const [alice, bob] = [new User(rig, cache, 12_001), new User(rig, cache, 12_002)];
    const text = `bake: 1
name: own
stages:
  a: { run: "echo secret-of-hers; echo o > o", outputs: { o: o } }
  b: { run: "echo secret-of-hers > left; work; echo secret-of-hers; false", needs: [a] }
`;
    const hers = alice.checkout('a', { 'pipeline.yaml': text });
    // The first who comes has the private directory of the cache, the other his state home.
    for (const first of [alice, bob]) {
      const { run } = hers.startRun([], alice.runs('000'));
      const call = await rig.tools.next('work');
      const inUse = roots(cache, alice).flatMap((root) => readableIn(root, bob));
      await call.exit(0);
      expect((await run).code).toBe(1);
      expect([first.uid, inUse, roots(cache, alice).flatMap((root) => readableIn(root, bob))]).toEqual([
        first.uid,
        [],
        [],
      ]);
      const files = roots(cache, alice).flatMap((root) =>
        pathsBelow(root).map(({ path }) => join(root, path)),
      );
      expect(files.filter((path) => path.endsWith('b.log'))).toHaveLength(1);
      execFileSync('chown', [String(bob.uid), cache]);
      for (const root of roots(cache, alice)) rmSync(root, { recursive: true });
    }
  });
});

/** The directories of a user that are there. */
function roots(cache: string, { uid, home }: User): readonly string[] {
  const state = `${home}/.local/state/bake`;
  const named = existsSync(state) ? readdirSync(state).map((name) => join(state, name)) : [];
  return [`${cache}/private/${uid}`, ...named].filter((path) => existsSync(path));
}

/** What in them another user can list or read; each is tried by itself, whatever the directories above it allow. */
function readableIn(root: string, other: User): readonly string[] {
  const paths = [root, ...pathsBelow(root).map(({ path }) => join(root, path))];
  const { said } = other.does('for p; do [ -r "$p" ] && echo "$p"; done; true', ...paths);
  return said.split('\n').filter((line) => line !== '');
}
