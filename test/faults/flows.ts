/** The flows that the fault tests interrupt, each with the state that it begins in, and what must hold afterwards whatever happened. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultsOf } from './verify-cache.ts';

const PIPELINE = `bake: 1
name: faults
stages:
  small: { run: "cat in.txt > s.txt; echo a line", inputs: [in.txt], outputs: { s: s.txt }, place: true }
  tree:
    run: "mkdir -p t/a/b t/empty; cp in.txt t/a/x; ln -s a/x t/l; echo t > t/z; chmod +x t/z; echo deep > t/a/b/y"
    inputs: [in.txt]
    outputs: { t: t }
    place: true
  big: { run: "yes $(cat in.txt) | head -c 1300000 > b.bin", inputs: [in.txt], outputs: { b: b.bin } }
  join:
    run: "sha256sum < \${{ stages.big.outputs.b }} > j.txt; cat \${{ stages.tree.outputs.t }}/a/x >> j.txt"
    outputs: { j: j.txt }
`;

const INJECT = join(import.meta.dirname, 'inject.cjs');
const LIMIT_MS = 60_000;

/** `kill`, or an errno; with a `+` it stays from then on. */
export type Fault = 'kill' | 'EIO' | 'EACCES' | 'EMFILE' | 'ENOSPC+' | 'EDQUOT+';

export interface Flow {
  readonly name: string;
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
    begin: (checkout) => checkout.remove('s.txt', 't', 'j.txt'),
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
    begin: (checkout) => checkout.remove('s.txt', 't', 'j.txt'),
  },
  { name: 'only read', args: ['run', '--cache-mode', 'read'], begin: (checkout) => checkout.edit() },
  {
    name: 'check',
    args: ['cache', 'verify', '--repair'],
    ends: 1,
    // What is damaged is wanted by the next run.
    begin(checkout) {
      checkout.damage();
      checkout.remove('s.txt', 't', 'j.txt');
    },
  },
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

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'bake-faults-'));
    mkdirSync(this.path('elsewhere'));
    for (const place of ['', 'elsewhere/']) writeFileSync(this.path(`${place}pipeline.yaml`), PIPELINE);
    writeFileSync(this.path('mine.txt'), 'mine');
    this.edit();
    const built = this.bake(['run']);
    if (built.code !== 0) throw new Error(built.output);
    writeFileSync(this.path('t/mine.txt'), 'mine too');
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  /** Another text in the input. */
  edit(): void {
    this.#value += 1;
    for (const place of ['', 'elsewhere/']) writeFileSync(this.path(`${place}in.txt`), `${this.#value}\n`);
  }

  remove(...paths: readonly string[]): void {
    for (const path of paths) {
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
    const program = process.env['BAKE_TEST_PROGRAM'] ?? '';
    const node = env['FAULT_WITHIN'] === undefined ? [program] : ['--require', INJECT, program];
    const ran = spawnSync(process.execPath, [...node, ...args], {
      cwd: this.path(where),
      env: { PATH: process.env['PATH'] ?? '', HOME: this.path('elsewhere'), TMPDIR: this.directory, ...env },
      encoding: 'utf8',
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    const timedOut = (ran.error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
    return { code: ran.status, signal: timedOut ? 'HANG' : ran.signal, output: ran.stdout + ran.stderr };
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
    if (flow.args[0] === 'run' && struck.code === 0)
      problems.push(...this.#outputs().map((one) => `exit 0, but ${one}`));
    problems.push(
      ...faultsOf(this.path('cache')).filter((one) => !one.includes('missing') && one !== this.#damaged),
    );
    problems.push(...this.#mend());
    return problems;
  }

  /** The next run, without a fault, must put everything right by itself. */
  #mend(): readonly string[] {
    const clean = this.bake(['run']);
    // Whoever has nothing to build takes no lock, and leaves what another could not remove to the one who has.
    if (this.#leftovers().some((one) => one.includes('lock'))) {
      this.edit();
      const next = this.bake(['run']);
      if (next.code !== 0) return [`the run after it ended with ${next.code ?? next.signal}: ${next.output}`];
    }
    if (clean.code !== 0)
      return [`the next run ended with ${clean.code ?? clean.signal}: ${clean.output.slice(-600)}`];
    return [
      ...this.#outputs().map((one) => `after the next run ${one}`),
      ...this.#userFiles(),
      ...this.#leftovers(),
      ...faultsOf(this.path('cache')),
    ];
  }

  #outputs(): readonly string[] {
    const value = `${this.#value}\n`;
    const wrong: string[] = [];
    const expectText = (path: string, text: string | RegExp) => {
      const found = existsSync(this.path(path)) ? readFileSync(this.path(path), 'utf8') : null;
      const isRight = found !== null && (typeof text === 'string' ? found === text : text.test(found));
      if (!isRight) wrong.push(`${path} holds ${JSON.stringify(found)}`);
    };
    expectText('s.txt', value);
    expectText('t/a/x', value);
    expectText('t/a/b/y', 'deep\n');
    expectText('t/z', 't\n');
    expectText('j.txt', new RegExp(`^[0-9a-f]{64}  -\n${this.#value}\n$`));
    const is = (path: string, test: () => boolean) => {
      if (!existsSync(this.path(path)) || !test()) wrong.push(`${path} is not as it should be`);
    };
    is('t/z', () => (lstatSync(this.path('t/z')).mode & 0o100) !== 0);
    is('t/l', () => readlinkSync(this.path('t/l')) === 'a/x');
    is('t/empty', () => lstatSync(this.path('t/empty')).isDirectory());
    return wrong;
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
    const known = ['cache', 'elsewhere', 'in.txt', 'j.txt', 'mine.txt', 'pipeline.yaml', 's.txt', 't'];
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
