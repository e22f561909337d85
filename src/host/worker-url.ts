/** Where the code of a worker thread lies: beside the bundled program, whichever chunk asks. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Worker, WorkerOptions } from 'node:worker_threads';

/**
 * The bundle's file of a worker, or null when the program runs from its sources (tests): Node 20 cannot start a thread
 * from TypeScript, so the caller does the work in its own thread then.
 */
export function workerFile(name: string): string | null {
  const here = dirname(fileURLToPath(import.meta.url));
  // The entry lies in the bundle's root, shared code in chunks/ below it.
  for (const directory of [here, dirname(here)]) {
    const file = join(directory, `${name}.cjs`);
    if (existsSync(file)) return file;
  }
  return null;
}

/** Starts a thread; loads what that takes now, for most runs start none. */
export function startWorker(file: string, options?: WorkerOptions): Worker {
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  return new Worker(file, options);
}
