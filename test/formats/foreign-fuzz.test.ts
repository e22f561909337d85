/** Images with any bytes of theirs changed or cut off: our readers neither crash nor hang, and do no more work than the file is large. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDisk } from '../../src/formats/disk-check.ts';
import { detectFormat } from '../../src/formats/disk-magic.ts';
import { DamagedDisk } from '../../src/formats/disk-source.ts';
import { bytesSource } from '../../src/formats/memory-bytes.ts';
import { openDisk } from '../../src/formats/qcow2-reader.ts';
import { listTar } from '../../src/formats/tar.ts';
import { openVmdkGrains } from '../../src/formats/vmdk-grains.ts';
import { readVmdkHead } from '../../src/formats/vmdk-header.ts';
import type { ByteSource } from '../../src/model/bytes.ts';
import type { DiskFormat } from '../../src/model/disk-format.ts';
import { diskInOva } from '../../src/stages/images/ova-disk.ts';
import { noise, rawImage } from '../support/disks.ts';
import { qemuImg } from '../support/foreign-images.ts';

const MIB = 2 ** 20;
/** Committed, so that every run tries the same; raise the runs and drop the seed to look further. */
const RUNS = { seed: 20_261_129, numRuns: 250 } as const;

let directory: string;
const images = new Map<string, Buffer>();

const MADE: readonly (readonly [string, DiskFormat, readonly string[]])[] = [
  ['qcow2', 'qcow2', []],
  ['deflated qcow2', 'qcow2', ['-c', '-o', 'cluster_size=4k']],
  ['extended qcow2', 'qcow2', ['-o', 'extended_l2=on']],
  ['vmdk', 'vmdk', []],
  ['stream-optimized vmdk', 'vmdk', ['-o', 'subformat=streamOptimized']],
  ['vdi', 'vdi', []],
  ['vhdx', 'vhdx', ['-o', 'block_size=1M']],
  ['vpc', 'vpc', []],
];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-fuzz-'));
  const raw = rawImage(join(directory, 'disk.raw'), 3 * MIB, [
    { offset: 0, bytes: noise(70_000) },
    { offset: 2 * MIB, bytes: noise(9000, 3) },
  ]);
  for (const [name, format, options] of MADE) {
    const image = join(directory, 'image');
    qemuImg('convert', '-f', 'raw', '-O', format, ...options, raw, image);
    images.set(name, readFileSync(image));
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Counts what is read of it, and how much at once. */
function counted(bytes: Uint8Array): { readonly source: ByteSource; read(): number } {
  const inner = bytesSource(bytes);
  let total = 0;
  const source: ByteSource = {
    sizeBytes: inner.sizeBytes,
    async read(into, offset) {
      total += into.length;
      // The largest table that any format may have.
      expect(into.length).toBeLessThanOrEqual(32 * MIB);
      return inner.read(into, offset);
    },
  };
  return { source, read: () => total };
}

const INTERESTING = [0n, 1n, 2n, 0xffn, 0x7fff_ffffn, 0xffff_ffffn, 1n << 40n, 1n << 60n, (1n << 64n) - 1n];

/** Where headers and tables are, mostly; what is written there: a byte, or a number of either order. */
const changes = fc.array(
  fc.record({
    at: fc.oneof(
      { weight: 5, arbitrary: fc.nat(600) },
      { weight: 3, arbitrary: fc.nat(400_000) },
      { weight: 1, arbitrary: fc.nat(6 * MIB) },
    ),
    value: fc.oneof(fc.constantFrom(...INTERESTING), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })),
    width: fc.constantFrom(1, 4, 8),
    little: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);
const cuts = fc.oneof(
  { weight: 4, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
);

function spoilt(
  image: Buffer,
  edits: typeof changes extends fc.Arbitrary<infer T> ? T : never,
  cut: number,
): Buffer {
  const bytes = Buffer.from(image);
  for (const { at, value, width, little } of edits) {
    if (at + width > bytes.length) continue;
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(value);
    const field = number.subarray(0, width);
    bytes.set(little ? field : field.reverse(), at);
  }
  return bytes.subarray(0, Math.floor(bytes.length * cut));
}

/** Reads all that the disk says it has, up to a bound. */
async function readThrough(source: ByteSource): Promise<void> {
  const disk = await openDisk([{ source, format: 'qcow2' }]);
  if (!disk.ok) return;
  const piece = new Uint8Array(MIB);
  try {
    let offset = await disk.value.nextData(0);
    for (let pieces = 0; pieces < 8 && offset < disk.value.sizeBytes; pieces++) {
      await disk.value.read(piece, offset);
      offset = await disk.value.nextData(offset + piece.length);
    }
  } catch (error) {
    if (!(error instanceof DamagedDisk)) throw error;
  }
}

describe('whatever becomes of an image', () => {
  it.each(MADE)('%s is whole or has something wrong, found in bounded work', async (name, format) => {
    const image = images.get(name) as Buffer;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(changes, cuts, async (edits, cut) => {
        const { source, read } = counted(spoilt(image, edits, cut));
        await detectFormat(source, null);
        const checked = await checkDisk(source, format);
        if (!checked.ok) refused += 1;
        else expect(checked.value.sizeBytes).toBeLessThanOrEqual(64 * 2 ** 40);
        // Every table once, and each at most as large as the file.
        expect(read()).toBeLessThanOrEqual(4 * image.length + 40 * MIB);
      }),
      RUNS,
    );
    // Damage that nobody notices would make the property hold for nothing.
    expect(refused).toBeGreaterThan(RUNS.numRuns / 10);
  });

  it.each(['qcow2', 'deflated qcow2'])('%s is read through, or is said to be damaged', async (name) => {
    await fc.assert(
      fc.asyncProperty(changes, cuts, async (edits, cut) => {
        await readThrough(counted(spoilt(images.get(name) as Buffer, edits, cut)).source);
      }),
      RUNS,
    );
  });

  it('a stream-optimized VMDK has a head and grains, or has not', async () => {
    await fc.assert(
      fc.asyncProperty(changes, cuts, async (edits, cut) => {
        const { source } = counted(spoilt(images.get('stream-optimized vmdk') as Buffer, edits, cut));
        await readVmdkHead(source);
        const grains = await openVmdkGrains(source);
        const first = await grains.next(0);
        if (Number.isFinite(first)) await grains.stream(first);
      }),
      RUNS,
    );
  });

  it('an archive is read without a crash, and only names of its own count', async () => {
    const member = fc.record({
      name: fc.oneof(
        fc.constantFrom('a.vmdk', 'b.ovf', '../c', '/etc/d', './e.vmdk', ''),
        fc.string({ maxLength: 99 }),
      ),
      size: fc.oneof(fc.nat(3000), fc.constantFrom('77777777777', '-1', 'x', '')),
      type: fc.constantFrom('0', '\0', '1', '2', '5', 'x', 'g', 'L'),
      content: fc.string({ maxLength: 600 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 4 }), async (members) => {
        const blocks = members.flatMap(({ name, size, type, content }) => {
          const header = Buffer.alloc(512);
          header.write(name, 0, 100, 'utf8');
          header.write(typeof size === 'number' ? size.toString(8) : size, 124, 'latin1');
          header.write(`${type}ustar\0`, 156, 'latin1');
          header.write('ustar\0', 257, 'latin1');
          header.fill(' ', 148, 156);
          header.write(header.reduce((sum, byte) => sum + byte, 0).toString(8), 148, 'latin1');
          const body = Buffer.alloc(1024);
          body.write(content, 0, 'utf8');
          return [header, body];
        });
        const source = bytesSource(Buffer.concat([...blocks, Buffer.alloc(1024)]));
        const listed = await listTar(source);
        if (listed.ok) for (const { name } of listed.value) expect(name).not.toMatch(/^\/|\.\.\//);
        await diskInOva(source);
      }),
      RUNS,
    );
  });
});
