/** sha256 of many small files: in one synchronous loop, shared out between threads where there are thousands. */
import { hash } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { type Digest, digestOfHex } from '../model/digest.ts';
import { TO_READ } from './digest-file.ts';
import { closeAnyway } from './errno.ts';
import type { DigestQueue } from './host.ts';
import { nearPath } from './near-path.ts';
import { startWorker, workerFile } from './worker-url.ts';

/** So many are hashed before others get their turn. */
const PART_FILES = 256;
/** A thread starts in the time in which this many are hashed. */
const WORTH_A_THREAD = 8_000;
const DIGEST_BYTES = 'sha256:'.length + 64;
/** What is larger is read by the ordinary way, which knows no bound. */
const READ_BYTES = 256 * 1024;

/** Numbers that all threads share: how many parts were taken, and how many there are to take. */
const TAKEN = 0;
const THERE = 1;
/** Added to the second when no part will follow. */
const ALL = 2 ** 30;

/** Some files of a queue. Whoever takes it writes the digests of all of them. */
interface Part {
  /** With a NUL between two of them: one text crosses to a thread much sooner than many. */
  readonly paths: string;
  /** Bytes of each file as it was seen: who reads another number has not read it whole. */
  readonly sizes: Float64Array;
  /** The text of each file's digest, in shared memory; zeros where it was not to be had. */
  readonly digests: Uint8Array;
}

/** What a thread begins with; parts that are found later are sent to it. */
export interface DigestShare {
  readonly counts: Int32Array;
  readonly parts: Part[];
}

/** A queue that starts its threads when it is worth it, and does the rest in this one when it is finished. */
export function digestQueue(): DigestQueue {
  const counts = new Int32Array(new SharedArrayBuffer(8));
  const parts: Part[] = [];
  const threads: Thread[] = [];
  const file = workerFile('digest-worker');
  const mostThreads = file === null ? 0 : availableParallelism() - 1;
  let paths: string[] = [];
  let sizes: number[] = [];

  const fillPart = (): void => {
    const part: Part = {
      paths: paths.join('\0'),
      sizes: Float64Array.from(sizes),
      digests: new Uint8Array(new SharedArrayBuffer(paths.length * DIGEST_BYTES)),
    };
    [paths, sizes] = [[], []];
    parts.push(part);
    for (const thread of threads) thread.worker.postMessage(part);
    announce(counts, 1);
    const isWorthOneMore = parts.length * PART_FILES >= (threads.length + 1) * WORTH_A_THREAD;
    if (file === null || threads.length >= mostThreads || !isWorthOneMore) return;
    const thread = startThread(file, { counts, parts });
    if (thread !== null) threads.push(thread);
  };

  return {
    add(path, sizeBytes) {
      paths.push(path);
      sizes.push(sizeBytes);
      if (paths.length === PART_FILES) fillPart();
    },
    isUnderway: () => threads.length > 0,
    async finish() {
      if (paths.length > 0) fillPart();
      announce(counts, ALL);
      // As long as somebody waits for them they keep the process alive.
      for (const { worker } of threads) worker.ref();
      while (digestPart(counts, parts)) await new Promise(setImmediate);
      await Promise.all(threads.map(({ ended }) => ended));
      return parts.flatMap(digestsIn);
    },
  };
}

function announce(counts: Int32Array, more: number): void {
  Atomics.add(counts, THERE, more);
  Atomics.notify(counts, THERE);
}

interface Thread {
  readonly worker: Worker;
  /** Resolves when it finds nothing left to take, or broke down: what it had taken is then missing. */
  readonly ended: Promise<void>;
}

/** Null when the system has no thread to give: the others do its share. */
function startThread(file: string, share: DigestShare): Thread | null {
  try {
    const worker = startWorker(file, { workerData: share, trackUnmanagedFds: false });
    const ended = new Promise<void>((resolve) => {
      for (const event of ['message', 'error', 'exit']) worker.once(event, () => resolve());
    });
    worker.unref();
    return { worker, ended };
  } catch {
    return null;
  }
}

function digestsIn({ digests }: Part): (Digest | null)[] {
  const texts = Buffer.from(digests.buffer);
  return Array.from({ length: digests.length / DIGEST_BYTES }, (_, at) => {
    const start = at * DIGEST_BYTES;
    return texts[start] === 0 ? null : (texts.toString('latin1', start, start + DIGEST_BYTES) as Digest);
  });
}

/** Hashes what nobody else takes, and waits for more until there will be none: what a thread does. `next` gives parts in their order. */
export function digestParts({ counts, parts }: DigestShare, next: () => Part): void {
  for (;;) {
    const number = Atomics.add(counts, TAKEN, 1);
    for (let there = Atomics.load(counts, THERE); number >= (there & (ALL - 1)); ) {
      if (there >= ALL) return;
      Atomics.wait(counts, THERE, there);
      there = Atomics.load(counts, THERE);
    }
    while (parts.length <= number) parts.push(next());
    digestFilesOf(parts[number] as Part);
  }
}

/** Takes the next part of a queue that will not grow, and hashes it; false when there is none. */
function digestPart(counts: Int32Array, parts: readonly Part[]): boolean {
  const part = parts[Atomics.add(counts, TAKEN, 1)];
  if (part !== undefined) digestFilesOf(part);
  return part !== undefined;
}

function digestFilesOf({ paths, sizes, digests }: Part): void {
  const into = Buffer.from(digests.buffer);
  for (const [at, path] of paths.split('\0').entries()) {
    const digest = digestNow(path, sizes[at] as number);
    if (digest !== null) into.write(digest, at * DIGEST_BYTES, 'latin1');
  }
}

let buffer: Buffer | null = null;

function digestNow(path: string, sizeBytes: number): Digest | null {
  if (sizeBytes > READ_BYTES) return null;
  buffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
  let descriptor: number | null = null;
  try {
    descriptor = openSync(nearPath(path), TO_READ);
    const length = readSync(descriptor, buffer, 0, READ_BYTES, null);
    return length === sizeBytes ? digestOfHex(hash('sha256', buffer.subarray(0, length), 'hex')) : null;
  } catch {
    // Whoever asks again in the ordinary way hears the reason.
    return null;
  } finally {
    if (descriptor !== null) closeAnyway(descriptor);
  }
}
