/** Waits until the stamps of files can be trusted: a moment after the last change, two seconds on a file system with a coarse clock. */
import { lstatSync } from 'node:fs';
import { settledAtMs } from '../../src/model/stat-record.ts';

/** Returns when all of them have settled. */
export function settle(...paths: readonly string[]): void {
  const until = Math.max(...paths.map((path) => settledAtMs(lstatSync(path))));
  const wait = new Int32Array(new SharedArrayBuffer(4));
  while (Date.now() < until) Atomics.wait(wait, 0, 0, Math.max(1, until - Date.now()));
}
