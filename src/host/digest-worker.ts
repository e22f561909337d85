/** A worker thread that hashes one file after another. */
import { parentPort } from 'node:worker_threads';
import { digestFileSync } from './digest-file.ts';
import { errnoOf } from './errno.ts';

/** What the thread answers; `errno` instead of an error object, which would lose its code on the way. */
export type DigestAnswer =
  | { readonly type: 'progress'; readonly bytes: number }
  | { readonly type: 'done'; readonly hex: string; readonly sizeBytes: number }
  | { readonly type: 'trouble'; readonly errno: string };

const port = parentPort;
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
