/** sha256 of many small files: one synchronous loop, shared out between threads where there are thousands. */
import { hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Digest, digestOfHex } from '../model/digest.ts';
import { workerFile } from './worker-url.ts';

/** So many are hashed before others get their turn. */
const AT_ONCE = 256;
/** A thread starts in the time in which this many are hashed. */
const WORTH_A_THREAD = 8_000;
const DIGEST_BYTES = 'sha256:'.length + 64;
/** What is larger is read by the ordinary way, which knows no bound. */
const READ_BYTES = 256 * 1024;

/** A list of files of which several threads take parts in turn. All memory is shared. */
export interface DigestList {
  /** Paths, a NUL between two of them: one text crosses to a thread much sooner than a hundred thousand. */
  readonly paths: string;
  /** Bytes of each file as it was seen: who reads another number has not read it whole. */
  readonly sizes: Float64Array;
  /** One number: how many parts have been taken. */
  readonly taken: Int32Array;
  /** The text of each file's digest; zeros where it was not to be had. */
  readonly digests: Uint8Array;
}

/** The digests in order; null for those that cannot be read whole here. Throws nothing. */
export async function digestMany(
  paths: readonly string[],
  sizes: readonly number[],
): Promise<(Digest | null)[]> {
  const threads = Math.min(availableParallelism() - 1, Math.floor(paths.length / WORTH_A_THREAD));
  const file = threads > 0 ? workerFile('digest-worker') : null;
  const list: DigestList = {
    paths: file === null ? '' : paths.join('\0'),
    sizes: new Float64Array(new SharedArrayBuffer(sizes.length * 8)),
    taken: new Int32Array(new SharedArrayBuffer(4)),
    digests: new Uint8Array(new SharedArrayBuffer(paths.length * DIGEST_BYTES)),
  };
  list.sizes.set(sizes);
  const helpers = file === null ? [] : Array.from({ length: threads }, () => help(file, list));
  while (digestPart(paths, list)) await new Promise(setImmediate);
  await Promise.all(helpers);
  const texts = Buffer.from(list.digests.buffer);
  return paths.map((_, at) => {
    const start = at * DIGEST_BYTES;
    return texts[start] === 0 ? null : (texts.toString('latin1', start, start + DIGEST_BYTES) as Digest);
  });
}

/** Resolves when a thread finds nothing left to take, or broke down: what it had taken is then missing. */
function help(file: string, list: DigestList): Promise<void> {
  return new Promise((resolve) => {
    const worker = new Worker(file, { workerData: list });
    worker.once('error', () => resolve());
    worker.once('exit', () => resolve());
  });
}

/** Hashes all parts that nobody else takes: what a thread does. */
export function digestParts(list: DigestList): void {
  const paths = list.paths.split('\0');
  while (digestPart(paths, list));
}

/** Takes the next part and hashes it; false when there is none. */
function digestPart(paths: readonly string[], { sizes, taken, digests }: DigestList): boolean {
  const start = Atomics.add(taken, 0, 1) * AT_ONCE;
  const end = Math.min(start + AT_ONCE, paths.length);
  const into = Buffer.from(digests.buffer);
  for (let at = start; at < end; at++) {
    const digest = digestNow(paths[at] as string, sizes[at] as number);
    if (digest !== null) into.write(digest, at * DIGEST_BYTES, 'latin1');
  }
  return end < paths.length;
}

let buffer: Buffer | null = null;

function digestNow(path: string, sizeBytes: number): Digest | null {
  if (sizeBytes > READ_BYTES) return null;
  buffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, 'r');
    const length = readSync(descriptor, buffer, 0, READ_BYTES, null);
    return length === sizeBytes ? digestOfHex(hash('sha256', buffer.subarray(0, length), 'hex')) : null;
  } catch {
    // Whoever asks again in the ordinary way hears the reason.
    return null;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
