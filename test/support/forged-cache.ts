/** A cache as somebody leaves it who may write to it: results that say what they like, filed where bake looks for them. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A stored result, as far as a forger cares. */
export interface StoredResult {
  origin: { action: string; [fact: string]: unknown };
  manifest: { options?: unknown; [part: string]: unknown };
  artifacts: { name: string; path: string; [fact: string]: unknown }[];
  [part: string]: unknown;
}

interface IndexEntry {
  readonly key: string;
  readonly integrity: string;
  readonly metadata?: unknown;
}

function digestOf(algorithm: string, data: string | Buffer): string {
  return createHash(algorithm).update(data).digest('hex');
}

function fannedOut(hex: string): string {
  return join(hex.slice(0, 2), hex.slice(2, 4), hex.slice(4));
}

function place(path: string, data: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  writeFileSync(path, data);
  chmodSync(path, 0o444);
}

/** Changes every result in a cache directory; gives the number of those that it changed. */
export function forgeResults(cacheDir: string, change: (result: StoredResult) => void): number {
  const root = join(cacheDir, 'v1');
  const index = join(root, 'index-v5');
  let changed = 0;
  for (const name of readdirSync(index, { recursive: true, encoding: 'utf8' })) {
    const file = join(index, name);
    if (!statSync(file).isFile()) continue;
    const line = readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '';
    const entry = JSON.parse(line.slice(line.indexOf('\t') + 1)) as IndexEntry;
    if (!entry.key.startsWith('result:')) continue;
    const hex = Buffer.from(entry.integrity.slice('sha256-'.length), 'base64').toString('hex');
    const stored = join(root, 'content-v2', 'sha256', fannedOut(hex));
    const result = JSON.parse(readFileSync(stored, 'utf8')) as StoredResult;
    change(result);
    const bytes = Buffer.from(JSON.stringify(result));
    const digest = digestOf('sha256', bytes);
    place(join(root, 'content-v2', 'sha256', fannedOut(digest)), bytes);
    const integrity = `sha256-${Buffer.from(digest, 'hex').toString('base64')}`;
    const forged = JSON.stringify({ ...entry, integrity, time: Date.now(), size: bytes.length });
    place(join(index, fannedOut(digestOf('sha256', entry.key))), `\n${digestOf('sha1', forged)}\t${forged}`);
    changed++;
  }
  return changed;
}
