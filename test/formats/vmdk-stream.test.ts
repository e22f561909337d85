/** Stream-optimized VMDKs: judged by qemu-img, and by a strict walk over the stream as VMware's readers do it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawDisk } from '../../src/formats/disk-source.ts';
import type { GrainCompressor } from '../../src/formats/grain-compressor.ts';
import { zlibCompressor } from '../../src/formats/grain-compressor.ts';
import { bytesSource, memorySink } from '../../src/formats/memory-bytes.ts';
import type { AdapterType } from '../../src/formats/vmdk-geometry.ts';
import { diskGeometry } from '../../src/formats/vmdk-geometry.ts';
import { readVmdkHead } from '../../src/formats/vmdk-header.ts';
import { contentId } from '../../src/formats/vmdk-layout.ts';
import { writeVmdkStream } from '../../src/formats/vmdk-stream.ts';
import type { ByteSource } from '../../src/model/bytes.ts';
import type { Stretch } from '../support/disks.ts';
import { noise, rawImage } from '../support/disks.ts';

const SECTOR = 512;
const GRAIN = 65_536;
const TABLE = 512 * GRAIN;

/** A disk that exists only as a size and a few stretches of content. */
function sparse(sizeBytes: number, stretches: readonly Stretch[]): ByteSource {
  return {
    sizeBytes,
    read(into, offset) {
      const end = Math.min(offset + into.length, sizeBytes);
      into.fill(0);
      for (const { offset: at, bytes } of stretches) {
        const from = Math.max(at, offset);
        const to = Math.min(at + bytes.length, end);
        if (from < to) into.set(bytes.subarray(from - at, to - at), from - offset);
      }
      return Promise.resolve(Math.max(0, end - offset));
    },
  };
}

async function vmdkOf(
  source: ByteSource,
  compressor: GrainCompressor = zlibCompressor(6),
  adapter: AdapterType = 'lsilogic',
): Promise<Uint8Array> {
  const sink = memorySink();
  const facts = await writeVmdkStream(rawDisk(source), sink, {
    adapter,
    toolsVersion: '2147483647',
    compressor,
  });
  const bytes = sink.bytes();
  expect(facts.sizeBytes).toBe(bytes.length);
  return bytes;
}

/** Walks a stream from front to back, trusting nothing but markers, and gives what it finds; throws at anything odd. */
function walk(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const grains: { sector: number; at: number; content: Uint8Array }[] = [];
  const structures: { type: number; at: number; sectors: number }[] = [];
  let at = Number(view.getBigUint64(64, true)) * SECTOR;
  for (;;) {
    const value = Number(view.getBigUint64(at, true));
    const size = view.getUint32(at + 8, true);
    if (size > 0) {
      const content = new Uint8Array(inflateSync(bytes.subarray(at + 12, at + 12 + size)));
      const padded = Math.ceil((12 + size) / SECTOR) * SECTOR;
      expect(bytes.subarray(at + 12 + size, at + padded).every((byte) => byte === 0)).toBe(true);
      grains.push({ sector: value, at: at / SECTOR, content });
      at += padded;
      continue;
    }
    const type = view.getUint32(at + 12, true);
    if (type === 0) return { grains, structures, end: at + SECTOR };
    structures.push({ type, at: at / SECTOR + 1, sectors: value });
    at += SECTOR * (1 + value);
  }
}

function descriptorOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(SECTOR, 21 * SECTOR))
    .toString('latin1')
    .replace(/\0+$/, '');
}

describe('a stream-optimized VMDK', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'bake-vmdk-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** Whether qemu-img finds the image sound and equal to the disk. */
  async function agree(name: string, sizeBytes: number, stretches: readonly Stretch[]): Promise<void> {
    const vmdk = join(directory, `${name}.vmdk`);
    const raw = join(directory, `${name}.raw`);
    writeFileSync(vmdk, await vmdkOf(sparse(sizeBytes, stretches)));
    rawImage(raw, Math.ceil(sizeBytes / SECTOR) * SECTOR, stretches);
    execFileSync('qemu-img', ['check', '-q', vmdk]);
    const args = ['compare', '-f', 'vmdk', '-F', 'raw', vmdk, raw];
    // It would also say that sizes differ, and still end well.
    expect(execFileSync('qemu-img', args, { encoding: 'utf8' })).toBe('Images are identical.\n');
  }

  it.each([
    ['empty-disk', 0, []],
    ['one-sector', SECTOR, [{ offset: 0, bytes: noise(SECTOR) }]],
    ['one-byte-more-than-a-sector', SECTOR + 1, [{ offset: SECTOR, bytes: noise(1) }]],
    ['one-grain', GRAIN, [{ offset: 0, bytes: noise(GRAIN) }]],
    ['one-sector-less-than-a-grain', GRAIN - SECTOR, [{ offset: 0, bytes: noise(GRAIN - SECTOR) }]],
    ['one-sector-more-than-a-grain', GRAIN + SECTOR, [{ offset: GRAIN, bytes: noise(SECTOR) }]],
    ['zeros-alone', 5 * GRAIN, []],
    ['across-a-table', TABLE + GRAIN, [{ offset: TABLE - 1000, bytes: noise(2000) }]],
    ['exactly-a-table', TABLE, [{ offset: TABLE - GRAIN, bytes: noise(GRAIN) }]],
    [
      'empty-tables-between',
      5 * TABLE + 12 * SECTOR,
      [0, 1, 4, 5].map((n) => ({ offset: n * TABLE, bytes: noise(999, n + 1) })),
    ],
    [
      'eight-gibibytes',
      2 ** 33,
      [
        { offset: 0, bytes: noise(100) },
        { offset: 2 ** 33 - 700, bytes: noise(700) },
      ],
    ],
  ])('of %s is sound and equal to the disk, says qemu-img', async (name, sizeBytes, stretches) => {
    if (sizeBytes > 0) await agree(name, sizeBytes, stretches);
    else
      expect(await readVmdkHead(bytesSource(await vmdkOf(sparse(0, []))))).toMatchObject({
        ok: false,
        failure: expect.stringContaining('0 bytes'),
      });
  });

  it('is sound and equal to any sparse disk', async () => {
    const stretch = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.integer({ min: 1, max: 200_000 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 80_000 }),
        fc.array(stretch, { maxLength: 5 }),
        async (sectors, parts) => {
          const sizeBytes = sectors * SECTOR;
          const stretches = parts.map(({ at, length }, index) => {
            const offset = Math.min(sizeBytes - 1, Math.floor(at * sizeBytes));
            return { offset, bytes: noise(Math.min(length, sizeBytes - offset), index + 1) };
          });
          run += 1;
          await agree(`any-${run}`, sizeBytes, stretches);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('reads from front to back: grains ascending, each table after its grains, directory, footer, one zero sector', async () => {
    const stretches = [3, 4, 600, 601, 2000].map((grain) => ({
      offset: grain * GRAIN,
      bytes: noise(GRAIN, grain),
    }));
    const bytes = await vmdkOf(sparse(4 * TABLE, stretches));
    const { grains, structures, end } = walk(bytes);
    expect(end).toBe(bytes.length);
    expect(grains.map((grain) => grain.sector / 128)).toEqual([3, 4, 600, 601, 2000]);
    for (const [index, grain] of grains.entries())
      expect(Buffer.compare(grain.content, stretches[index]!.bytes)).toBe(0);
    expect(structures.map((one) => one.type)).toEqual([1, 1, 1, 2, 3]);
    const [first, second, third, directory, footer] = structures as [
      Structure,
      Structure,
      Structure,
      Structure,
      Structure,
    ];
    type Structure = (typeof structures)[number];
    const view = new DataView(bytes.buffer);
    const numbers = (at: number, count: number) =>
      Array.from({ length: count }, (_, index) => view.getUint32(at * SECTOR + index * 4, true));
    expect(numbers(directory.at, 4)).toEqual([first.at, second.at, 0, third.at]);
    expect(numbers(first.at, 5)).toEqual([0, 0, 0, grains[0]!.at, grains[1]!.at]);
    expect(view.getBigUint64(footer.at * SECTOR + 56, true)).toBe(BigInt(directory.at));
    expect(view.getBigUint64(56, true)).toBe(0xffffffffffffffffn);
    expect(view.getUint32(4, true)).toBe(3);
    expect([...bytes.subarray(73, 77)]).toEqual([0x0a, 0x20, 0x0d, 0x0a]);
  });

  it('names itself by its content and never by its file, with eight digits', async () => {
    const bytes = await vmdkOf(sparse(GRAIN, [{ offset: 0, bytes: noise(GRAIN) }]));
    const hex = createHash('sha256')
      .update(bytes.subarray(128 * SECTOR))
      .digest('hex');
    expect(descriptorOf(bytes).split('\n')).toEqual([
      '# Disk DescriptorFile',
      'version=1',
      `CID=${hex.slice(0, 8)}`,
      'parentCID=ffffffff',
      'createType="streamOptimized"',
      '',
      '# Extent description',
      'RW 128 SPARSE "disk.vmdk"',
      '',
      '# The Disk Data Base',
      '#DDB',
      '',
      'ddb.virtualHWVersion = "4"',
      'ddb.geometry.cylinders = "1"',
      'ddb.geometry.heads = "255"',
      'ddb.geometry.sectors = "63"',
      'ddb.adapterType = "lsilogic"',
      'ddb.toolsVersion = "2147483647"',
      '',
    ]);
  });

  it('is the same whatever the order in which grains get ready', async () => {
    const source = sparse(
      3 * TABLE,
      Array.from({ length: 90 }, (_, n) => ({ offset: n * 17 * GRAIN, bytes: noise(GRAIN, n + 1) })),
    );
    const zlib = zlibCompressor(6);
    // Later grains overtake earlier ones: of each eight the first is finished last.
    let given = 0;
    const shuffled: GrainCompressor = {
      async compress(grain, index) {
        const turns = 8 - (given++ % 8);
        const bytes = await zlib.compress(grain, index);
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        return bytes;
      },
    };
    const [one, other] = [await vmdkOf(source), await vmdkOf(source, shuffled)];
    expect(Buffer.compare(one, other)).toBe(0);
  });

  it('holds few grains in hand at once', async () => {
    let inHand = 0;
    let most = 0;
    const zlib = zlibCompressor(1);
    const counting: GrainCompressor = {
      async compress(grain, index) {
        most = Math.max(most, ++inHand);
        const bytes = await zlib.compress(grain, index);
        inHand -= 1;
        return bytes;
      },
    };
    await vmdkOf(sparse(300 * GRAIN, [{ offset: 0, bytes: noise(300 * GRAIN) }]), counting);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(32);
  });

  it('gives the bytes that it always gave, apart from what zlib chose', async () => {
    const stored: GrainCompressor = { compress: async (grain) => storedZlib(grain) };
    const source = sparse(2 * TABLE, [
      { offset: 7 * GRAIN, bytes: noise(GRAIN) },
      { offset: TABLE, bytes: noise(10) },
    ]);
    const bytes = await vmdkOf(source, stored, 'ide');
    expect(createHash('sha256').update(bytes).digest('hex')).toMatchInlineSnapshot(
      `"1c5fede6c0044945bdfb05b3029a181a9a0c3ac042c77f8be49a826c501be036"`,
    );
  });

  it('stops when it is told to, and passes a compressor’s failure on', async () => {
    const source = sparse(40 * GRAIN, [{ offset: 0, bytes: noise(40 * GRAIN) }]);
    const options = { adapter: 'lsilogic', toolsVersion: null } as const;
    const stopped = writeVmdkStream(rawDisk(source), memorySink(), {
      ...options,
      compressor: zlibCompressor(1),
      signal: AbortSignal.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    const failing: GrainCompressor = { compress: () => Promise.reject(new Error('no memory')) };
    const failed = writeVmdkStream(rawDisk(source), memorySink(), { ...options, compressor: failing });
    await expect(failed).rejects.toThrow('no memory');
  });
});

/** A zlib stream of one stored block: what any zlib would have to read, and none chooses. */
function storedZlib(bytes: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [Uint8Array.of(0x78, 0x01)];
  for (let at = 0; at < bytes.length; at += 65_535) {
    const part = bytes.subarray(at, at + 65_535);
    const head = new Uint8Array(5);
    head[0] = at + part.length === bytes.length ? 1 : 0;
    new DataView(head.buffer).setUint16(1, part.length, true);
    new DataView(head.buffer).setUint16(3, ~part.length & 0xffff, true);
    blocks.push(head, part);
  }
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  const end = new Uint8Array(4);
  new DataView(end.buffer).setUint32(0, b * 65_536 + a, false);
  return new Uint8Array(Buffer.concat([...blocks, end]));
}

describe('the geometry of a disk', () => {
  it.each([
    ['lsilogic', 2 ** 24, { cylinders: 1045, heads: 255, sectors: 63 }],
    ['buslogic', 1, { cylinders: 1, heads: 255, sectors: 63 }],
    ['lsilogic', 2 ** 40, { cylinders: 65_535, heads: 255, sectors: 63 }],
    ['ide', 2 ** 20, { cylinders: 1041, heads: 16, sectors: 63 }],
    ['ide', 2 ** 30, { cylinders: 16_383, heads: 16, sectors: 63 }],
  ] as const)('on %s with %d sectors', (adapter, sectors, geometry) => {
    expect(diskGeometry(adapter, sectors)).toEqual(geometry);
  });
});

describe('a content ID', () => {
  it('is the first eight digits, but never one that means "none"', () => {
    expect(contentId('0123456789abcdef')).toBe('01234567');
    expect(contentId('ffffffff89abcdef')).toBe('089abcde');
    expect(contentId('fffffffe89abcdef')).toBe('089abcde');
  });
});
