/** The rig of the stories: temporary checkouts, the real program in a child process, and tools on PATH that wait to be told what to do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DrivenTools } from './driven-tool.ts';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface BakeOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Run as this user and group; only root can. */
  readonly uid?: number;
  /** A program and its first arguments that starts bake: in another namespace, as another user, with another umask. */
  readonly wrapper?: readonly string[];
}

/** A bake that runs. */
class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';
  #isOver = false;
  readonly #watchers = new Set<() => void>();

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#take(chunk.toString(), ''));
    child.stderr?.on('data', (chunk: Buffer) => this.#take('', chunk.toString()));
    this.ended = new Promise((done) => {
      child.on('close', (code, signal) => {
        this.#isOver = true;
        this.#take('', '');
        done({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Waits until it has written something that matches, and gives that; rejects when it ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((done, reject) => {
      const look = () => {
        const found = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
        if (found === null && !this.#isOver) return;
        this.#watchers.delete(look);
        if (found !== null) done(found);
        else reject(new Error(`ended without saying ${pattern}:\n${this.#stdout}\n${this.#stderr}`));
      };
      this.#watchers.add(look);
      look();
    });
  }

  #take(out: string, err: string): void {
    this.#stdout += out;
    this.#stderr += err;
    for (const watcher of [...this.#watchers]) watcher();
  }
}

export interface SummaryStage {
  readonly name: string;
  readonly outcome: string;
  readonly fingerprint: string | null;
  readonly reasons: readonly string[];
  readonly outputs: readonly {
    readonly name: string;
    readonly path: string | null;
    readonly digest: string;
    readonly sizeBytes: number;
  }[];
  readonly log: string | null;
  readonly failure: { readonly code: string; readonly [fact: string]: unknown } | null;
}

export interface Run extends Ended {
  readonly outcomes: Readonly<Record<string, string>>;
  readonly stages: Readonly<Record<string, SummaryStage>>;
}

/** A directory with a pipeline in it. */
export class Checkout {
  readonly directory: string;
  readonly #rig: Rig;

  constructor(directory: string, rig: Rig) {
    this.directory = directory;
    this.#rig = rig;
    mkdirSync(directory, { recursive: true });
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  write(files: Readonly<Record<string, string>>, mode?: number): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(this.path(path)), { recursive: true });
      writeFileSync(this.path(path), text);
      if (mode !== undefined) chmodSync(this.path(path), mode);
    }
  }

  read(path: string): string {
    return readFileSync(this.path(path), 'utf8');
  }

  has(path: string): boolean {
    return existsSync(this.path(path));
  }

  /** Starts the program here. */
  start(args: readonly string[], options: BakeOptions = {}): Running {
    return this.#rig.start(this.directory, args, options);
  }

  /** Runs the program here to its end. */
  bake(args: readonly string[], options: BakeOptions = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** Starts `bake run` with a summary. */
  startRun(args: readonly string[] = [], options: BakeOptions = {}): { running: Running; run: Promise<Run> } {
    const file = this.#rig.summaryFile();
    const running = this.start(['run', ...args, '--summary', file], options);
    return { running, run: running.ended.then((ended) => ({ ...ended, ...readSummary(file) })) };
  }

  /** `bake run` to its end: outcome by stage, and the whole of each. */
  run(args: readonly string[] = [], options: BakeOptions = {}): Promise<Run> {
    return this.startRun(args, options).run;
  }
}

/** Everything one story needs; gone, with every process, when it is disposed of. */
export class Rig implements AsyncDisposable {
  readonly directory: string;
  readonly tools: DrivenTools;
  readonly #running = new Set<Running>();
  #summaries = 0;

  private constructor(directory: string, tools: DrivenTools) {
    this.directory = directory;
    this.tools = tools;
  }

  static async make(): Promise<Rig> {
    const directory = mkdtempSync(join(tmpdir(), 'bake-rig-'));
    // Other users than the one who made it take part in some stories.
    chmodSync(directory, 0o777);
    return new Rig(directory, await DrivenTools.open(directory));
  }

  /** A checkout with some files; made at the first call with a name. */
  checkout(name: string, files: Readonly<Record<string, string>> = {}): Checkout {
    const checkout = new Checkout(join(this.directory, name), this);
    checkout.write(files);
    return checkout;
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  summaryFile(): string {
    return this.path(`summary-${++this.#summaries}.json`);
  }

  start(cwd: string, args: readonly string[], options: BakeOptions): Running {
    const program = process.env['BAKE_TEST_PROGRAM'];
    if (program === undefined) throw new Error('no program: the global setup makes it');
    const env: Record<string, string> = {
      PATH: `${this.tools.directory}:${process.env['PATH'] ?? ''}`,
      HOME: this.directory,
    };
    for (const [name, value] of Object.entries(options.env ?? {})) {
      if (value === undefined) delete env[name];
      else env[name] = value;
    }
    const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
    const [file = '', ...rest] = [...(options.wrapper ?? []), process.execPath, program, ...args];
    const child = spawn(file, rest, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    const running = new Running(child);
    this.#running.add(running);
    void running.ended.then(() => this.#running.delete(running));
    return running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = [...this.#running];
    for (const running of left) running.kill('SIGKILL');
    await Promise.all(left.map(({ ended }) => ended));
    await this.tools.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function readSummary(file: string): Pick<Run, 'outcomes' | 'stages'> {
  if (!existsSync(file)) return { outcomes: {}, stages: {} };
  const { stages } = JSON.parse(readFileSync(file, 'utf8')) as { stages: SummaryStage[] };
  return {
    outcomes: Object.fromEntries(stages.map(({ name, outcome }) => [name, outcome])),
    stages: Object.fromEntries(stages.map((stage) => [stage.name, stage])),
  };
}
