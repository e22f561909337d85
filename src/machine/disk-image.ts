/** Disk images as files: what format one is in, new ones, and one flat image out of layers. */
import type { Host, ProcessEnd } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { quoteWords } from '../model/shell-words.ts';
import { layersNode } from './command-line.ts';
import type { DiskLayer } from './shape.ts';

const QCOW2_MAGIC = 0x514649fb;
/** Offset of the name of a backing file in a qcow2 header: zero when there is none. */
const BACKING_OFFSET_AT = 8;

/** QEMU lets go of an image a moment after it ended: qemu-img is tried again for that long. */
const LOCK_TRIES = 20;
const LOCK_PAUSE_MS = 250;

/** What qemu-img needs of the world. */
export interface ImageContext {
  readonly host: Host;
  readonly env: { readonly [name: string]: string };
  readonly signal: AbortSignal;
  log(line: string): void;
}

/**
 * A file as the lowest layer of a disk. An image that names a backing file of its own is refused: that file would be
 * an input which nobody declared.
 */
export async function diskLayer(host: Host, path: string): Promise<Result<DiskLayer, Failure>> {
  const header = new Uint8Array(32);
  const read = await host.files.withReader(path, (source) => source.read(header, 0));
  if (!read.ok) return read;
  const view = new DataView(header.buffer);
  if (read.value < header.length || view.getUint32(0) !== QCOW2_MAGIC) return ok({ path, format: 'raw' });
  if (view.getBigUint64(BACKING_OFFSET_AT) === 0n) return ok({ path, format: 'qcow2' });
  const problem =
    'it names a backing file; give the stage a flat image (`qemu-img convert -O qcow2 old.qcow2 flat.qcow2`)';
  return fail({ code: 'disk-unusable', path, problem });
}

/** A new qcow2 image that holds nothing yet. As an overlay it names no backing file: that is said when it is opened. */
export async function createDisk(
  context: ImageContext,
  path: string,
  sizeBytes: number,
): Promise<Result<void, Failure>> {
  const made = await qemuImg(context, ['create', '-q', '-f', 'qcow2', path, String(sizeBytes)]);
  return made.ok ? ok(undefined) : made;
}

/** The size that a guest sees, in bytes. */
export async function virtualSize(
  context: ImageContext,
  layers: readonly DiskLayer[],
): Promise<Result<number, Failure>> {
  // The topmost layer says it, and `info` takes no image with what lies below it.
  const info = await qemuImg(context, ['info', '--output=json', chainName(layers.slice(-1))]);
  if (!info.ok) return info;
  return ok((JSON.parse(info.value.stdout) as { readonly 'virtual-size': number })['virtual-size']);
}

/**
 * One flat image out of layers, lowest first. Written in order by one writer, so that the same content gives the same
 * bytes; `onProgress` gets a fraction.
 */
export async function flatten(
  context: ImageContext,
  layers: readonly DiskLayer[],
  to: string,
  options: { readonly format?: 'qcow2' | 'raw'; readonly onProgress?: (fraction: number) => void } = {},
): Promise<Result<void, Failure>> {
  const done = await qemuImg(
    context,
    ['convert', '-p', '-O', options.format ?? 'qcow2', chainName(layers), to],
    (line) => {
      const percent = /\((\d+(?:\.\d+)?)\/100%\)/.exec(line);
      if (percent) options.onProgress?.(Number(percent[1]) / 100);
    },
  );
  return done.ok ? ok(undefined) : done;
}

function chainName(layers: readonly DiskLayer[]): string {
  return `json:${JSON.stringify(layersNode(layers, 'read'))}`;
}

/** Runs qemu-img; what it said is in the log if it failed. */
export async function qemuImg(
  context: ImageContext,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<Result<ProcessEnd, Failure>> {
  for (let attempt = 1; ; attempt += 1) {
    const tail: string[] = [];
    const ended = await context.host.processes.run('qemu-img', args, {
      cwd: '/',
      env: context.env,
      signal: context.signal,
      capture: true,
      onLine: (line, stream) => {
        if (stream === 'stderr') tail.push(line);
        onLine?.(line);
      },
    });
    if (!ended.ok) {
      if (ended.failure.code === 'file-trouble' && ended.failure.errno === 'ENOENT')
        return fail({ code: 'command-not-found', command: 'qemu-img', package: 'qemu-utils' });
      return ended;
    }
    if (ended.value.exitCode === 0) return ok(ended.value);
    const locked = tail.some((line) => line.includes('Failed to get'));
    if (!locked || attempt >= LOCK_TRIES || context.signal.aborted) {
      for (const line of tail) context.log(line);
      const { exitCode, signal } = ended.value;
      const command = quoteWords(['qemu-img', ...args]);
      return fail({ code: 'command-failed', command, exitCode, signal, tail, undeclared: [] });
    }
    await context.host.clock.sleep(LOCK_PAUSE_MS, context.signal);
  }
}
