/** Stories about builders that do not see each other's network or processes, and about locks that strangers planted: one builds, the other waits, nobody waits for ever. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { sharedCache, User } from '../support/two-users.ts';
import { without } from '../support/without.ts';

const WORK = `bake: 1
name: apart
stages:
  a: { run: work, outputs: { out: out } }
`;

const NETWORK = ['unshare', '--net'];
const PROCESSES = ['unshare', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** As in a container that was given the `/proc` of its host. */
const HIDDEN = ['unshare', '--pid', '--fork', '--kill-child'];

describe.skipIf(without.root)('two users in namespaces of their own (needs root to make them)', () => {
  it.each([
    ['networks', NETWORK, NETWORK, '022', '077'],
    ['network and process numbers', PROCESSES, PROCESSES, '077', '022'],
    ['process numbers under one /proc', HIDDEN, HIDDEN, '077', '077'],
    ['everything, against one who is outside', PROCESSES, [], '022', '077'],
  ])('with %s apart build once; the other waits and takes the result', async (_, one, two, hers, his) => {
    await using rig = await Rig.make();
    rig.tools.make('work');
    const cache = sharedCache(rig);
    const [alice, bob] = [new User(rig, cache, 12_001), new User(rig, cache, 12_002)];
    const here = alice.checkout('a', { 'pipeline.yaml': WORK });
    const there = bob.checkout('b', { 'pipeline.yaml': WORK });
    const first = here.startRun(['--reporter', 'plain'], alice.runs(hers, one));
    const call = await rig.tools.next('work');
    const second = there.startRun(['--reporter', 'plain'], bob.runs(his, two));
    await second.running.says(/waiting for process \d+/);
    await call.write('out', 'once');
    await call.exit(0);
    expect((await first.run).outcomes).toEqual({ a: 'built' });
    expect((await second.run).outcomes).toEqual({ a: 'restored' });
    expect([there.read('out'), rig.tools.count('work')]).toEqual(['once', 1]);
    expect(readdirSync(`${cache}/v1/locks`)).toEqual([]);
  });
});

/** What a stranger may put where the lock of a build belongs. */
const PLANTED: Readonly<Record<string, string>> = {
  junk: 'echo junk > "$1"',
  'a file that nobody may read': 'echo "{}" > "$1"; chmod 0 "$1"',
  'a pipe': 'mkfifo "$1"',
  'a directory that nobody may remove': 'mkdir -p "$1/x/y"; chmod 0 "$1/x"; chmod 555 "$1"',
  'a link to a file of hers': 'ln -s "$2/bashrc" "$1"',
};

/** Less than the time that one who is seen to live is waited for, which nothing here is. */
const LIMIT_S = 25;
/** So much processor time a run takes that waits without looking all the time, on a slow machine. */
const BUSY_S = 2.5;

const FILES = { 'pipeline.yaml': WORK.replace('work', 'echo o > out') };

async function holdsNobody(what: string, script: string): Promise<void> {
  await using rig = await Rig.make();
  const cache = sharedCache(rig);
  const [alice, mallory] = [new User(rig, cache, 12_001), new User(rig, cache, 12_003)];
  alice.must('echo mine > bashrc');
  const here = alice.checkout('a', FILES);
  const planned = await here.bake(['plan', '--json'], alice.runs());
  const name = /sha256:([0-9a-f]{64})/.exec(planned.stdout)?.[1] ?? '';
  const locks = join(cache, 'v1/locks');
  // One of them is in a directory where she cannot move it away, so that every name is taken.
  const isStuck = what.includes('read');
  mallory.must('mkdir -p "$1"; chmod "$2" "$1"', locks, isStuck ? '3777' : '2777');
  for (const suffix of isStuck ? ['', '.1', '.2', '.3'] : [''])
    mallory.must(script, join(locks, `${name}${suffix}`), alice.home);
  const timed = ['bash', '-c', 'TIMEFORMAT="busy %U %S"; time "$@"', 'bash'];
  const options = alice.runs('022', ['timeout', '-k', '1', String(LIMIT_S), ...timed]);
  const { code, stdout, stderr } = await here.bake(['run'], options);
  expect([what, code, here.has('out') && here.read('out')], stdout + stderr).toEqual([what, 0, 'o\n']);
  const [, user, system] = /^busy (\S+) (\S+)$/m.exec(stderr) ?? [];
  expect(Number(user) + Number(system), what).toBeLessThan(BUSY_S);
  expect(alice.does('cat bashrc').said).toBe('mine\n');
}

describe.skipIf(without.root)('a lock that a stranger planted (needs root to be him)', () => {
  it('holds a build for a moment, without keeping the processor busy, and costs nobody anything', async () => {
    await Promise.all(Object.entries(PLANTED).map(([what, script]) => holdsNobody(what, script)));
  });
});
