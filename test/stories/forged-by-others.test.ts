/** Stories about a cache that another user filled with what no bake writes: it is a miss, leads nowhere, and holds nobody. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { forgeResults, type StoredResult } from '../support/forged-cache.ts';
import { type BakeOptions, type Checkout, type Ended, Rig } from '../support/rig.ts';
import { pathsBelow, sharedCache, User } from '../support/two-users.ts';
import { without } from '../support/without.ts';

const FILES = {
  'pipeline.yaml': `bake: 1
name: forged
stages:
  a: { run: "echo said; cat in.txt > o; mkdir t; cp in.txt t/f", inputs: [in.txt], outputs: { o: o, t: t } }
`,
  'in.txt': 'right\n',
};

/** Other commands that read what is in the cache; one goes with each forgery. */
const COMMANDS: readonly (readonly string[])[] = [
  ['plan'],
  ['explain', 'a'],
  ['log', 'a'],
  ['cache', 'ls'],
  ['get', 'a', 'o', '--to', 'got'],
  ['cache', 'verify'],
  ['cache'],
];

/** Far longer than any of them takes. */
const PATIENCE_MS = 45_000;

/** Runs to the end, which comes by a kill where bake waits for a pipe. */
async function ended(here: Checkout, args: readonly string[], options: BakeOptions): Promise<Ended> {
  const running = here.start(args, options);
  const late = setTimeout(() => running.kill('SIGKILL'), PATIENCE_MS);
  try {
    return await running.ended;
  } finally {
    clearTimeout(late);
  }
}

/** Expected failures have these; 70 is a bug, null a process that had to be killed. */
const NO_CRASH: readonly (number | null)[] = [0, 1, 2, 3];

function everyArtifact(change: (artifact: StoredResult['artifacts'][number]) => void) {
  return (result: StoredResult) => {
    for (const artifact of result.artifacts) change(artifact);
  };
}

/** What a result may say; `outside` is a file of hers. */
const FORGERIES: Readonly<Record<string, (outside: string) => (result: StoredResult) => void>> = {
  'a path that leads out': () => everyArtifact((one) => Object.assign(one, { path: '../home-12001/bashrc' })),
  'an absolute path': (outside) => everyArtifact((one) => Object.assign(one, { path: outside })),
  'another name': () => everyArtifact((one) => Object.assign(one, { name: 'constructor' })),
  'a digest that is a path': () =>
    everyArtifact((one) =>
      Object.assign(one, { content: { type: 'file', digest: 'sha256:../../../etc/x' } }),
    ),
  'outputs that are nothing': () => (result) => Object.assign(result, { artifacts: [null] }),
  'no outputs': () => (result) => Object.assign(result, { artifacts: [] }),
  'no manifest': () => (result) => Object.assign(result, { manifest: { format: 1 } }),
  'another type of everything': () => (result) => {
    for (const key of Object.keys(result)) Object.assign(result, { [key]: 7 });
  },
};

/** What may lie in the place of a file. */
const ODD: Readonly<Record<string, string>> = {
  'a pipe': 'rm "$1"; mkfifo "$1"',
  'a link to a device that never ends': 'rm "$1"; ln -s /dev/zero "$1"',
  'a link to a file of hers': 'rm "$1"; ln -s "$HOME_OF_HERS/bashrc" "$1"',
  'a directory': 'rm "$1"; mkdir -p "$1/x"',
  'a file of the size of a disk': 'rm "$1"; truncate -s 8G "$1"',
  'a file that nobody may read': 'rm "$1"; echo x > "$1"; chmod 0 "$1"',
};

/** Two users; Bob's cache, with one honest result of his. */
async function scene(rig: Rig) {
  const cache = sharedCache(rig);
  const [alice, bob] = [new User(rig, cache, 12_001), new User(rig, cache, 12_002)];
  const [hers, his] = [alice.checkout('a', FILES), bob.checkout('b', FILES)];
  const bashrc = join(alice.home, 'bashrc');
  alice.must('echo mine > bashrc; chmod 640 bashrc');
  expect((await his.run([], bob.runs())).code).toBe(0);
  const whole = rig.path('whole');
  execFileSync('cp', ['-a', cache, whole]);
  let round = 0;
  return {
    cache,
    alice,
    bob,
    hers,
    bashrc,
    /** The cache and her checkout as they were. */
    reset() {
      for (const path of [cache, join(alice.home, '.local'), hers.path('o'), hers.path('t')])
        rmSync(path, { recursive: true, force: true });
      execFileSync('cp', ['-a', whole, cache]);
    },
    /** Runs as Alice, with another command before it, and expects that all is as if the cache were empty. */
    async expectMiss(what: string) {
      const command = COMMANDS[round++ % COMMANDS.length] ?? [];
      const asked = await ended(hers, command, alice.runs());
      expect([what, command, asked.stderr, NO_CRASH.includes(asked.code)]).toEqual([
        what,
        command,
        asked.stderr,
        true,
      ]);
      const run = await ended(hers, ['run'], alice.runs());
      const said = `${what}:\n${run.stdout}${run.stderr}`;
      expect([said, run.code, run.stdout.includes('a: built')]).toEqual([said, 0, true]);
      expect([what, hers.read('o'), hers.read('t/f')]).toEqual([what, 'right\n', 'right\n']);
      expect([what, readFileSync(bashrc, 'utf8'), lstatSync(bashrc).mode & 0o777]).toEqual([
        what,
        'mine\n',
        0o640,
      ]);
      expect(hers.read('pipeline.yaml')).toBe(FILES['pipeline.yaml']);
    },
  };
}

describe.skipIf(without.root)('a cache that another user filled (needs root to be both)', () => {
  it('with results that say what they like gives none of them', async () => {
    await using rig = await Rig.make();
    const { cache, bob, bashrc, reset, expectMiss } = await scene(rig);
    for (const [what, forgery] of Object.entries(FORGERIES)) {
      reset();
      expect(forgeResults(cache, forgery(bashrc))).toBeGreaterThan(0);
      execFileSync('chown', ['-R', String(bob.uid), `${cache}/v1`]);
      await expectMiss(what);
    }
  });

  it('with something else in the place of every file holds nobody and is a miss', async () => {
    await using rig = await Rig.make();
    const { cache, alice, bob, reset, expectMiss } = await scene(rig);
    for (const [what, script] of Object.entries(ODD)) {
      reset();
      for (const { path, type } of pathsBelow(`${cache}/v1`))
        if (type === 'file') bob.must(`HOME_OF_HERS="$2"; ${script}`, join(cache, 'v1', path), alice.home);
      await expectMiss(what);
    }
  });

  it('with links to her own directories changes and removes nothing there', async () => {
    await using rig = await Rig.make();
    const { cache, alice, bob, hers } = await scene(rig);
    alice.must(
      'mkdir -m 700 mine mine/d; for f in thesis d/x 0123456789abcdef01234567.txt; do echo mine > mine/$f; touch -d "3 days ago" mine/$f; done; chmod 600 mine/thesis',
    );
    const snapshot = () => {
      const paths = ['thesis', 'd/x', '0123456789abcdef01234567.txt'].map((path) =>
        join(alice.home, 'mine', path),
      );
      return paths.map((path) => existsSync(path) && [readFileSync(path, 'utf8'), lstatSync(path).mode]);
    };
    const before = snapshot();
    for (const name of ['work', 'locks', 'tmp', 'quarantine', 'index-v5', 'content-v2']) {
      bob.must('rm -rf "$1"; ln -s "$2" "$1"', `${cache}/v1/${name}`, join(alice.home, 'mine'));
      rmSync(hers.path('o'), { force: true });
      const run = await ended(hers, ['run'], alice.runs());
      expect([name, run.code, hers.read('o')], run.stdout + run.stderr).toEqual([name, 0, 'right\n']);
    }
    for (const args of [
      ['cache', 'verify', '--repair'],
      ['cache', 'rm', '--all'],
    ]) {
      const { code, stderr } = await ended(hers, args, alice.runs());
      expect([args, stderr, NO_CRASH.includes(code)]).toEqual([args, stderr, true]);
    }
    expect(snapshot()).toEqual(before);
  });

  it('with something else in the place of its directories is passed by', async () => {
    await using rig = await Rig.make();
    const { cache, alice, bob, hers, reset } = await scene(rig);
    const scripts = ['mkfifo "$1"', 'echo > "$1"', 'ln -s /nowhere/x "$1"', 'mkdir -m 0 "$1"'];
    for (const [at, name] of ['index-v5', 'content-v2', 'work', 'tmp', 'locks'].entries()) {
      reset();
      const script = scripts[at % scripts.length] ?? '';
      bob.must(`rm -rf "$1"; ${script}`, `${cache}/v1/${name}`);
      const run = await ended(hers, ['run'], alice.runs());
      const said = `${name}: ${script}\n${run.stdout}${run.stderr}`;
      expect([said, run.code, hers.read('o'), hers.read('t/f')]).toEqual([said, 0, 'right\n', 'right\n']);
    }
  });
});
