/** A worker thread that hashes one file after another as it is told, or its share of a list. */
import { parentPort, workerData } from 'node:worker_threads';
import { digestFileSync } from './digest-file.ts';
import { type DigestList, digestParts } from './digest-many.ts';
import { errnoOf } from './errno.ts';

/** What the thread answers; `errno` instead of an error object, which would lose its code on the way. */
export type DigestAnswer =
  | { readonly type: 'progress'; readonly bytes: number }
  | { readonly type: 'done'; readonly hex: string; readonly sizeBytes: number }
  | { readonly type: 'trouble'; readonly errno: string };

const list = (workerData ?? null) as DigestList | null;
const port = list === null ? parentPort : null;
if (list !== null) digestParts(list);
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
