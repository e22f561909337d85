/** The difference between two disks: in files, whichever way it is found, and in what layers say of it. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diffDisks } from '../../src/formats/disk-diff.ts';
import { bytesSource } from '../../src/formats/memory-bytes.ts';
import { type Ranges, sizeOf, touches, union, writtenRanges } from '../../src/formats/ranges.ts';
import { noise, rawImage } from '../support/disks.ts';
import { changedBlocks, debugfs, extImage } from '../support/ext-image.ts';

const EVERYTHING: Ranges = [[0, Number.POSITIVE_INFINITY]];

let directory: string;
const at = (name: string) => join(directory, name);
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-diff-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('two disks', () => {
  let before: string;
  let after: string;
  beforeAll(() => {
    mkdirSync(at('tree/etc'), { recursive: true });
    mkdirSync(at('tree/opt/old/deep'), { recursive: true });
    for (const [name, text] of Object.entries({ hosts: '127.0.0.1', passwd: 'root:0', issue: 'Debian' }))
      writeFileSync(at(`tree/etc/${name}`), text, { mode: 0o644 });
    writeFileSync(at('tree/opt/old/deep/file'), noise(200_000));
    writeFileSync(at('tree/opt/same'), noise(300_000, 5));
    before = extImage(at('before.img'), at('tree'), 20);
    after = at('after.img');
    copyFileSync(before, after);
    writeFileSync(at('content'), 'root:1');
    debugfs(
      after,
      [
        'rm etc/passwd',
        `write ${at('content')} etc/passwd`,
        'set_inode_field etc/passwd mode 0100644',
        'set_inode_field etc/hosts mode 0100600',
        'set_inode_field etc/hosts uid 7',
        'rm etc/issue',
        'symlink etc/issue hosts',
        'rm opt/old/deep/file',
        'mkdir opt/new',
        `write ${at('content')} opt/new/file`,
      ],
      directory,
    );
  });

  const source = (path: string) => bytesSource(readFileSync(path));

  it('differ in names, types, modes, owners and contents of the same size', async () => {
    const [only] = await diffDisks(source(before), source(after), EVERYTHING);
    expect(only).toMatchObject({ number: 0, isRoot: true, problem: null });
    const { added, removed, changed } = only!.changes!;
    expect(added.map(([path]) => path)).toEqual(['/opt/new', '/opt/new/file']);
    expect(removed.map(([path]) => path)).toEqual(['/opt/old/deep/file']);
    expect(changed.map(({ path, aspects }) => [path, ...aspects])).toEqual([
      ['/etc/hosts', 'mode', 'owner'],
      ['/etc/issue', 'type', 'mode'],
      ['/etc/passwd', 'content'],
    ]);
    expect(changed[0]).toMatchObject({ before: { mode: 0o644 }, after: { mode: 0o600, uid: 7 } });
  });

  it('are the same as themselves, and differ the other way round when they are exchanged', async () => {
    const [same] = await diffDisks(source(before), source(before), EVERYTHING);
    expect(same!.changes).toEqual({ added: [], removed: [], changed: [] });
    const [back] = await diffDisks(source(after), source(before), EVERYTHING);
    expect(back!.changes!.added.map(([path]) => path)).toEqual(['/opt/old/deep/file']);
    expect(back!.changes!.removed.map(([path]) => path)).toEqual(['/opt/new', '/opt/new/file']);
  });

  it('differ in the same when only what was written since is read', async () => {
    const written = changedBlocks(before, after, 4096).map(
      ({ block }): Ranges => [[block * 4096, (block + 1) * 4096]],
    );
    const touched = union(written);
    const whole = await diffDisks(source(before), source(after), EVERYTHING);
    let readBytes = 0;
    const counted = (path: string) => {
      const { sizeBytes, read } = source(path);
      return {
        sizeBytes,
        read(into: Uint8Array, offset: number) {
          readBytes += into.length;
          return read(into, offset);
        },
      };
    };
    expect(await diffDisks(counted(before), counted(after), touched)).toEqual(whole);
    // The large file that both have is not among what was read.
    const little = readBytes;
    readBytes = 0;
    await diffDisks(counted(before), counted(after), EVERYTHING);
    expect(little).toBeLessThan(readBytes - 500_000);
  });

  it('of which one holds no file system that is known say so, each with its partition', async () => {
    const other = bytesSource(new Uint8Array(2 ** 20));
    expect(await diffDisks(source(before), other, EVERYTHING)).toEqual([
      {
        number: 0,
        changes: null,
        isRoot: false,
        isLive: false,
        problem: 'no ext file system',
        inBefore: true,
        inAfter: true,
      },
    ]);
  });

  it('whose file system is not known are the same where nothing was written, and only there', async () => {
    const unknown = bytesSource(new Uint8Array(2 ** 20));
    const problems = async (touched: Ranges) =>
      (await diffDisks(unknown, unknown, touched)).map(({ problem }) => problem);
    expect(await problems([[2 ** 20, 2 ** 21]])).toEqual([null]);
    expect(await problems([[2 ** 20 - 1, 2 ** 20]])).toEqual(['no ext file system']);
  });
});

describe('what a layer holds', () => {
  it('is what qemu-io wrote there, zeros included, in whole clusters', async () => {
    const layer = at('layer.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', layer, '1G']);
    const writes = ['write -P 1 100k 10k', 'write -P 2 700M 200k', 'write -z 900M 64k'];
    execFileSync('qemu-io', [...writes.flatMap((write) => ['-c', write]), layer], { stdio: 'pipe' });
    const ranges = await writtenRanges(bytesSource(readFileSync(layer)));
    const [K, M] = [1024, 2 ** 20];
    expect(ranges).toEqual([
      [64 * K, 128 * K],
      [700 * M, 700 * M + 256 * K],
      [900 * M, 900 * M + 64 * K],
    ]);
    expect(sizeOf(ranges)).toBe(384 * K);
  });

  it('is everything for a raw image', async () => {
    const raw = rawImage(at('some.raw'), 2 ** 20, []);
    expect(await writtenRanges(bytesSource(readFileSync(raw)))).toEqual(EVERYTHING);
  });
});

describe('ranges', () => {
  const range = fc
    .tuple(fc.nat(60), fc.integer({ min: 1, max: 10 }))
    .map(([from, size]) => [from, from + size] as const);
  const ranges = fc.array(range, { maxLength: 8 });

  it('united hold exactly what is in any of them, and say so', () => {
    fc.assert(
      fc.property(ranges, ranges, range, (one, other, [from, to]) => {
        const all = union([one, other]);
        const isIn = (point: number) => [...one, ...other].some(([a, b]) => a <= point && point < b);
        const points = Array.from({ length: 80 }, (_, point) => point);
        expect(sizeOf(all)).toBe(points.filter(isIn).length);
        expect(touches(all, from, to)).toBe(
          points.some((point) => point >= from && point < to && isIn(point)),
        );
      }),
    );
  });
});
