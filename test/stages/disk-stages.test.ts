/** `qcow2-to-vmdk` and `disk-convert` on real images: layers, foreign formats, damage, interruption, and the same bytes twice. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diskConvertStage } from '../../src/stages/disk-convert.ts';
import { qcow2ToVmdkStage } from '../../src/stages/qcow2-to-vmdk.ts';
import { noise, rawImage } from '../support/disks.ts';
import { stageContext } from '../support/stage-context.ts';

const MIB = 2 ** 20;
let directory: string;
let raw: string;
let qcow2: string;
let layers: readonly string[];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-disks-'));
  raw = rawImage(at('disk.raw'), 40 * MIB, [
    { offset: 0, bytes: noise(200_000) },
    { offset: 39 * MIB, bytes: noise(300_000, 5) },
  ]);
  qcow2 = at('disk.qcow2');
  qemuImg('convert', '-O', 'qcow2', raw, qcow2);
  // The upper layer knows nothing of the lower one: the chain is composed when it is read.
  const upper = at('upper.qcow2');
  qemuImg('create', '-f', 'qcow2', upper, '40M');
  execFileSync('qemu-io', ['-c', 'write -P 3 1M 100k', upper], { stdio: 'pipe' });
  layers = [qcow2, upper];
});
afterAll(() => rmSync(directory, { recursive: true }));

const at = (name: string) => join(directory, name);

function qemuImg(...args: readonly string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8' });
}

/** Converts and keeps the result as a file; throws when the stage fails. */
async function toVmdk(disk: string | readonly string[], name: string, more = {}): Promise<string> {
  await using context = await stageContext({ inputs: { disk } });
  const options = qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' }, ...more });
  const done = await qcow2ToVmdkStage.run(options, context);
  if (!done.ok) throw new Error(JSON.stringify(done.failure));
  copyFileSync(context.output('vmdk'), at(name));
  return at(name);
}

async function converted(
  disk: string | readonly string[],
  format: string,
  name: string,
  more = {},
): Promise<string> {
  await using context = await stageContext({ inputs: { disk } });
  const options = diskConvertStage.options.parse({ disk: { $file: 'disk' }, format, ...more });
  const done = await diskConvertStage.run(options, context);
  if (!done.ok) throw new Error(JSON.stringify(done.failure));
  copyFileSync(context.output('disk'), at(name));
  return at(name);
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const IDENTICAL = 'Images are identical.\n';

describe('qcow2-to-vmdk', () => {
  it('gives the same bytes for the same disk, whatever image holds it and how often it is run', async () => {
    const compressed = at('compressed.qcow2');
    qemuImg('convert', '-c', '-O', 'qcow2', raw, compressed);
    const zstd = at('zstd.qcow2');
    qemuImg('convert', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd', raw, zstd);
    const vhdx = at('source.vhdx');
    qemuImg('convert', '-O', 'vhdx', raw, vhdx);
    const digests = [];
    for (const [index, disk] of [qcow2, qcow2, raw, compressed, zstd, vhdx].entries())
      digests.push(sha256(await toVmdk(disk, `same-${index}.vmdk`)));
    expect(new Set(digests).size).toBe(1);
    expect(qemuImg('compare', at('same-0.vmdk'), raw)).toBe(IDENTICAL);
  });

  it('reads through layers that know nothing of each other', async () => {
    const vmdk = await toVmdk(layers, 'layers.vmdk');
    const flat = at('flat.raw');
    copyFileSync(raw, flat);
    execFileSync('qemu-io', ['-f', 'raw', '-c', 'write -P 3 1M 100k', flat], { stdio: 'pipe' });
    expect(qemuImg('compare', vmdk, flat)).toBe(IDENTICAL);
  });

  it('is smaller, and the same disk, with more compression', async () => {
    const [quick, small] = [
      await toVmdk(raw, 'quick.vmdk', { compression: 1 }),
      await toVmdk(raw, 'small.vmdk', { compression: 9 }),
    ];
    expect(readFileSync(small).length).toBeLessThan(readFileSync(quick).length);
    expect(qemuImg('compare', quick, small)).toBe(IDENTICAL);
  });

  it('names the adapter that was asked for, and says of pvscsi where it belongs', async () => {
    const vmdk = await toVmdk(raw, 'buslogic.vmdk', { adapter: 'buslogic' });
    expect(readFileSync(vmdk).subarray(512, 2048).toString('latin1')).toContain(
      'ddb.adapterType = "buslogic"',
    );
    const refused = qcow2ToVmdkStage.options.safeParse({ disk: { $file: 'disk' }, adapter: 'pvscsi' });
    expect(refused.error?.issues[0]?.message).toContain('`controller: pvscsi` in `ovf-pack`');
  });

  it('stops when it is told to, as a failure and not as a bug', async () => {
    await using context = await stageContext({ inputs: { disk: raw }, signal: AbortSignal.abort() });
    const options = qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' } });
    expect(await qcow2ToVmdkStage.run(options, context)).toMatchObject({ ok: false });
    expect(existsSync(context.output('vmdk'))).toBe(false);
  });

  it('says what it does, up to the end', async () => {
    await using context = await stageContext({ inputs: { disk: raw } });
    await qcow2ToVmdkStage.run(qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' } }), context);
    expect(context.activities.at(-1)).toEqual({ activity: 'compressing', fraction: 1 });
    expect(context.lines.join('\n')).toMatch(/grains of a disk of 41943040 bytes/);
  });
});

describe('qcow2-to-vmdk, of a disk whose lower layers it has converted before', () => {
  /** A layer of its own file, with what qemu-io wrote into it. */
  function layer(name: string, size: string, ...commands: readonly string[]): string {
    qemuImg('create', '-f', 'qcow2', at(name), size);
    execFileSync('qemu-io', [...commands.flatMap((command) => ['-c', command]), at(name)], { stdio: 'pipe' });
    return at(name);
  }

  /** Converts with an earlier VMDK at hand; `meanwhile` happens after that was found. */
  async function again(
    disk: readonly string[],
    before: { readonly vmdk: string; readonly layers: readonly string[] },
    meanwhile: (path: string) => void = () => undefined,
  ) {
    await using context = await stageContext({
      inputs: { disk },
      earlier: { vmdk: before.vmdk },
      earlierLayers: { disk: before.layers },
    });
    const options = qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' } });
    const found = await context.earlier('vmdk');
    meanwhile(before.vmdk);
    const done = await qcow2ToVmdkStage.run(options, { ...context, earlier: async () => found });
    if (!done.ok) throw new Error(JSON.stringify(done.failure));
    const untouched = /^(\d+) of these no layer has touched/m.exec(context.lines.join('\n'))?.[1];
    return { sha256: sha256(context.output('vmdk')), untouched: Number(untouched ?? 0) };
  }

  // One writes, zeroes or discards where the other does not, at both ends and in the middle of grains.
  const first = () => [qcow2, layer('first.qcow2', '40M', 'write -P 9 20M 70k', 'write -z 64k 64k')];
  const second = () => [qcow2, layer('second.qcow2', '40M', 'write -P 8 20000k 200k', 'write -z 39M 64k')];

  it('makes the same bytes as without, and reads only what a layer touched', async () => {
    const before = { layers: first(), vmdk: await toVmdk(first(), 'before.vmdk') };
    const next = second();
    const cold = sha256(await toVmdk(next, 'cold.vmdk'));
    expect(await again(next, before)).toEqual({ sha256: cold, untouched: 7 });
    expect((await again(before.layers, before)).sha256).toBe(sha256(before.vmdk));
    // A layer less, and a layer more, than the disk of then.
    expect(await again([qcow2], before)).toMatchObject({ sha256: sha256(await toVmdk(qcow2, 'less.vmdk')) });
    const more = [...before.layers, layer('third.qcow2', '40M', 'write -P 1 30M 1k')];
    expect(await again(more, before)).toMatchObject({ sha256: sha256(await toVmdk(more, 'more.vmdk')) });
  });

  it('takes nothing unread out of a VMDK that is not as it was stored', async () => {
    const before = { layers: first(), vmdk: await toVmdk(first(), 'damaged.vmdk') };
    const next = second();
    const damage = (path: string): void => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
      writeFileSync(path, bytes);
    };
    const cold = sha256(await toVmdk(next, 'cold.vmdk'));
    expect(await again(next, before, damage)).toEqual({ sha256: cold, untouched: 0 });
  });

  it('takes nothing out of a VMDK whose streams inflate to the right bytes and are not as they were stored', async () => {
    const before = { layers: [], vmdk: await toVmdk(qcow2, 'respelled.vmdk') };
    const cold = sha256(before.vmdk);
    const respell = (path: string): void => {
      const bytes = readFileSync(path);
      // The same stream for zlib: its header only says how hard the compressor tried.
      const header = bytes.indexOf('789c', 0, 'hex');
      bytes[header + 1] = 0xda;
      writeFileSync(path, bytes);
      expect(qemuImg('compare', path, qcow2)).toBe(IDENTICAL);
    };
    expect((await again([qcow2], before, respell)).sha256).toBe(cold);
  });

  it('takes nothing unread where a layer of another size cuts off what lies below', async () => {
    const short = [qcow2, layer('short.qcow2', '8M', 'write -P 5 1M 64k')];
    const tall = layer('tall.qcow2', '40M', 'write -P 6 2M 64k');
    const before = { layers: [...short, tall], vmdk: await toVmdk([...short, tall], 'cut-off.vmdk') };
    const next = [qcow2, tall];
    const cold = sha256(await toVmdk(next, 'whole.vmdk'));
    expect(cold).not.toBe(sha256(before.vmdk));
    expect(await again(next, before)).toEqual({ sha256: cold, untouched: 0 });
  });

  it('takes nothing unread if not even the lowest layer is the same', async () => {
    const before = { layers: first(), vmdk: await toVmdk(first(), 'other.vmdk') };
    const flat = at('flattened.qcow2');
    qemuImg('convert', '-O', 'qcow2', '-o', 'cluster_size=4k', raw, flat);
    const next = [flat, second()[1] as string];
    const cold = sha256(await toVmdk(next, 'cold.vmdk'));
    expect(await again(next, before)).toEqual({ sha256: cold, untouched: 0 });
  });
});

describe('disk-convert', () => {
  it.each([
    ['qcow2', {}],
    ['qcow2', { compress: true }],
    ['raw', {}],
    ['vhdx', {}],
    ['vdi', {}],
    ['vmdk', {}],
  ])('makes %s %o of the same disk, the same bytes twice', async (format, more) => {
    const name = `${format}-${JSON.stringify(more).length}`;
    const one = await converted(qcow2, format, `${name}-1`, more);
    const other = await converted(raw, format, `${name}-2`, more);
    expect(JSON.parse(qemuImg('info', '--output=json', one))).toMatchObject({
      format,
      'virtual-size': 40 * MIB,
    });
    expect(qemuImg('compare', one, raw)).toBe(IDENTICAL);
    expect(sha256(other)).toBe(sha256(one));
    if (format !== 'raw' && format !== 'vmdk') qemuImg('check', '-q', one);
  });

  it('gives other identifiers to another content', async () => {
    const other = rawImage(at('other.raw'), 40 * MIB, [{ offset: 5, bytes: noise(10) }]);
    for (const [format, offset] of [
      ['vdi', 392],
      ['vhdx', 65_536 + 16],
    ] as const) {
      const [a, b] = [
        await converted(raw, format, `id-a.${format}`),
        await converted(other, format, `id-b.${format}`),
      ];
      const ids = [a, b].map((path) =>
        readFileSync(path)
          .subarray(offset, offset + 16)
          .toString('hex'),
      );
      expect(ids[0]).not.toBe(ids[1]);
      expect(ids[0]).not.toMatch(/^0+$/);
    }
  });

  it('makes one file of layers', async () => {
    const flat = await converted(layers, 'qcow2', 'flat.qcow2');
    expect(qemuImg('compare', flat, await toVmdk(layers, 'layers-again.vmdk'))).toBe(IDENTICAL);
    expect(qemuImg('info', flat)).not.toContain('backing');
  });

  it('does not follow an image to a file that nobody declared', async () => {
    const reaching = at('reaching.qcow2');
    qemuImg('create', '-f', 'qcow2', '-b', raw, '-F', 'raw', reaching);
    await using context = await stageContext({ inputs: { disk: reaching } });
    const options = diskConvertStage.options.parse({ disk: { $file: 'disk' }, format: 'raw' });
    const failure = { code: 'disk-unusable', problem: expect.stringContaining('a backing file') };
    expect(await diskConvertStage.run(options, context)).toMatchObject({ ok: false, failure });
    const vmdk = qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' } });
    expect(await qcow2ToVmdkStage.run(vmdk, context)).toMatchObject({ ok: false, failure });
  });

  it('tells of an image that is torn, with what qemu-img says', async () => {
    const torn = at('torn.vmdk');
    qemuImg('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, torn);
    const bytes = readFileSync(torn);
    // Amid the first grain, of which no header tells.
    const grain = Number(bytes.readBigUInt64LE(64)) * 512;
    writeFileSync(torn, bytes.fill(0xff, grain + 40, grain + 400));
    await using context = await stageContext({ inputs: { disk: torn } });
    const options = diskConvertStage.options.parse({ disk: { $file: 'disk' }, format: 'raw' });
    expect(await diskConvertStage.run(options, context)).toMatchObject({
      ok: false,
      failure: { code: 'command-failed', exitCode: 1 },
    });
  });

  it('refuses to compress what cannot be, before anything runs', () => {
    const options = diskConvertStage.options.parse({
      disk: { $file: 'disk' },
      format: 'vdi',
      compress: true,
    });
    expect(diskConvertStage.check?.(options)).toHaveLength(1);
  });
});
