/** Disk images as files for qemu-img: new ones, and one flat image out of what is known of a disk. Nothing is left for it to guess. */
import { dirname } from 'node:path';
import type { Host, ProcessEnd } from '../host/host.ts';
import type { DiskFile, DiskFormat } from '../model/disk-format.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { quoteWords } from '../model/shell-words.ts';
import { layersNode } from './command-line.ts';
import { type Command, confined, type Limits } from './confine.ts';

/** QEMU lets go of an image a moment after it ended: qemu-img is tried again for that long. */
const LOCK_TRIES = 20;
const LOCK_PAUSE_MS = 250;

const MIB = 2 ** 20;
/** Address space: qemu-img takes about 1 GiB of it for its threads, and tables of the largest disks some hundred MiB. */
const MEMORY_BYTES = 4 * 2 ** 30;
/** The fewest seconds; slow processors and the strongest compression take one for 2 MiB. */
const LEAST_CPU_SECONDS = 600;
const WALL_PER_CPU = 8;

/** What qemu-img needs of the world. */
export interface ImageContext {
  readonly host: Host;
  readonly env: { readonly [name: string]: string };
  readonly signal: AbortSignal;
  log(line: string): void;
}

/** A disk whose files were looked at: see stages/images/open-disk.ts. */
export interface Disk {
  /** Lowest first. */
  readonly files: readonly DiskFile[];
  /** As the guest sees it. */
  readonly sizeBytes: number;
}

/** A new qcow2 image that holds nothing yet. As an overlay it names no backing file: that is said when it is opened. */
export async function createDisk(
  context: ImageContext,
  path: string,
  sizeBytes: number,
): Promise<Result<void, Failure>> {
  const made = await runTool(context, ['qemu-img', 'create', '-q', '-f', 'qcow2', path, String(sizeBytes)]);
  return made.ok ? ok(undefined) : made;
}

/** How an image is to be written. */
export interface ConvertOptions {
  readonly format: DiskFormat;
  /** `-o`: everything that another qemu-img might choose otherwise. */
  readonly settings?: string | null;
  readonly compress?: boolean;
  /** Gets a fraction. */
  readonly onProgress?: (fraction: number) => void;
}

/**
 * One flat image out of a disk, written in order by one writer, so that the same content gives the same bytes. The images
 * may be of strangers: qemu-img works under limits, and where the host allows it sees these files alone.
 */
export async function convertDisk(
  context: ImageContext,
  disk: Disk,
  to: string,
  { format, settings = null, compress = false, onProgress }: ConvertOptions,
): Promise<Result<void, Failure>> {
  const command: Command = [
    'qemu-img',
    'convert',
    '-p',
    ...['-O', format],
    ...(compress ? ['-c'] : []),
    ...(settings === null ? [] : ['-o', settings]),
    `json:${JSON.stringify(layersNode(disk.files, 'read'))}`,
    // Absolute, so that QEMU takes no colon in it for a protocol.
    to,
  ];
  const limits = limitsFor(context.host, disk);
  const sight = { files: disk.files.map(({ path }) => path), directory: dirname(to) };
  const shown = await confined(context, command, limits, sight);
  const timeoutMs = limits.cpuSeconds * WALL_PER_CPU * 1000;
  const done = await runTool(context, command, { shown, timeoutMs }, (line) => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)/.exec(line);
    if (percent) onProgress?.(Number(percent[1]) / 100);
  });
  return done.ok ? ok(undefined) : done;
}

/** What is enough for any honest image of this size. */
function limitsFor(host: Host, { files, sizeBytes }: Disk): Limits {
  const fileBytes = files.reduce((sum, { path }) => {
    const stamp = host.files.stampTarget(path);
    return sum + (stamp?.type === 'file' ? stamp.sizeBytes : 0);
  }, 0);
  return {
    memoryBytes: MEMORY_BYTES,
    cpuSeconds: Math.ceil(LEAST_CPU_SECONDS + Math.min(fileBytes, sizeBytes) / MIB + sizeBytes / (64 * MIB)),
    // Tables, and what does not get smaller by compression.
    fileBytes: sizeBytes + sizeBytes / 16 + 256 * MIB,
  };
}

/** How a command is really run: without limits, when nothing is said. */
interface Confinement {
  readonly shown: Command;
  readonly timeoutMs?: number;
}

/** Runs qemu-img; what it said is in the log if it failed. A message shows the command without what confines it. */
async function runTool(
  context: ImageContext,
  command: Command,
  confinement: Confinement = { shown: command },
  onLine?: (line: string) => void,
): Promise<Result<void, Failure>> {
  const [file, ...args] = confinement.shown;
  const { timeoutMs } = confinement;
  for (let attempt = 1; ; attempt += 1) {
    const tail: string[] = [];
    const ended = await context.host.processes.run(file, args, {
      cwd: '/',
      env: context.env,
      signal: context.signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      onLine: (line, stream) => {
        if (stream === 'stderr') tail.push(line);
        onLine?.(line);
      },
    });
    if (!ended.ok) return ended.failure.errno === 'ENOENT' ? fail(ABSENT) : ended;
    if (ended.value.exitCode === 0) return ok(undefined);
    const locked = tail.some((line) => line.includes('Failed to get'));
    if (!locked || attempt >= LOCK_TRIES || context.signal.aborted)
      return fail(failureOf(context, command, ended.value, tail));
    await context.host.clock.sleep(LOCK_PAUSE_MS, context.signal);
  }
}

function failureOf(
  context: ImageContext,
  command: Command,
  end: ProcessEnd,
  said: readonly string[],
): Failure {
  const { exitCode, signal, timedOut } = end;
  if (exitCode === NOT_FOUND && said.some((line) => line.includes(command[0]))) return ABSENT;
  const wasLimited = timedOut || LIMIT_SIGNALS.has(signal ?? '');
  const tail = wasLimited && !context.signal.aborted ? [...said, BEYOND_LIMITS] : said;
  for (const line of tail) context.log(line);
  return { code: 'command-failed', command: quoteWords(command), exitCode, signal, tail, undeclared: [] };
}

const BEYOND_LIMITS =
  'it was ended: it used up more memory, time or room than any honest image of this size needs';
/** Of a shell that finds no such program. */
const NOT_FOUND = 127;
const ABSENT: Failure = { code: 'command-not-found', command: 'qemu-img', package: 'qemu-utils' };
const LIMIT_SIGNALS: ReadonlySet<string> = new Set(['SIGXCPU', 'SIGXFSZ', 'SIGKILL', 'SIGABRT']);
