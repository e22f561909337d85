/** Our qcow2 reader against qemu-img: the same bytes, for every way in which a cluster can lie in an image. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DamagedDisk, type DiskSource } from '../../src/formats/disk-source.ts';
import { bytesSource } from '../../src/formats/memory-bytes.ts';
import { type OpenedFile, openDisk } from '../../src/formats/qcow2-reader.ts';
import { noise, rawImage } from '../support/disks.ts';

const MIB = 2 ** 20;
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-qcow2-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const at = (name: string) => join(directory, name);

function qemuImg(...args: readonly string[]): void {
  execFileSync('qemu-img', args, { stdio: 'pipe' });
}

/** Writes into an image as a guest would. */
function qemuIo(image: string, ...commands: readonly string[]): void {
  execFileSync('qemu-io', [...commands.flatMap((command) => ['-c', command]), image], { stdio: 'pipe' });
}

/** The layers, lowest first; only what is called so is raw. */
function layersAt(...paths: readonly string[]): readonly OpenedFile[] {
  return paths.map((path) => ({
    source: bytesSource(readFileSync(path)),
    format: path.endsWith('.raw') ? ('raw' as const) : ('qcow2' as const),
  }));
}

async function opened(...paths: readonly string[]): Promise<DiskSource> {
  const disk = await openDisk(layersAt(...paths));
  if (!disk.ok) throw new Error(disk.failure.problem);
  return disk.value;
}

async function problemOf(path: string) {
  const disk = await openDisk(layersAt(path));
  return disk.ok ? null : disk.failure;
}

/** The whole disk, read in pieces of a size that fits no cluster, after a look at what `nextData` leaves out. */
async function contentOf(disk: DiskSource, piece = 700_001): Promise<Buffer> {
  const whole = Buffer.alloc(disk.sizeBytes);
  for (let offset = 0; offset < whole.length; ) {
    const part = whole.subarray(offset, offset + piece);
    expect(await disk.read(part, offset)).toBe(part.length);
    offset += part.length;
  }
  for (let offset = 0; offset < whole.length; ) {
    const data = await disk.nextData(offset);
    expect(data).toBeGreaterThanOrEqual(offset);
    expect(whole.subarray(offset, data).every((byte) => byte === 0)).toBe(true);
    offset = data + 65_536;
  }
  return whole;
}

function truth(image: string): Buffer {
  qemuImg('convert', '-O', 'raw', image, at('truth.raw'));
  return readFileSync(at('truth.raw'));
}

async function expectSame(disk: DiskSource, expected: Buffer): Promise<void> {
  const content = await contentOf(disk);
  expect(content.length).toBe(expected.length);
  expect(Buffer.compare(content, expected)).toBe(0);
}

describe('a qcow2 image reads as qemu-img reads it', () => {
  const disk = () =>
    rawImage(at('disk.raw'), 12 * MIB + 512, [
      { offset: 0, bytes: noise(100_000) },
      { offset: 5 * MIB + 77, bytes: noise(900_000, 2) },
      { offset: 12 * MIB, bytes: noise(512, 3) },
    ]);

  it.each([
    ['plain', []],
    ['compressed', ['-c']],
    ['of version 2', ['-o', 'compat=0.10']],
    ['compressed, of version 2', ['-c', '-o', 'compat=0.10']],
    ['with clusters of 512 bytes', ['-o', 'cluster_size=512']],
    ['compressed, with clusters of 4 KiB', ['-c', '-o', 'cluster_size=4096']],
    ['with clusters of 2 MiB', ['-o', 'cluster_size=2M']],
    ['compressed, with clusters of 2 MiB', ['-c', '-o', 'cluster_size=2M']],
    ['with everything preallocated', ['-o', 'preallocation=full']],
  ])('%s', async (name, options) => {
    const image = at(`${name}.qcow2`);
    qemuImg('convert', '-O', 'qcow2', ...options, disk(), image);
    await expectSame(await opened(image), truth(image));
  });

  it('with zeroed, discarded and rewritten clusters', async () => {
    const image = at('worn.qcow2');
    qemuImg('convert', '-O', 'qcow2', disk(), image);
    qemuIo(image, 'write -z 5M 128k', 'discard 0 64k', 'write -P 7 5500000 3000', 'write -P 9 11M 64k');
    await expectSame(await opened(image), truth(image));
  });

  it('with a snapshot inside, whose state is left alone', async () => {
    const image = at('snapshot.qcow2');
    qemuImg('convert', '-O', 'qcow2', disk(), image);
    qemuImg('snapshot', '-c', 'before', image);
    qemuIo(image, 'write -P 1 0 200k');
    await expectSame(await opened(image), truth(image));
  });

  it('over layers that hide, zero and extend what is below, the lowest of them raw', async () => {
    const [low, middle, top] = [disk(), at('middle.qcow2'), at('top.qcow2')];
    qemuImg('create', '-f', 'qcow2', '-b', low, '-F', 'raw', middle, '16M');
    qemuIo(middle, 'write -P 3 64k 64k', 'write -z 5M 256k', 'write -P 4 14M 1000');
    qemuImg('create', '-f', 'qcow2', '-b', middle, '-F', 'qcow2', '-o', 'cluster_size=4096', top, '20M');
    qemuIo(top, 'write -P 5 70000 5000', 'write -P 6 5400000 1', 'write -P 8 19M 512');
    await expectSame(await opened(low, middle, top), truth(top));
  });

  it('over a base that is larger than its overlay', async () => {
    const [low, top] = [disk(), at('smaller.qcow2')];
    qemuImg('create', '-f', 'qcow2', '-b', low, '-F', 'raw', top, '5505024');
    qemuIo(top, 'write -P 5 70000 5000');
    await expectSame(await opened(low, top), truth(top));
  });

  it('after any sequence of writes to a chain of three', async () => {
    const command = fc.record({
      layer: fc.integer({ min: 0, max: 2 }),
      verb: fc.constantFrom('write -P 11', 'write -z', 'discard', 'write -P 200'),
      offset: fc.integer({ min: 0, max: (4 * MIB) / 512 - 1 }),
      length: fc.integer({ min: 1, max: 600 }),
    });
    const names = ['any0.qcow2', 'any1.qcow2', 'any2.qcow2'].map(at);
    const property = fc.asyncProperty(fc.array(command, { maxLength: 12 }), async (commands) => {
      for (const [index, name] of names.entries()) {
        const backing = index === 0 ? [] : ['-b', names[index - 1]!, '-F', 'qcow2'];
        qemuImg('create', '-f', 'qcow2', ...backing, '-o', 'cluster_size=64k', name, '4M');
        const mine = commands.filter(({ layer }) => layer === index);
        const clipped = mine.map(({ verb, offset, length }) => {
          const most = 4 * MIB - offset * 512;
          return `${verb} ${offset * 512} ${Math.min(most, length * 512)}`;
        });
        if (clipped.length > 0) qemuIo(name, ...clipped);
      }
      await expectSame(await opened(...names), truth(names[2]!));
    });
    await fc.assert(property, { numRuns: 12 });
  });
});

describe('what the reader leaves to others', () => {
  const create = (name: string, format: string, options: readonly string[] = []) => {
    qemuImg('create', '-f', format, ...options, at(name), '1M');
    return at(name);
  };

  it.each([
    ['zstd', 'qcow2', ['-o', 'compression_type=zstd'], 'compression with zstd'],
    ['extended entries', 'qcow2', ['-o', 'extended_l2=on,cluster_size=128k'], 'extended entries'],
  ])('%s is unsupported', async (name, format, options, problem) => {
    expect(await problemOf(create(`no-${name}`, format, options))).toEqual({
      reason: 'unsupported',
      problem,
    });
  });

  it('a backing file that is no part of the chain is unusable, so that nobody follows it', async () => {
    const image = create('alone.qcow2', 'qcow2', ['-b', create('below.qcow2', 'qcow2'), '-F', 'qcow2']);
    expect(await problemOf(image)).toMatchObject({
      reason: 'unusable',
      problem: expect.stringMatching(/backing file/),
    });
  });

  it('an external data file is unusable', async () => {
    const image = create('split.qcow2', 'qcow2', ['-o', `data_file=${at('split.data')}`]);
    expect(await problemOf(image)).toMatchObject({
      reason: 'unusable',
      problem: expect.stringMatching(/another file/),
    });
  });

  it('a header that asks for gigabytes of tables is unusable', async () => {
    const bytes = readFileSync(create('huge.qcow2', 'qcow2'));
    bytes.writeUInt32BE(0x7fffffff, 36);
    writeFileSync(at('huge.qcow2'), bytes);
    expect(await problemOf(at('huge.qcow2'))).toMatchObject({ reason: 'unusable' });
  });

  it('a compressed cluster that does not inflate is told as damage', async () => {
    const raw = rawImage(at('whole.raw'), MIB, [{ offset: 0, bytes: noise(65_536) }]);
    qemuImg('convert', '-c', '-O', 'qcow2', raw, at('torn.qcow2'));
    const bytes = readFileSync(at('torn.qcow2'));
    const cluster = Number(
      bytes.readBigUInt64BE(
        Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(40))) & 0xfffffffffffe00n),
      ) & 0x3fffffffffffffn,
    );
    bytes.fill(0xff, cluster, cluster + 200);
    const disk = await openDisk([{ source: bytesSource(bytes), format: 'qcow2' }]);
    if (!disk.ok) throw new Error(disk.failure.problem);
    await expect(disk.value.read(new Uint8Array(10), 0)).rejects.toThrow(DamagedDisk);
  });
});
