/** VMDKs that take grains over from an earlier one: always the bytes that a writer without memory gives. */
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { rawDisk } from '../../src/formats/disk-source.ts';
import type { GrainCompressor } from '../../src/formats/grain-compressor.ts';
import { reusingCompressor, zlibCompressor } from '../../src/formats/grain-compressor.ts';
import { bytesSource, memorySink } from '../../src/formats/memory-bytes.ts';
import { touches, union } from '../../src/formats/ranges.ts';
import { openVmdkGrains } from '../../src/formats/vmdk-grains.ts';
import { writeVmdkStream } from '../../src/formats/vmdk-stream.ts';
import { noise } from '../support/disks.ts';

const GRAIN = 65_536;

async function vmdkOf(disk: Uint8Array, compressor: GrainCompressor): Promise<Uint8Array> {
  const sink = memorySink();
  const options = { adapter: 'lsilogic', toolsVersion: null, compressor } as const;
  await writeVmdkStream(rawDisk(bytesSource(disk)), sink, options);
  return sink.bytes();
}

const cold = (disk: Uint8Array) => vmdkOf(disk, zlibCompressor(6));

/** Written with the help of an earlier image; `reused` grains came from there. */
async function warm(disk: Uint8Array, earlier: Uint8Array) {
  const compressor = reusingCompressor(zlibCompressor(6), await openVmdkGrains(bytesSource(earlier)));
  return { bytes: await vmdkOf(disk, compressor), reused: compressor.reused() };
}

/** A disk by the seeds of its grains: 0 for one of zeros. */
function diskOf(seeds: readonly number[], tail: number): Uint8Array {
  const disk = new Uint8Array(seeds.length * GRAIN + tail);
  for (const [index, seed] of seeds.entries())
    if (seed > 0) disk.set(noise(4000, seed), index * GRAIN + seed);
  disk.fill(7, seeds.length * GRAIN);
  return disk;
}

const sameBytes = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;

const seeds = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 40 });

it('is the same as without memory, whatever the earlier disk was, and takes over every grain that stayed', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, seeds, fc.integer({ min: 0, max: 1000 }), async (before, after, tail) => {
      const [old, next] = [diskOf(before, tail), diskOf(after, tail)];
      const { bytes, reused } = await warm(next, await cold(old));
      expect(sameBytes(bytes, await cold(next))).toBe(true);
      const stayed = after.filter((seed, index) => seed > 0 && seed === before[index]).length;
      expect(reused - stayed).toBeGreaterThanOrEqual(0);
      // The last grain, which is not whole, may have stayed as well.
      expect(reused - stayed).toBeLessThanOrEqual(1);
    }),
    { numRuns: 40 },
  );
});

// Not the same bytes: a spoilt stream may inflate to the right ones. So the stage takes nothing out of an image that is not as it was stored.
it('holds the same disk although the earlier image is damaged anywhere, or torn off', async () => {
  const seeds = [1, 0, 2, 3, 3, 0, 1, 2];
  const disk = diskOf(seeds, 512);
  const earlier = await cold(disk);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(earlier.length - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (at, flip, torn) => {
        const damaged = torn ? earlier.slice(0, at) : earlier.slice();
        if (!torn) damaged[at] = (damaged[at] as number) ^ flip;
        expect(sameBytes(await contentOf((await warm(disk, damaged)).bytes), disk)).toBe(true);
      },
    ),
    // The header of a stream says how hard the compressor tried: more than one is right.
    { numRuns: 150, examples: [[87_072, 1, false], ...otherHeaders(earlier)] },
  );
});

/** Where the streams of an image begin, with the bits that make one valid header of zlib (RFC 1950, 2.2) of another. */
function otherHeaders(image: Uint8Array): [number, number, boolean][] {
  const bytes = Buffer.from(image);
  const found: [number, number, boolean][] = [];
  for (let at = bytes.indexOf('789c', 0, 'hex'); at >= 0; at = bytes.indexOf('789c', at + 1, 'hex'))
    found.push([at + 1, 0x9c ^ 0xda, false]);
  return found;
}

/** The disk that an image holds. */
async function contentOf(image: Uint8Array): Promise<Uint8Array> {
  const grains = await openVmdkGrains(bytesSource(image));
  const disk = new Uint8Array(grains.capacityBytes);
  for (
    let grain = await grains.next(0);
    grain !== Number.POSITIVE_INFINITY;
    grain = await grains.next(grain + 1)
  )
    disk.set(
      inflateSync((await grains.stream(grain)) ?? Buffer.alloc(0)).subarray(0, disk.length - grain * GRAIN),
      grain * GRAIN,
    );
  return disk;
}

it('compresses nothing anew when nothing changed, across tables and with few changes in many grains', async () => {
  const many = Array.from({ length: 1100 }, (_, index) => (index % 3 === 0 ? 1 + (index % 7) : 0));
  const before = diskOf(many, 0);
  const earlier = await cold(before);
  const full = many.filter((seed) => seed > 0).length;
  const unchanged = await warm(before, earlier);
  expect(sameBytes(unchanged.bytes, earlier)).toBe(true);
  expect(unchanged.reused).toBe(full);
  const after = before.slice();
  after[600 * GRAIN + 77] = 99;
  const { bytes, reused } = await warm(after, earlier);
  expect(sameBytes(bytes, await cold(after))).toBe(true);
  expect(reused).toBe(full - 1);
});

it('takes nothing out of what is no image of this kind', async () => {
  const disk = diskOf([1, 2], 0);
  for (const other of [new Uint8Array(0), disk, Buffer.from('KDMV'.padEnd(512))]) {
    const { bytes, reused } = await warm(disk, new Uint8Array(other));
    expect(reused).toBe(0);
    expect(sameBytes(bytes, await cold(disk))).toBe(true);
  }
});

it('is the same when only what was touched is read, wherever that begins and ends', async () => {
  const touched = fc.array(fc.tuple(fc.nat(41 * GRAIN), fc.integer({ min: 1, max: 3 * GRAIN })), {
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(seeds, fc.integer({ min: 0, max: 1000 }), touched, async (before, tail, places) => {
      const old = diskOf(before, tail);
      const next = old.slice();
      const ranges = union([places.map(([from, length]) => [from, from + length] as const)]);
      for (const [at, [from, to]] of ranges.entries()) next.fill(at % 2 === 0 ? 0 : 9, from, to);
      const earlier = { grains: await openVmdkGrains(bytesSource(await cold(old))), touched: ranges };
      const sink = memorySink();
      const facts = await writeVmdkStream(rawDisk(bytesSource(next)), sink, {
        adapter: 'lsilogic',
        toolsVersion: null,
        compressor: zlibCompressor(6),
        earlier,
      });
      expect(sameBytes(sink.bytes(), await cold(next))).toBe(true);
      const isUntouched = (index: number) => !touches(ranges, index * GRAIN, (index + 1) * GRAIN);
      const held = [...before, ...(tail > 0 ? [1] : [])].map((seed, index) => seed > 0 && isUntouched(index));
      expect(facts.untouched).toBe(held.filter(Boolean).length);
    }),
    { numRuns: 60 },
  );
});

it('reads the whole disk when the earlier image is of one of another size', async () => {
  const disk = diskOf([1, 2, 3], 0);
  const earlier = {
    grains: await openVmdkGrains(bytesSource(await cold(diskOf([1, 2], 0)))),
    touched: [],
  };
  const sink = memorySink();
  const options = {
    adapter: 'lsilogic',
    toolsVersion: null,
    compressor: zlibCompressor(6),
    earlier,
  } as const;
  expect((await writeVmdkStream(rawDisk(bytesSource(disk)), sink, options)).untouched).toBe(0);
  expect(sameBytes(sink.bytes(), await cold(disk))).toBe(true);
});
