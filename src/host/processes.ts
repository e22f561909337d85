/** Starts children as leaders of their own process groups, streams their output, and ends the whole group: see docs/design/processes.md. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok } from '../model/result.ts';
import { onAbort } from './abort.ts';
import { ask } from './ask.ts';
import { realClock } from './clock.ts';
import { errnoOf, troubleOf } from './errno.ts';
import type { ProcessEnd, Processes, ProcessOptions, Stray } from './host.ts';
import { identityOf, isAlive } from './identity.ts';
import { endLeftovers, killRecorded, signalGroup } from './process-group.ts';
import { collectOutput } from './process-output.ts';
import { processRecords } from './process-records.ts';
import { endStrays } from './process-strays.ts';
import { stampTarget } from './stamp.ts';
import { spare, unwatch, watch, watchBelow } from './watchdog.ts';

const GRACE_MS = 5_000;
/** Output that another program holds when a child is gone is listened to until nothing has come for so long… */
const HELD_OUTPUT_MS = 500;
/** …and no longer than this. */
const TALKED_ON_MS = 5_000;

/** Processes of this host. */
export function realProcesses(): Processes {
  const running = new Set<number>();
  const released = new Set<number>();
  const records = processRecords();

  const start: Processes['start'] = async (file, args, options) => {
    if (options.signal?.aborted) return fail({ ...trouble('start', file), errno: 'ECANCELED' });
    const beforeMs = realClock.monotonicMs();
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...options.env },
      detached: true,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const group = child.pid;
    if (group === undefined) return fail(await spawnFailure(child, file, options));
    watch(group, running);
    running.add(group);
    records.add(group, realClock.monotonicMs() - beforeMs);
    const forget = () => {
      running.delete(group);
      unwatch(group);
      records.delete(group);
    };
    const findStrays = async () => {
      const { ownDirectory: directory } = options;
      if (directory === undefined) return [];
      const isSpared = (one: number) => one !== group && (running.has(one) || released.has(one));
      return endStrays({ directory, after: { pid: group, startedMs: beforeMs }, isSpared });
    };
    const { ended, letGo } = follow(child, group, options, findStrays);
    return ok({
      pid: group,
      ended: ended.finally(forget),
      kill: (signal) => void signalGroup(group, signal),
      release() {
        letGo();
        released.add(group);
        records.release(group);
        spare(group);
        forget();
        return identityOf(group);
      },
    });
  };

  return {
    ask: (file, args, options) => ask(file, args, options, running),
    start,
    async run(file, args, options) {
      const started = await start(file, args, options);
      return started.ok ? ok(await started.value.ended) : started;
    },
    async interact(file, args, options) {
      const child = spawn(file, args, { ...options, env: { ...options.env }, stdio: 'inherit' });
      if (child.pid === undefined) return fail(await spawnFailure(child, file, options));
      const [exitCode, signal] = await exitOf(child);
      return ok({ exitCode, signal });
    },
    find,
    recordIn(file) {
      records.recordIn(file);
      watchBelow(file && dirname(file));
    },
    killRecorded: records.killRecorded,
    async killReleased(identity) {
      if (isAlive(identity) === true) {
        await killRecorded(identity.pid, (startedAt) => startedAt === identity.startedAt);
      }
    },
  };
}

function trouble(action: string, path: string): HostFailure {
  return { code: 'file-trouble', action, path, errno: '' };
}

/** A missing program and a missing working directory give the same ENOENT: say which it was. */
async function spawnFailure(
  child: ChildProcess,
  file: string,
  { cwd, env }: Pick<ProcessOptions, 'cwd' | 'env'>,
): Promise<HostFailure> {
  const error = await new Promise<unknown>((resolve) => child.once('error', resolve));
  const failure = troubleOf('start', file, error);
  if (failure.errno === 'ENOENT' && stampTarget(cwd)?.type !== 'directory')
    return { ...failure, action: 'enter the directory', path: cwd };
  // A directory of the PATH that may not be searched makes the system say "permission denied" of a program that is nowhere.
  const isNowhere =
    failure.errno === 'EACCES' && find(file, env['PATH'] ?? '') === null && !file.includes('/');
  return isNowhere ? { ...failure, errno: 'ENOENT' } : failure;
}

interface Followed {
  /** Resolves at the end of the child, of all that it left behind, and of its output. */
  readonly ended: Promise<ProcessEnd>;
  /** Ends it no more, and does not keep this process waiting for it. */
  letGo(): void;
}

function follow(
  child: ChildProcess,
  group: number,
  options: ProcessOptions,
  endStrays: () => Promise<readonly Stray[]>,
): Followed {
  const output = collectOutput(child, options);
  let timedOut = false;
  let hardKill: NodeJS.Timeout | undefined;
  const end = () => {
    signalGroup(group, 'SIGTERM');
    // A stopped process would never see the first signal.
    signalGroup(group, 'SIGCONT');
    hardKill ??= setTimeout(() => signalGroup(group, 'SIGKILL'), options.graceMs ?? GRACE_MS);
  };
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          end();
        }, options.timeoutMs);
  const forget = onAbort(options.signal, end);
  const silence = watchSilence(child, options.idleTimeoutMs, end);

  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exited = exitOf(child);
  const untilEnd = async (): Promise<ProcessEnd> => {
    const [exitCode, signal] = await exited;
    clearTimeout(timer);
    silence.stop();
    await endLeftovers(group);
    clearTimeout(hardKill);
    forget();
    const strays = await endStrays();
    await untilClosed(child, closed);
    const { isOver } = silence;
    return { exitCode, signal, timedOut, wentSilent: isOver(), stdout: output.end(), strays };
  };
  const letGo = () => {
    clearTimeout(timer);
    silence.stop();
    forget();
    child.unref();
    dropOutput(child);
  };
  return { ended: untilEnd(), letGo };
}

/**
 * Waits for the end of the output of a child that is gone. Somebody else may hold it still: a daemon that is not known as the
 * child's, or an ssh that serves several clients. What was said before is heard, and then nothing more.
 */
async function untilClosed(child: ChildProcess, closed: Promise<void>): Promise<void> {
  const latest = realClock.monotonicMs() + TALKED_ON_MS;
  let heardMs = realClock.monotonicMs();
  const hear = () => {
    heardMs = realClock.monotonicMs();
  };
  const timer = setInterval(() => {
    const nowMs = realClock.monotonicMs();
    if (nowMs - heardMs >= HELD_OUTPUT_MS || nowMs >= latest) dropOutput(child);
  }, HELD_OUTPUT_MS / 5);
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', hear);
  await closed;
  clearInterval(timer);
}

function dropOutput({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

/** Calls `end` when a child has said nothing for too long. */
function watchSilence(child: ChildProcess, limitMs: number | undefined, end: () => void) {
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const stop = () => clearTimeout(timer);
  if (limitMs !== undefined) {
    const begin = () => {
      stop();
      timer = setTimeout(() => {
        isOver = true;
        end();
      }, limitMs);
    };
    begin();
    child.stdout?.on('data', begin);
    child.stderr?.on('data', begin);
    child.once('exit', () => {
      child.stdout?.off('data', begin);
      child.stderr?.off('data', begin);
    });
  }
  return { stop, isOver: () => isOver };
}

function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  return new Promise((resolve) => child.once('exit', (code, by) => resolve([code, by])));
}

/** Absolute path of a program on a PATH, or null; a name with a slash is taken as a path. */
function find(name: string, path: string): string | null {
  if (name.includes('/')) return isAbsolute(name) && isProgram(name) ? name : null;
  for (const directory of path.split(delimiter)) {
    // An empty or relative entry means the working directory of whoever asks: never ours.
    if (!isAbsolute(directory)) continue;
    const candidate = join(directory, name);
    if (isProgram(candidate)) return candidate;
  }
  return null;
}

function isProgram(path: string): boolean {
  if (stampTarget(path)?.type !== 'file') return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return false;
  }
}
