/** An independent reader of a cache directory: knows the format by its documentation, shares no code with the program, and names everything that is wrong in it. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Named {
  readonly type: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly layers?: readonly Named[];
}

const sha = (algorithm: string, data: string | Uint8Array) =>
  createHash(algorithm).update(data).digest('hex');

function filesBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** JSON with sorted keys and no blanks, as fingerprints are taken of it. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const record = value as Record<string, unknown>;
  const keys = Object.keys(record).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(record[key])}`).join(',')}}`;
}

interface Reading {
  readonly content: string;
  /** Name of each blob → its size. */
  readonly blobs: Map<string, number>;
  readonly faults: string[];
}

/** Everything that is wrong in a cache: blobs that are not what they are called, torn entries, results with parts missing. */
export function faultsOf(cacheDirectory: string): string[] {
  const root = join(cacheDirectory, 'v1');
  const reading: Reading = { content: join(root, 'content-v2/sha256'), blobs: new Map(), faults: [] };
  for (const path of filesBelow(reading.content)) readBlob(reading, path);
  for (const path of filesBelow(join(root, 'index-v5'))) readEntry(reading, path);
  return reading.faults;
}

function readBlob({ content, blobs, faults }: Reading, path: string): void {
  const name = path.slice(content.length + 1).replaceAll('/', '');
  const stamp = lstatSync(path);
  if (sha('sha256', readFileSync(path)) !== name) faults.push(`blob ${name} holds something else`);
  if ((stamp.mode & 0o222) !== 0) faults.push(`blob ${name} is writable`);
  blobs.set(name, stamp.size);
}

function bytesOf({ content }: Reading, name: string): string {
  return readFileSync(join(content, name.slice(0, 2), name.slice(2, 4), name.slice(4)), 'utf8');
}

function isSoundLine(line: string): boolean {
  const tab = line.indexOf('\t');
  return tab > 0 && sha('sha1', line.slice(tab + 1)) === line.slice(0, tab);
}

function readEntry(reading: Reading, path: string): void {
  const { blobs, faults } = reading;
  const line = readFileSync(path, 'utf8').split('\n').reverse().find(isSoundLine);
  if (line === undefined) return void faults.push(`torn index entry ${path}`);
  const entry = JSON.parse(line.slice(line.indexOf('\t') + 1)) as { key: string; integrity: string };
  if (!entry.key.startsWith('result:')) return;
  const name = Buffer.from(entry.integrity.slice('sha256-'.length), 'base64').toString('hex');
  if (blobs.has(name)) readResult(reading, entry.key, bytesOf(reading, name));
  else faults.push(`${entry.key}: its record is missing`);
}

function readResult(reading: Reading, key: string, text: string): void {
  const result = JSON.parse(text) as {
    fingerprint: string;
    manifest: unknown;
    artifacts: readonly { content: Named }[];
    log: { digest: string; sizeBytes: number } | null;
  };
  if (`result:${result.fingerprint}` !== key) reading.faults.push(`${key} holds ${result.fingerprint}`);
  if (`sha256:${sha('sha256', canonical(result.manifest))}` !== result.fingerprint)
    reading.faults.push(`${key}: the manifest has another fingerprint`);
  const needed: Named[] = result.artifacts.map((artifact) => artifact.content);
  if (result.log !== null) needed.push({ type: 'file', ...result.log });
  for (let next = needed.pop(); next !== undefined; next = needed.pop())
    needed.push(...partsOf(reading, key, next));
}

/** Checks that a content is there; gives what else it needs. */
function partsOf(reading: Reading, key: string, content: Named): readonly Named[] {
  if (content.type === 'layers') return (content.layers ?? []).map((layer) => ({ ...layer, type: 'file' }));
  const name = content.digest.slice('sha256:'.length);
  const size = reading.blobs.get(name);
  if (size === undefined) reading.faults.push(`${key} needs ${name}, which is missing`);
  else if (content.type === 'file' && size !== content.sizeBytes)
    reading.faults.push(`${key}: ${name} has another size`);
  if (size === undefined || content.type !== 'tree') return [];
  const tree = JSON.parse(bytesOf(reading, name)) as { entries: readonly Named[] };
  return tree.entries.filter((one) => one.type === 'file');
}
