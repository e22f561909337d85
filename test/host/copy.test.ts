/** Copies into a directory where somebody else exchanges names: his link gets neither bytes nor mode. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { copyWhole } from '../../src/host/copy.ts';
import { without } from '../support/without.ts';

/** So many calls of the file system run at the same time, unless the environment says otherwise. */
const THREADS = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);

it.skipIf(without.linux).each(['a file', 'a file with holes'])(
  '%s goes into the file that was made, whatever has its name by then',
  async (what) => {
    const directory = mkdtempSync(join(tmpdir(), 'bake-copy-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const at = (name: string) => join(directory, name);
    writeFileSync(at('from'), 'bytes');
    if (what !== 'a file') truncateSync(at('from'), 1024 * 1024);
    writeFileSync(at('precious'), 'precious');
    chmodSync(at('precious'), 0o600);
    // All threads wait for writers of a pipe: what is copied in one of them comes after the exchange.
    execFileSync('mkfifo', [at('pipe')]);
    const waiting = Array.from({ length: THREADS }, () => open(at('pipe'), 'r'));
    const copied = copyWhole(at('from'), at('to'), 0o444, true);
    if (existsSync(at('to'))) renameSync(at('to'), at('aside'));
    symlinkSync(at('precious'), at('to'));
    const writer = openSync(at('pipe'), 'r+');
    for (const one of await Promise.all(waiting)) await one.close();
    closeSync(writer);
    await copied;
    expect(readFileSync(at('precious'), 'utf8')).toBe('precious');
    expect(lstatSync(at('precious')).mode & 0o777).toBe(0o600);
    expect(readFileSync(at('aside')).equals(readFileSync(at('from')))).toBe(true);
    expect(lstatSync(at('aside')).mode & 0o777).toBe(0o444);
  },
);
