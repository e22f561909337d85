/** Hashing: small things at once, large files in worker threads, at most as many as there are processors. */
import { createHash, type Hash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { type Digest, digestOfHex } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { digestFileSync, type FileDigest } from './digest-file.ts';
import { digestQueue } from './digest-queue.ts';
import type { DigestAnswer } from './digest-worker.ts';
import { attempt, attemptAsync } from './errno.ts';
import type { Hashing } from './host.ts';
import { stampTarget } from './stamp.ts';
import { startWorker, workerFile } from './worker-url.ts';

/** Below this a file is hashed sooner than a thread answers. */
const LARGE_BYTES = 4 * 1024 * 1024;

/** So much of a text is put together before it is hashed. */
const TEXT_CHARACTERS = 32 * 1024;

type DigestResult = Result<FileDigest, HostFailure>;

interface Work {
  readonly path: string;
  readonly onProgress: ((bytes: number) => void) | undefined;
  readonly done: (result: DigestResult) => void;
}

/** Hashing on this host; threads are started when the first large file comes and never keep the process alive. */
export function realHashing(): Hashing {
  const threads = threadPool();
  const digestFile: Hashing['digestFile'] = async (path, onProgress) => {
    const large = (stampTarget(path)?.sizeBytes ?? 0) > LARGE_BYTES;
    const result = large
      ? await threads(path, onProgress)
      : attempt('read', path, () => digestFileSync(path, onProgress));
    if (!result.ok) return result;
    return ok({ digest: digestOfHex(result.value.hex), sizeBytes: result.value.sizeBytes });
  };
  return {
    digestFile,
    async digestFiles(paths, sizes) {
      const queue = digestQueue();
      for (const [at, path] of paths.entries()) queue.add(path, sizes[at] as number);
      const digests = await queue.finish();
      // All large ones at once: the pool lets as many run as there are processors.
      const others = await Promise.all(
        digests.flatMap((digest, at) =>
          digest === null ? [digestFile(paths[at] as string).then((result) => ({ at, result }))] : [],
        ),
      );
      for (const { at, result } of others) {
        if (!result.ok) return result;
        digests[at] = result.value.digest;
      }
      return ok(digests as Digest[]);
    },
    digestQueue,
    digestBytes,
    digestText,
    sha512File,
  };
}

/** By hasha, which is three fifths as fast as our own reading: good enough off the path of every run, where it is loaded late. */
async function sha512File(path: string): Promise<Result<string, HostFailure>> {
  const { hash: hashStream } = await import('hasha');
  return attemptAsync('read', path, () => hashStream(createReadStream(path), { algorithm: 'sha512' }));
}

/** sha256 of bytes, or of a text as UTF-8. */
function digestBytes(data: string | Uint8Array): Digest {
  return digestOfHex(hash('sha256', data, 'hex'));
}

function digestText(pieces: Iterable<string>): Digest {
  let text = '';
  let whole: Hash | null = null;
  for (const piece of pieces) {
    text += piece;
    if (text.length < TEXT_CHARACTERS) continue;
    whole ??= createHash('sha256');
    whole.update(text);
    text = '';
  }
  return whole === null ? digestBytes(text) : digestOfHex(whole.update(text).digest('hex'));
}

/** Runs files through idle threads, starting new ones up to the number of processors; the rest waits its turn. */
function threadPool(): (path: string, onProgress?: (bytes: number) => void) => Promise<DigestResult> {
  const file = workerFile('digest-worker');
  const idle: Worker[] = [];
  const waiting: Work[] = [];
  let threads = 0;

  const give = (worker: Worker, work: Work): void => {
    worker.ref();
    const finish = (result: DigestResult) => {
      worker.off('message', onMessage);
      worker.off('error', onError);
      work.done(result);
    };
    const onMessage = (answer: DigestAnswer) => {
      if (answer.type === 'progress') return work.onProgress?.(answer.bytes);
      finish(
        answer.type === 'done'
          ? ok(answer)
          : fail({ code: 'file-trouble', action: 'read', path: work.path, errno: answer.errno }),
      );
      const next = waiting.shift();
      if (next) return give(worker, next);
      worker.unref();
      idle.push(worker);
    };
    // A thread that broke down (out of memory): its file is hashed here, so that nothing is lost but time.
    const onError = () => {
      threads -= 1;
      finish(attempt('read', work.path, () => digestFileSync(work.path, work.onProgress)));
      const next = waiting.shift();
      if (next) start(next);
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage(work.path);
  };

  const start = (work: Work): void => {
    const { path, onProgress, done } = work;
    if (file === null) {
      done(attempt('read', path, () => digestFileSync(path, onProgress)));
      return;
    }
    threads += 1;
    give(startWorker(file), work);
  };

  return (path, onProgress) =>
    new Promise((done) => {
      const work: Work = { path, onProgress, done };
      const free = idle.pop();
      if (free) return give(free, work);
      if (threads >= availableParallelism()) waiting.push(work);
      else start(work);
    });
}
