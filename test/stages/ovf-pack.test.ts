/** `ovf-pack` and `qcow2-to-vmdk` run for real; what they make is read by qemu-img, tar, xmllint, sha256sum and virt-v2v. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ovfPackStage } from '../../src/stages/ovf-pack.ts';
import { qcow2ToVmdkStage } from '../../src/stages/qcow2-to-vmdk.ts';
import { noise, rawImage } from '../support/disks.ts';
import { stageContext } from '../support/stage-context.ts';

const DISK_BYTES = 96 * 2 ** 20 + 512;

let directory: string;
let vmdk: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bake-ovf-'));
  const raw = rawImage(join(directory, 'disk.raw'), DISK_BYTES, [
    { offset: 0, bytes: noise(300_000) },
    { offset: 50 * 2 ** 20, bytes: noise(200_000, 7) },
  ]);
  const qcow2 = join(directory, 'disk.qcow2');
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', raw, qcow2]);
  vmdk = await convert(qcow2, join(directory, 'disk.vmdk'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function convert(disk: string, to: string): Promise<string> {
  await using context = await stageContext({ inputs: { disk } });
  const options = qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' } });
  const done = await qcow2ToVmdkStage.run(options, context);
  expect(done).toMatchObject({ ok: true });
  writeFileSync(to, readFileSync(context.output('vmdk')));
  return to;
}

const PRODUCT = {
  product: {
    name: 'Tiny & "Tidy" <Appliance>',
    vendor: 'Example Ltd',
    version: '1.0.0',
    full_version: '1.0.0-7',
    url: 'https://example.org/?a=1&b=2',
  },
};

/** Packs `count` copies of the disk and keeps what comes out under `name`. */
async function pack(name: string, more: object, count = 1): Promise<string> {
  const inputs = Object.fromEntries(Array.from({ length: count }, (_, index) => [`disk${index}`, vmdk]));
  await using context = await stageContext({ inputs });
  const disks = Object.keys(inputs).map((file) => ({ $file: file }));
  const options = ovfPackStage.options.parse({ disks, ...PRODUCT, ...more });
  expect(ovfPackStage.check?.(options)).toEqual([]);
  const done = await ovfPackStage.run(options, context);
  expect(done).toMatchObject({ ok: true });
  const kept = join(directory, name);
  mkdirSync(kept);
  execFileSync('cp', ['-r', `${context.workspace}/.`, kept]);
  return kept;
}

function unpack(ova: string): string {
  const to = `${ova}.d`;
  mkdirSync(to);
  // GNU tar says on its error stream what it finds odd.
  const tar = spawnSync('tar', ['-xvf', ova, '-C', to], { encoding: 'utf8' });
  expect({ status: tar.status, stderr: tar.stderr }).toEqual({ status: 0, stderr: '' });
  return to;
}

function xpath(file: string, expression: string): string {
  const plain = expression.replace(/(^|[/(, ])([A-Za-z]+)(?=[/[]|$)/g, "$1*[local-name()='$2']");
  return execFileSync('xmllint', ['--xpath', `string(${plain})`, file], { encoding: 'utf8' }).trim();
}

describe('an OVA', () => {
  let kept: string;
  let ova: string;
  let inside: string;
  const base = 'Tiny-Tidy-Appliance';
  beforeAll(async () => {
    kept = await pack('one', {
      hardware: { cpus: 2, memory: '2GiB', nics: [{ model: 'E1000', network: 'Management' }] },
      annotation: 'First line\nsecond line',
      eula: 'Be kind.',
      properties: [{ key: 'hostname', value: 'tiny', label: 'Host name', category: 'Network' }],
    });
    ova = join(kept, 'ova');
    inside = unpack(ova);
  });

  it('holds descriptor, manifest and disk, in this order, as plain files of root with one fixed date', () => {
    const listing = execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', ova], { encoding: 'utf8' });
    const lines = listing.trim().split('\n');
    expect(lines.map((line) => line.split(/\s+/)[5])).toEqual([
      `${base}.ovf`,
      `${base}.mf`,
      `${base}-disk1.vmdk`,
    ]);
    for (const line of lines) expect(line).toMatch(/^-rw-r--r-- 0\/0 +\d+ 1980-01-01 00:00 /);
    const size = statSync(join(inside, `${base}-disk1.vmdk`)).size;
    const texts = [`${base}.ovf`, `${base}.mf`].map((name) => statSync(join(inside, name)).size);
    const blocks = [size, ...texts].reduce((sum, bytes) => sum + 512 + Math.ceil(bytes / 512) * 512, 1024);
    expect(statSync(ova).size).toBe(blocks);
    expect(execFileSync('file', [ova], { encoding: 'utf8' })).toContain('POSIX tar archive');
  });

  it('has a manifest in the spelling that importers take, with the digests of all files', () => {
    const manifest = readFileSync(join(inside, `${base}.mf`), 'utf8');
    const lines = manifest.split('\n');
    expect(lines.pop()).toBe('');
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/^SHA256\([^ )]+\)= [0-9a-f]{64}$/);
    const list = lines.map((line) => line.replace(/^SHA256\((.*)\)= (.*)$/, '$2  $1')).join('\n');
    const check = spawnSync('sha256sum', ['-c', '--strict'], { cwd: inside, input: `${list}\n` });
    expect(check.status, String(check.stderr)).toBe(0);
  });

  it('has a well-formed descriptor whose numbers are those of the disk', () => {
    const ovf = join(inside, `${base}.ovf`);
    execFileSync('xmllint', ['--noout', ovf]);
    expect(xpath(ovf, '//Disk/@*[local-name()="capacity"]')).toBe(String(DISK_BYTES));
    expect(xpath(ovf, '//Disk/@*[local-name()="capacityAllocationUnits"]')).toBe('byte');
    expect(xpath(ovf, '//File/@*[local-name()="size"]')).toBe(
      String(statSync(join(inside, `${base}-disk1.vmdk`)).size),
    );
    expect(xpath(ovf, '//Product')).toBe('Tiny & "Tidy" <Appliance>');
    expect(xpath(ovf, '//Annotation/text()')).toContain('First line\nsecond line');
    expect(xpath(ovf, '//ProductUrl')).toBe('https://example.org/?a=1&b=2');
  });

  it('holds the disk byte for byte, which qemu-img finds sound and equal to what went in', () => {
    const disk = join(inside, `${base}-disk1.vmdk`);
    expect(readFileSync(disk).equals(readFileSync(vmdk))).toBe(true);
    execFileSync('qemu-img', ['check', disk]);
    execFileSync('qemu-img', ['compare', disk, join(directory, 'disk.raw')]);
  });

  it('is taken by virt-v2v, which checks the manifest and finds the machine', () => {
    const found = virtV2v(ova);
    expect(found.status, found.stderr).toBe(0);
    expect(found.stdout).toMatch(/nr vCPUs: 2/);
    expect(found.stdout).toMatch(/memory: 2147483648/);
    expect(found.stdout).toMatch(/firmware: bios/);
    expect(found.stdout).toMatch(/"Management"/);
    expect(found.stdout).toMatch(/e1000/);
    expect(found.stdout).toMatch(/\[scsi\]/);
  });

  it('is the same, byte for byte, when it is packed again', async () => {
    const again = await pack('again', {
      hardware: { cpus: 2, memory: '2GiB', nics: [{ model: 'E1000', network: 'Management' }] },
      annotation: 'First line\nsecond line',
      eula: 'Be kind.',
      properties: [{ key: 'hostname', value: 'tiny', label: 'Host name', category: 'Network' }],
    });
    expect(readFileSync(join(again, 'ova')).equals(readFileSync(ova))).toBe(true);
  });

  it('is refused by virt-v2v when one byte of the disk is changed, so that its check means something', () => {
    const broken = join(directory, 'broken.ova');
    const bytes = readFileSync(ova);
    bytes[bytes.length - 3000] = (bytes[bytes.length - 3000] as number) ^ 1;
    writeFileSync(broken, bytes);
    const found = virtV2v(broken);
    expect(found.status).not.toBe(0);
    expect(found.stderr).toMatch(/manifest/);
  });
});

function virtV2v(ova: string) {
  const args = ['-i', 'ova', ova, '--print-source'];
  const env = { ...process.env, LIBGUESTFS_BACKEND: 'direct' };
  return spawnSync('virt-v2v', args, { encoding: 'utf8', env });
}

describe('an appliance of nine disks with UEFI', () => {
  it('leaves out unit 7, and virt-v2v finds all disks, firmware and networks', async () => {
    const kept = await pack(
      'nine',
      {
        name: 'nine',
        hardware: {
          firmware: 'efi',
          secure_boot: true,
          controller: 'pvscsi',
          nics: [{ model: 'VmxNet3', network: 'a' }, { network: 'b' }],
        },
        formats: ['ova', 'ovf'],
      },
      9,
    );
    const ovf = readFileSync(join(kept, 'ovf', 'nine.ovf'), 'utf8');
    const units = [...ovf.matchAll(/<rasd:AddressOnParent>(\d+)<.*\n.*>Hard Disk/g)].map((match) => match[1]);
    expect(units).toEqual(['0', '1', '2', '3', '4', '5', '6', '8', '9']);
    const found = virtV2v(join(kept, 'ova'));
    expect(found.status, found.stderr).toBe(0);
    expect(found.stdout.match(/\d+ \[scsi\]/g)).toHaveLength(9);
    expect(found.stdout).toMatch(/firmware: uefi/);
    expect(found.stdout).toMatch(/vmxnet3/);
  });

  it('is the same package as a directory', async () => {
    const kept = join(directory, 'nine');
    const inside = unpack(join(kept, 'ova'));
    execFileSync('diff', ['-r', inside, join(kept, 'ovf')]);
  });
});

it('ends in the middle of the copy when it has to stop', async () => {
  const stop = new AbortController();
  await using context = await stageContext({ inputs: { disk: vmdk }, signal: stop.signal });
  const options = ovfPackStage.options.parse({ disk: { $file: 'disk' }, ...PRODUCT });
  const running = ovfPackStage.run(options, context);
  stop.abort();
  expect(await running).toMatchObject({
    ok: false,
    failure: { code: 'stage-refused', problem: 'it was stopped' },
  });
  expect(context.activities).toEqual([]);
});

describe('what cannot be packed', () => {
  const options = (more: object) => ovfPackStage.options.parse({ ...PRODUCT, ...more });

  it.each([
    ['a raw disk', 'disk.raw', /no VMDK/],
    ['a VMDK of another kind', 'sparse.vmdk', /not stream-optimized/],
    ['a VMDK that breaks off', 'short.vmdk', /footer/],
  ])('is %s, and the message names the way out', async (_, file, problem) => {
    const path = join(directory, file);
    if (file === 'sparse.vmdk') execFileSync('qemu-img', ['create', '-f', 'vmdk', path, '1M']);
    if (file === 'short.vmdk') {
      writeFileSync(path, readFileSync(vmdk));
      truncateSync(path, statSync(vmdk).size - 512);
    }
    await using context = await stageContext({ inputs: { disk: path } });
    const done = await ovfPackStage.run(options({ disk: { $file: 'disk' } }), context);
    expect(done).toMatchObject({
      ok: false,
      failure: {
        code: 'stage-refused',
        problem: expect.stringMatching(problem),
        hint: expect.stringMatching(/qcow2-to-vmdk/),
      },
    });
  });

  it.each([
    ['no disk', {}, 'expected `disk`'],
    ['both `disk` and `disks`', { disk: { $file: 'a' }, disks: [{ $file: 'b' }] }, 'not both'],
    [
      'secure boot without UEFI',
      { disk: { $file: 'a' }, hardware: { secure_boot: true } },
      'needs `firmware: efi`',
    ],
    ['half a MiB', { disk: { $file: 'a' }, hardware: { memory: '1024.5MiB' } }, 'whole MiB'],
    [
      'a property that is there twice',
      { disk: { $file: 'a' }, properties: [{ key: 'a' }, { key: 'a' }] },
      '`a` is there twice',
    ],
    [
      'sixteen disks on one SCSI controller',
      { disks: Array.from({ length: 16 }, () => ({ $file: 'a' })) },
      'at most 15 disks',
    ],
  ])('is %s, found before anything runs', (_, more, problem) => {
    const problems = ovfPackStage.check?.(options(more)) ?? [];
    expect(problems.map((one) => one.problem).join('\n')).toContain(problem);
  });
});
