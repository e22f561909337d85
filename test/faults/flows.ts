/** The flows that the fault tests interrupt, each with the state that it begins in, and what must hold afterwards whatever happened. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LAYERS, type Scene, STAGES } from './scenes.ts';
import { faultsOf } from './verify-cache.ts';

const INJECT = join(import.meta.dirname, 'inject.cjs');
const LIMIT_MS = 60_000;

/** `kill`, or an errno; with a `+` it stays from then on. */
export type Fault = 'kill' | 'EIO' | 'EACCES' | 'EMFILE' | 'ENOSPC+' | 'EDQUOT+';

export interface Flow {
  readonly name: string;
  /** STAGES unless it is given. */
  readonly scene?: Scene;
  readonly args: readonly string[];
  /** The exit status when nothing strikes it: 0. */
  readonly ends?: number;
  /** Brings a checkout in which everything is built to where the flow begins. */
  begin(checkout: FaultCheckout): void;
}

export const FLOWS: readonly Flow[] = [
  { name: 'store', args: ['run'], begin: (checkout) => checkout.edit() },
  {
    name: 'restore',
    args: ['run'],
    begin: (checkout) => checkout.remove(),
  },
  {
    name: 'replace',
    args: ['run'],
    begin(checkout) {
      checkout.edit();
      checkout.bake(['run', '--cache-dir', checkout.path('cache')], 'elsewhere');
    },
  },
  {
    name: 'remember',
    args: ['run'],
    // Neither snapshot nor memo is there: everything is looked at and remembered anew.
    begin: (checkout) => checkout.forget(),
  },
  {
    name: 'verify',
    args: ['run', '--verify'],
    begin: (checkout) => checkout.remove(),
  },
  { name: 'only read', args: ['run', '--cache-mode', 'read'], begin: (checkout) => checkout.edit() },
  {
    name: 'check',
    args: ['cache', 'verify', '--repair'],
    ends: 1,
    // What is damaged is wanted by the next run.
    begin(checkout) {
      checkout.damage();
      checkout.remove();
    },
  },
  { name: 'layers', scene: LAYERS, args: LAYERS.run, begin: (checkout) => checkout.edit() },
  { name: 'remove', args: ['cache', 'rm', '--all'], begin: () => undefined },
];

interface Ran {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

/** A checkout with a cache and files of its user, in which flows are interrupted. */
export class FaultCheckout implements Disposable {
  readonly directory: string;
  #value = 0;
  /** What is wrong in the cache because the flow began so, until the next run. */
  #damaged: string | null = null;

  readonly #scene: Scene;
  readonly #program: string;

  private constructor(directory: string, scene: Scene, program: string | null) {
    this.directory = directory;
    this.#scene = scene;
    this.#program = program ?? process.env['BAKE_TEST_PROGRAM'] ?? '';
    for (const place of ['', 'elsewhere/']) {
      writeFileSync(this.path(`${place}pipeline.yaml`), scene.pipeline);
      for (const [path, text] of Object.entries(scene.files ?? {}))
        writeFileSync(this.path(place, path), text);
    }
    writeFileSync(this.path('mine.txt'), 'mine');
    this.edit();
    this.#build();
  }

  /** One in which everything of a scene is built. */
  static async make(scene: Scene = STAGES): Promise<FaultCheckout> {
    const directory = mkdtempSync(join(tmpdir(), 'bake-faults-'));
    mkdirSync(join(directory, 'elsewhere'));
    return new FaultCheckout(directory, scene, await scene.program());
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  /** Another text in the input. */
  edit(): void {
    this.#value += 1;
    for (const place of ['', 'elsewhere/']) writeFileSync(this.path(`${place}in.txt`), `${this.#value}\n`);
  }

  /** Removes what is placed, and leaves what is the user's. */
  remove(): void {
    for (const path of this.#scene.placed) {
      if (path !== 't') rmSync(this.path(path), { recursive: true, force: true });
      else
        for (const name of readdirSync(this.path('t')))
          if (name !== 'mine.txt') rmSync(this.path('t', name), { recursive: true, force: true });
    }
  }

  /** Another bit in the blob that two stages share. */
  damage(): void {
    const digest = createHash('sha256').update(`${this.#value}\n`).digest('hex');
    const blob = this.path(
      'cache/v1/content-v2/sha256',
      digest.slice(0, 2),
      digest.slice(2, 4),
      digest.slice(4),
    );
    chmodSync(blob, 0o644);
    writeFileSync(blob, `${this.#value}\v`);
    chmodSync(blob, 0o444);
    this.#damaged = `blob ${digest} holds something else`;
  }

  forget(): void {
    rmSync(this.path('cache/private'), { recursive: true, force: true });
  }

  /** Runs the program here, or in another directory of it. */
  bake(args: readonly string[], where = '', env: Readonly<Record<string, string>> = {}): Ran {
    const node = env['FAULT_WITHIN'] === undefined ? [] : ['--require', INJECT];
    const ran = spawnSync(process.execPath, [...node, this.#program, ...args], {
      cwd: this.path(where),
      env: { PATH: process.env['PATH'] ?? '', HOME: this.path('elsewhere'), TMPDIR: this.directory, ...env },
      encoding: 'utf8',
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    const timedOut = (ran.error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
    return { code: ran.status, signal: timedOut ? 'HANG' : ran.signal, output: ran.stdout + ran.stderr };
  }

  #build(): void {
    const built = this.#run();
    if (built.code !== 0) throw new Error(built.output);
    mkdirSync(this.path('t'), { recursive: true });
    writeFileSync(this.path('t/mine.txt'), 'mine too');
  }

  /** Builds everything, undisturbed. */
  #run(): Ran {
    return this.bake(this.#scene.run);
  }

  /** Begins anew with an empty cache: all of it is verified after each point. */
  renew(): void {
    for (const path of ['cache', ...this.#scene.placed])
      rmSync(this.path(path), { recursive: true, force: true });
    this.#build();
  }

  /** How many operations of a flow a fault can strike. */
  count(flow: Flow, fault: Fault): number {
    flow.begin(this);
    const file = this.path('count');
    rmSync(file, { force: true });
    const ran = this.bake(flow.args, '', {
      FAULT_WITHIN: this.directory,
      FAULT_KIND: fault,
      FAULT_COUNT: file,
    });
    if (ran.code !== (flow.ends ?? 0))
      throw new Error(`${flow.name} ends with ${ran.code} without a fault: ${ran.output}`);
    const counted = Number(readFileSync(file, 'utf8').trim().split('\n').at(-1));
    rmSync(file);
    this.#mend();
    return counted;
  }

  /** Strikes the n-th operation of a flow; everything that is wrong then or after the next run. */
  strike(flow: Flow, fault: Fault, at: number): readonly string[] {
    flow.begin(this);
    const struck = this.bake(flow.args, '', {
      FAULT_WITHIN: this.directory,
      FAULT_KIND: fault,
      FAULT_AT: String(at),
    });
    const problems: string[] = [];
    const isExpected =
      fault === 'kill'
        ? struck.signal === 'SIGKILL' || struck.code === (flow.ends ?? 0)
        : struck.signal === null && struck.code !== 70;
    if (!isExpected)
      problems.push(`ended with ${struck.code ?? struck.signal}: ${struck.output.slice(-600)}`);
    if (flow.ends === 1 && struck.code === 0) problems.push('exit 0, but there was damage');
    problems.push(...this.#userFiles());
    if (flow.args[0] === this.#scene.run[0] && struck.code === 0)
      problems.push(...this.#scene.wrongIn(this.directory, this.#value).map((one) => `exit 0, but ${one}`));
    problems.push(
      ...faultsOf(this.path('cache')).filter((one) => !one.includes('missing') && one !== this.#damaged),
    );
    problems.push(...this.#mend());
    return problems;
  }

  /** The next run, without a fault, must put everything right by itself. */
  #mend(): readonly string[] {
    const clean = this.#run();
    // Whoever has nothing to build takes no lock, and leaves what another could not remove to the one who has.
    if (this.#leftovers().some((one) => one.includes('lock'))) {
      this.edit();
      const next = this.#run();
      if (next.code !== 0) return [`the run after it ended with ${next.code ?? next.signal}: ${next.output}`];
    }
    if (clean.code !== 0)
      return [`the next run ended with ${clean.code ?? clean.signal}: ${clean.output.slice(-600)}`];
    return [
      ...this.#scene.wrongIn(this.directory, this.#value).map((one) => `after the next run ${one}`),
      ...this.#userFiles(),
      ...this.#leftovers(),
      ...faultsOf(this.path('cache')),
    ];
  }

  #userFiles(): readonly string[] {
    const lost = Object.entries({ 'mine.txt': 'mine', 't/mine.txt': 'mine too' }).filter(
      ([path, text]) => !existsSync(this.path(path)) || readFileSync(this.path(path), 'utf8') !== text,
    );
    // Put back, so that the next point is judged by itself.
    for (const [path, text] of lost) {
      mkdirSync(this.path('t'), { recursive: true });
      writeFileSync(this.path(path), text);
    }
    return lost.map(([path]) => `the user's ${path} is gone`);
  }

  #leftovers(): readonly string[] {
    const { files = {}, placed } = this.#scene;
    const own = ['cache', 'elsewhere', 'in.txt', 'mine.txt', 'pipeline.yaml', 't'];
    const known = [...own, ...Object.keys(files), ...placed];
    const locks = this.path('cache/v1/locks');
    return [
      ...readdirSync(this.directory).filter((name) => !known.includes(name)),
      ...(existsSync(locks) ? readdirSync(locks).map((name) => `lock ${name}`) : []),
    ].map((name) => `left behind: ${name}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
