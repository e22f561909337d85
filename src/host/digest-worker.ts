/** A worker thread that hashes one file after another as it is told, or its share of a queue. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { digestFileSync } from './digest-file.ts';
import { type DigestShare, digestParts } from './digest-queue.ts';
import { errnoOf } from './errno.ts';

/** What the thread answers; `errno` instead of an error object, which would lose its code on the way. */
export type DigestAnswer =
  | { readonly type: 'progress'; readonly bytes: number }
  | { readonly type: 'done'; readonly hex: string; readonly sizeBytes: number }
  | { readonly type: 'trouble'; readonly errno: string };

const share = (workerData ?? null) as DigestShare | null;
const port = share === null ? parentPort : null;
if (share !== null) {
  // A part was sent before it was counted: it is there.
  digestParts(share, () => receiveMessageOnPort(parentPort as MessagePort)?.message);
  parentPort?.postMessage('done');
}
port?.on('message', (path: string) => {
  const answer = (message: DigestAnswer) => port.postMessage(message);
  try {
    const digest = digestFileSync(path, (bytes) => answer({ type: 'progress', bytes }));
    answer({ type: 'done', ...digest });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null) throw error;
    answer({ type: 'trouble', errno });
  }
});
