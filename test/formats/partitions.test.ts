/** Partition tables as sfdisk writes them, and as it reads them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bytesSource } from '../../src/formats/memory-bytes.ts';
import { partitionSource, partitionsOf } from '../../src/formats/partitions.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-partitions-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Writes a table and gives the image with what sfdisk says of it. */
function partitioned(name: string, script: string) {
  const path = join(directory, name);
  writeFileSync(path, '');
  truncateSync(path, 64 * 2 ** 20);
  const env = { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` };
  execFileSync('sfdisk', ['-q', path], { input: script, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const said = JSON.parse(execFileSync('sfdisk', ['-J', path], { env, encoding: 'utf8' })) as {
    partitiontable: { partitions: { node: string; start: number; size: number; type: string }[] };
  };
  const partitions = said.partitiontable.partitions.filter(({ type }) => type !== '5' && type !== 'f');
  return { bytes: readFileSync(path), partitions };
}

it.each([
  ['dos, the first two', 'label: dos\n,10M\n,20M\n'],
  ['dos, out of order, with logical ones', 'label: dos\n40M,10M\n1M,5M\n,30M,5\n,8M\n,4M\n,4M\n'],
  ['gpt, with a gap in the numbers', 'label: gpt\n1: size=5M, type=U\n4: size=20M\n3: size=7M\n'],
])('are those that sfdisk sees: %s', async (name, script) => {
  const { bytes, partitions } = partitioned(name, script);
  expect(partitions.length).toBeGreaterThan(1);
  const expected = partitions.map(({ node, start, size }) => ({
    number: Number(node.slice(join(directory, name).length).replace(/^\D+/, '')),
    offset: start * 512,
    sizeBytes: size * 512,
  }));
  const found = await partitionsOf(bytesSource(bytes));
  expect(found).toEqual(expected.sort((a, b) => a.number - b.number));
});

it('are one, the whole disk, where there is no table, or one that leads out of the disk', async () => {
  const whole = { number: 0, offset: 0, sizeBytes: 4096 };
  expect(await partitionsOf(bytesSource(new Uint8Array(4096)))).toEqual([whole]);
  const { bytes } = partitioned('torn', 'label: dos\n,10M\n');
  expect(await partitionsOf(bytesSource(bytes.subarray(0, 4096)))).toEqual([whole]);
});

it('give their own bytes and no others', async () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
  const source = partitionSource(bytesSource(bytes), { number: 1, offset: 10, sizeBytes: 20 });
  const into = new Uint8Array(8);
  expect(await source.read(into, 15)).toBe(5);
  expect([...into.subarray(0, 5)]).toEqual([25, 26, 27, 28, 29]);
});

/** A disk of 64 KiB with these words in its sectors, each at its offset. */
function written(
  words: Readonly<Record<number, number>>,
  text: Readonly<Record<number, string>> = {},
): Buffer {
  const bytes = Buffer.alloc(65_536);
  for (const [offset, word] of Object.entries(words)) bytes.writeUInt32LE(word, Number(offset));
  for (const [offset, one] of Object.entries(text)) bytes.write(one, Number(offset), 'latin1');
  return bytes;
}

const SIGNATURE = { 510: '\x55\xaa' };

it('are found in bounded work where the tables of logical ones lead in circles', async () => {
  // An extended partition at sector 1, whose only table is empty but for the next one: itself.
  const words = { 450: 5, 454: 1, 458: 10, [512 + 466]: 5, [512 + 470]: 0, [512 + 474]: 10 };
  const bytes = written(words, { ...SIGNATURE, 1022: '\x55\xaa' });
  expect(await partitionsOf(bytesSource(bytes))).toEqual([{ number: 0, offset: 0, sizeBytes: 65_536 }]);
});

it.each([
  ['entries of 4 GiB', 0xffff_ffff, 34, 35],
  ['an end before the beginning', 128, 35, 20],
  ['an end behind that of the disk', 128, 34, 100_000],
])('are none of a GPT with %s', async (_, entryBytes, first, last) => {
  const words = { 450: 0xee, 454: 1, 458: 127, [512 + 72]: 2, [512 + 80]: 4, [512 + 84]: entryBytes };
  const entry = { 1024: 1, [1024 + 32]: first, [1024 + 40]: last };
  const bytes = written({ ...words, ...entry }, { ...SIGNATURE, 512: 'EFI PART' });
  expect(await partitionsOf(bytesSource(bytes))).toEqual([]);
});
