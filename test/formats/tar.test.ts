/** Our tar and gzip, read by GNU tar and gzip. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gzipSink } from '../../src/formats/gzip-sink.ts';
import { bytesSource, memorySink } from '../../src/formats/memory-bytes.ts';
import { endTar, tarHeader, writeTarEntry } from '../../src/formats/tar.ts';
import { noise } from '../support/disks.ts';

interface File {
  readonly name: string;
  readonly bytes: Uint8Array;
}

async function tarOf(files: readonly File[]): Promise<Uint8Array> {
  const sink = memorySink();
  for (const { name, bytes } of files)
    await writeTarEntry(sink, { name, sizeBytes: bytes.length }, bytesSource(bytes));
  await endTar(sink);
  return sink.bytes();
}

function gnuTar(archive: Uint8Array, ...args: readonly string[]): Buffer {
  const tar = spawnSync('tar', [...args, '-f', '-'], { input: archive, maxBuffer: 2 ** 28 });
  expect({ status: tar.status, stderr: tar.stderr.toString() }).toEqual({ status: 0, stderr: '' });
  return tar.stdout;
}

describe('a tar archive', () => {
  it('gives any files back, in order', async () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,98}[a-z]$/);
    const file = fc.record({ name, bytes: fc.uint8Array({ maxLength: 2000 }) });
    const files = fc.uniqueArray(file, { maxLength: 6, selector: (one) => one.name });
    await fc.assert(
      fc.asyncProperty(files, async (some) => {
        const archive = await tarOf(some);
        expect(archive.length % 512).toBe(0);
        const listed = gnuTar(archive, '-t').toString();
        expect(listed).toBe(some.map((one) => `${one.name}\n`).join(''));
        const contents = Buffer.concat(some.map((one) => one.bytes));
        expect(Buffer.compare(gnuTar(archive, '-x', '--to-stdout'), contents)).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it('ends with exactly two zero blocks', async () => {
    const archive = await tarOf([{ name: 'a', bytes: new Uint8Array(512).fill(1) }]);
    expect(archive.length).toBe(4 * 512);
    expect(archive.subarray(1024).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ['the largest size in octal', 8 ** 11 - 1, '77777777777\0'],
    ['one byte more, in base 256', 8 ** 11, undefined],
    ['three tebibytes', 3 * 2 ** 40, undefined],
  ])('says %s so that GNU tar understands', (_, sizeBytes, field) => {
    const header = tarHeader({ name: 'big', sizeBytes });
    if (field !== undefined) expect(Buffer.from(header.subarray(124, 136)).toString('latin1')).toBe(field);
    else expect(header[124]).toBe(0x80);
    // The content is missing, of which tar complains after it has shown the entry.
    const { stdout } = spawnSync('tar', ['-tvf', '-'], { input: header });
    expect(stdout.toString()).toMatch(new RegExp(`^-rw-r--r-- 0/0 +${sizeBytes} 1980-01-01 .* big\\n$`));
  });

  it('refuses a name that a header does not hold', () => {
    expect(() => tarHeader({ name: 'x'.repeat(101), sizeBytes: 0 })).toThrow(RangeError);
    expect(() => tarHeader({ name: '', sizeBytes: 0 })).toThrow(RangeError);
  });

  it('gives the bytes that it always gave', async () => {
    const archive = await tarOf([
      { name: 'a.txt', bytes: noise(1000) },
      { name: 'b', bytes: new Uint8Array(0) },
    ]);
    expect(createHash('sha256').update(archive).digest('hex')).toMatchInlineSnapshot(
      `"1fd114c7477455692bbdba9a95804ce4edb700a8ac123da188681c2d95ac24c0"`,
    );
  });
});

describe('a gzip stream', () => {
  async function gzip(bytes: Uint8Array, piece: number): Promise<Uint8Array> {
    const sink = memorySink();
    const out = await gzipSink(sink, 6);
    for (let offset = 0; offset < bytes.length; offset += piece)
      await out.write(bytes.subarray(offset, offset + piece));
    await out.end();
    return sink.bytes();
  }

  it.each([0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 9 * 2 ** 20 + 5])(
    'of %d bytes is what gzip gives back',
    async (size) => {
      const bytes = noise(size);
      const packed = await gzip(bytes, 300_000);
      const unpacked = execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 2 ** 28 });
      expect(Buffer.compare(unpacked, bytes)).toBe(0);
      expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    },
  );

  it('does not depend on the pieces in which it is written', async () => {
    const bytes = noise(3 * 2 ** 20);
    expect(Buffer.compare(await gzip(bytes, 1000), await gzip(bytes, 2 ** 22))).toBe(0);
  });
});
