/** Stories about what somebody else puts where bake keeps what is the user's alone: it is neither believed, nor executed, nor killed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, lstatSync, mkdirSync, rmSync, type Stats } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { forgePlans, forgeStamps, plantGroup, plantMachine } from '../support/planted-state.ts';
import { type BakeOptions, type Checkout, Rig } from '../support/rig.ts';
import { sharedCache, User } from '../support/two-users.ts';
import { without } from '../support/without.ts';

const PIPELINE = `bake: 1
name: planted
stages:
  a: { run: "cat in.txt > o", inputs: [in.txt], outputs: { o: o } }
`;

/** Where a user's own part of a cache lies, whoever she is. */
interface Place {
  readonly cache: string;
  /** Of root, sticky, and open to all. */
  readonly parent: string;
  readonly own: string;
}

/** Ways to have a directory of his own found in the place of hers; each is given the path of that directory, which is Bob's. */
const WAYS: Readonly<Record<string, (place: Place, bob: User, planted: string) => void>> = {
  'it is his, and open to all': ({ own }, bob, planted) =>
    bob.must('chmod -R 777 "$1"; mv "$1" "$2"', planted, own),
  'it is a link to his': ({ own }, bob, planted) => bob.must('ln -s "$1" "$2"', planted, own),
  'the one above it is his': ({ parent, own }, bob, planted) => {
    rmSync(parent, { recursive: true });
    bob.must('mkdir -m 777 "$1"; mv "$2" "$3"', parent, planted, own);
  },
  'the one above it is a link to his': ({ parent, own }, bob, planted) => {
    rmSync(parent, { recursive: true });
    bob.must('mkdir his; mv "$2" "his/${3##*/}"; ln -s "$PWD/his" "$1"', parent, planted, own);
  },
  'it is hers, but was open to all for a while': ({ own }, bob, planted) => {
    bob.must('chmod -R 777 "$1"', planted);
    execFileSync('cp', ['-a', planted, own]);
    // As if he had written into every file of hers.
    execFileSync('chown', ['-R', '12001:12001', own]);
  },
};

/** What cannot hold anything. */
const OBSTACLES: Readonly<Record<string, string>> = {
  'a file': 'echo > "$1"',
  'a pipe': 'mkfifo "$1"',
  'a link to nowhere': 'ln -s /nowhere/x "$1"',
};

class Victim implements AsyncDisposable {
  readonly alice: User;
  readonly here: Checkout;
  readonly options: BakeOptions;
  sleeper!: ChildProcess;
  #taken = new Map<string, Stats>();
  readonly #rig: Rig;
  #round = 0;

  constructor(rig: Rig, alice: User, options: BakeOptions) {
    this.#rig = rig;
    this.alice = alice;
    this.options = options;
    this.here = alice.checkout('here', { 'pipeline.yaml': PIPELINE, 'in.txt': 'right 0\n' });
    this.sleep();
  }

  /** A process of hers, in a group of its own. */
  sleep(): void {
    const [file = '', ...words] = this.alice.words();
    this.sleeper = spawn(file, [...words, 'sleep', '1000'], { stdio: 'ignore', detached: true });
  }

  get owned(): string {
    return `${this.alice.home}/owned`;
  }

  /** Runs twice, so that everything is remembered, and takes that away. */
  async take(own: string): Promise<void> {
    for (const args of [['run'], ['plan']]) expect((await this.here.bake(args, this.options)).code).toBe(0);
    for (const name of ['in.txt', 'o']) this.#taken.set(name, lstatSync(this.here.path(name)));
    cpSync(own, this.#rig.path('taken'), { recursive: true });
    rmSync(own, { recursive: true });
  }

  /** Edits her input; the state that knows nothing of it, and runs what she never wrote. */
  plant(): { readonly planted: string; readonly right: string } {
    const right = `right ${++this.#round}\n`;
    this.alice.must('printf "$2" > "$1"', this.here.path('in.txt'), right);
    const planted = this.#rig.path(`planted-${this.#round}`);
    cpSync(this.#rig.path('taken'), planted, { recursive: true });
    const moved = [...this.#taken].map(
      ([name, before]) => [before, lstatSync(this.here.path(name))] as const,
    );
    forgeStamps(planted, moved);
    forgePlans(planted, `id > ${this.owned}`);
    plantGroup(planted, this.sleeper.pid as number);
    plantMachine(planted, this.sleeper.pid as number);
    return { planted, right };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.sleeper.exitCode !== null || this.sleeper.signalCode !== null) return;
    this.sleeper.kill('SIGKILL');
    await once(this.sleeper, 'exit');
  }
}

const ALICE = 12_001;

/** Two bases: the part of a cache that is hers, and her state home where the cache is not safe. */
function placeIn(rig: Rig, base: string, cache: string, bob: User): Place & { env: Record<string, string> } {
  const parent = base === 'the cache' ? `${cache}/private` : rig.path('state/bake');
  if (base === 'the state home') {
    chownSync(cache, bob.uid, bob.uid);
    mkdirSync(rig.path('state'));
    chmodSync(rig.path('state'), 0o1777);
  }
  const env: Record<string, string> = base === 'the state home' ? { XDG_STATE_HOME: rig.path('state') } : {};
  return { cache, parent, own: '', env };
}

function openParent({ parent }: Place): void {
  rmSync(parent, { recursive: true, force: true });
  mkdirSync(parent);
  chmodSync(parent, 0o1777);
}

describe.skipIf(without.root)(
  'what somebody else put where her own state belongs (needs root to be both)',
  () => {
    it.each(['the cache', 'the state home'])('in %s is not believed', async (base) => {
      await using rig = await Rig.make();
      const cache = sharedCache(rig, 0o3777);
      const [alice, bob] = [new User(rig, cache, ALICE), new User(rig, cache, 12_002)];
      const { env, ...found } = placeIn(rig, base, cache, bob);
      const runs = alice.runs();
      await using victim = new Victim(rig, alice, { ...runs, env: { ...runs.env, ...env } });
      openParent(found);
      await victim.here.bake(['run'], victim.options);
      const [name = ''] = execFileSync('ls', [found.parent], { encoding: 'utf8' }).split('\n');
      const place = { ...found, own: `${found.parent}/${name}` };
      await victim.take(place.own);

      // What makes all that follows mean something: were it hers, it would be believed.
      const { planted } = victim.plant();
      execFileSync('cp', ['-a', planted, place.own]);
      execFileSync('chown', ['-R', `${ALICE}:${ALICE}`, place.own]);
      chmodSync(place.own, 0o700);
      const believed = await victim.here.bake(['run'], victim.options);
      expect([believed.stdout, victim.here.read('o')]).toEqual([
        expect.stringContaining('nothing to do'),
        'right 0\n',
      ]);
      execFileSync('sh', ['-c', 'rm -r "$1/quick" "$1"/checkouts/*/state.json', 'sh', place.own]);
      const killed = once(victim.sleeper, 'exit');
      expect((await victim.here.bake(['run'], victim.options)).stdout).toContain('abc123');
      await killed;
      expect(existsSync(victim.owned)).toBe(true);
      rmSync(victim.owned);
      victim.sleep();

      for (const [way, put] of Object.entries(WAYS)) {
        openParent(place);
        const forged = victim.plant();
        execFileSync('chown', ['-R', `${bob.uid}:${bob.uid}`, forged.planted]);
        put(place, bob, forged.planted);
        const run = await victim.here.bake(['run'], victim.options);
        const said = `${way}:\n${run.stdout}${run.stderr}`;
        expect([said, run.code, victim.here.read('o')]).toEqual([said, 0, forged.right]);
        expect(said).not.toContain('abc123');
        expect([existsSync(victim.owned), victim.sleeper.signalCode], way).toEqual([false, null]);
      }
      for (const [what, put] of base === 'the cache' ? Object.entries(OBSTACLES) : []) {
        openParent(place);
        victim.alice.must('printf "$2" > "$1"', victim.here.path('in.txt'), `${what}\n`);
        bob.must(put, place.own);
        const run = await victim.here.bake(['run'], victim.options);
        const said = `${what}:\n${run.stdout}${run.stderr}`;
        expect([said, run.code, victim.here.read('o')]).toEqual([said, 0, `${what}\n`]);
      }
    });
  },
);
