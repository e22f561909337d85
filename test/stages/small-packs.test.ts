/** `seed-iso`, `checksums` and `vagrant-box`, read by xorriso, sha256sum and tar. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ok } from '../../src/model/result.ts';
import { checksumsStage } from '../../src/stages/checksums.ts';
import { qcow2ToVmdkStage } from '../../src/stages/qcow2-to-vmdk.ts';
import { seedIsoStage } from '../../src/stages/seed-iso.ts';
import { vagrantBoxStage } from '../../src/stages/vagrant-box.ts';
import { noise, rawImage } from '../support/disks.ts';
import { stageContext } from '../support/stage-context.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-packs-'));
});
afterAll(() => rmSync(directory, { recursive: true }));
const at = (name: string) => join(directory, name);

describe('seed-iso', () => {
  it('puts files, whole directories and texts in', async () => {
    mkdirSync(at('scripts/sub'), { recursive: true });
    writeFileSync(at('scripts/run.sh'), '#!/bin/sh\n');
    chmodSync(at('scripts/run.sh'), 0o755);
    writeFileSync(at('scripts/sub/note'), 'note');
    writeFileSync(at('user.yml'), '#cloud-config\n');
    await using context = await stageContext({ inputs: { scripts: at('scripts'), user: at('user.yml') } });
    const options = seedIsoStage.options.parse({
      files: { 'user-data': { $file: 'user' }, late: { $file: 'scripts' } },
      content: { 'meta-data': 'instance-id: ünique\n' },
    });
    expect(seedIsoStage.check?.(options)).toEqual([]);
    expect(await seedIsoStage.run(options, context)).toEqual({ ok: true, value: {} });
    const to = at('seed');
    const args = ['-osirrox', 'on', '-indev', context.output('iso'), '-extract', '/', to];
    execFileSync('xorriso', args, { stdio: 'pipe' });
    expect(readFileSync(join(to, 'user-data'), 'utf8')).toBe('#cloud-config\n');
    expect(readFileSync(join(to, 'meta-data'), 'utf8')).toBe('instance-id: ünique\n');
    expect(readFileSync(join(to, 'late/sub/note'), 'utf8')).toBe('note');
    expect(execFileSync(join(to, 'late/run.sh'))).toHaveLength(0);
    execFileSync('chmod', ['-R', 'u+w', to]);
  });

  it('keeps links, wherever they lead, and empty directories', async () => {
    const links: Record<string, string> = {
      passwd: '/etc/passwd',
      root: '/',
      here: '.',
      up: '../..',
      'sub/beside': '../plain',
      dangling: 'nowhere',
      far: `/${'a long way/'.repeat(60)}end`,
      odd: 'größe/日本',
    };
    mkdirSync(at('linked/sub'), { recursive: true });
    mkdirSync(at('linked/hollow/inside'), { recursive: true });
    writeFileSync(at('linked/plain'), 'plain');
    for (const [path, target] of Object.entries(links)) symlinkSync(target, at(`linked/${path}`));
    await using context = await stageContext({ inputs: { linked: at('linked') } });
    const options = seedIsoStage.options.parse({
      label: 'X',
      files: { '.': { $file: 'linked' }, again: { $file: 'linked' } },
      directories: ['asked/for'],
    });
    expect(await seedIsoStage.run(options, context)).toEqual({ ok: true, value: {} });
    const to = at('from-iso');
    const args = ['-osirrox', 'on', '-indev', context.output('iso'), '-extract', '/', to];
    execFileSync('xorriso', ['-abort_on', 'WARNING', ...args], { stdio: 'pipe' });
    for (const below of ['', 'again/']) {
      for (const [path, target] of Object.entries(links))
        expect(readlinkSync(join(to, below + path)), path).toBe(target);
      expect(readFileSync(join(to, below, 'sub/beside'), 'utf8')).toBe('plain');
      expect(readdirSync(join(to, below, 'hollow/inside'))).toEqual([]);
    }
    expect(readdirSync(join(to, 'asked/for'))).toEqual([]);
    const listed = execFileSync('bsdtar', ['tf', context.output('iso')], { encoding: 'utf8' }).split('\n');
    expect(listed).toEqual(expect.arrayContaining(['passwd', 'far', 'hollow/inside', 'asked/for']));
    execFileSync('chmod', ['-R', 'u+w', to]);
  });

  it('asks the checkout which directories are empty before the fingerprint is taken', async () => {
    const checkout = {
      read: async () => ok(Buffer.alloc(0)),
      emptyDirectories: (directory: string) => (directory === 's' ? ['b', 'a/c', ''] : []),
    };
    const given = seedIsoStage.options.parse({
      files: { '.': { $file: 's' }, x: { $file: 's' }, y: { $artifact: { action: 'a', output: 'o' } } },
    });
    const pinned = await seedIsoStage.pin?.(
      given,
      { get: () => null, set: () => undefined },
      null,
      new AbortController().signal,
      checkout,
    );
    expect(pinned).toMatchObject({
      ok: true,
      value: { directories: ['a/c', 'b', 'x', 'x/a/c', 'x/b'] },
    });
  });

  it.each([
    ['users: []\n', 'cidata', 1],
    ['\n#cloud-config\n', 'CIDATA', 1],
    ['cloud-config\n', 'cidata', 1],
    ['users: []\n', 'OEMDRV', 0],
    ['', 'cidata', 0],
    ['#cloud-config\nusers: []\n', 'cidata', 0],
    ['\ufeff#cloud-config\n', 'cidata', 0],
    ['#!/bin/sh\n', 'cidata', 0],
    ['## template: jinja\n#cloud-config\n', 'cidata', 0],
    ['#include\nhttps://a\n', 'cidata', 0],
    ['#cloud-config-archive\n', 'cidata', 0],
    ['#cloud-boothook\n', 'cidata', 0],
    ['Content-Type: multipart/mixed; boundary="x"\n', 'cidata', 0],
    ['MIME-Version: 1.0\n', 'cidata', 0],
  ])('tells of user-data %j in %s: %i', async (text, label, warnings) => {
    await using context = await stageContext();
    const options = seedIsoStage.options.parse({ label, content: { 'user-data': text, 'meta-data': '' } });
    expect((await seedIsoStage.run(options, context)).ok).toBe(true);
    expect(context.warnings).toEqual(Array.from({ length: warnings }, () => ({ code: 'user-data-unread' })));
  });

  it('refuses a link that is too long, a name twice, and nothing at all', async () => {
    mkdirSync(at('endless'));
    symlinkSync('x/'.repeat(600), at('endless/link'));
    await using context = await stageContext({ inputs: { endless: at('endless') } });
    const options = seedIsoStage.options.parse({ files: { '.': { $file: 'endless' } } });
    const failure = { code: 'stage-refused', problem: expect.stringContaining('`link` leads to a path') };
    expect(await seedIsoStage.run(options, context)).toMatchObject({ ok: false, failure });
    const twice = seedIsoStage.options.parse({ files: { a: { $file: 'x' } }, content: { a: '' } });
    expect(seedIsoStage.check?.(twice)).toHaveLength(1);
    expect(seedIsoStage.check?.(seedIsoStage.options.parse({}))).toHaveLength(1);
  });
});

describe('checksums', () => {
  it('writes a list that sha256sum accepts, sorted, whatever the order of the pipeline', async () => {
    for (const name of ['b.ova', 'a file.box']) writeFileSync(at(name), name);
    await using context = await stageContext({ inputs: { b: at('b.ova'), a: at('a file.box') } });
    const files = { 'b.ova': { $file: 'b' }, 'a file.box': { $file: 'a' } };
    expect(await checksumsStage.run(checksumsStage.options.parse({ files }), context)).toMatchObject({
      ok: true,
    });
    const list = readFileSync(context.output('sums'), 'utf8');
    expect(list.split('\n').map((line) => line.slice(66))).toEqual(['a file.box', 'b.ova', '']);
    execFileSync('sha256sum', ['-c', '--strict'], { cwd: directory, input: list, stdio: 'pipe' });
  });

  it('refuses a directory, which has no sha256', async () => {
    mkdirSync(at('some'));
    await using context = await stageContext({ inputs: { some: at('some') } });
    const options = checksumsStage.options.parse({ files: { some: { $file: 'some' } } });
    const failure = { code: 'stage-refused', problem: expect.stringContaining('`some` is a directory') };
    expect(await checksumsStage.run(options, context)).toMatchObject({ ok: false, failure });
  });
});

describe('vagrant-box', () => {
  let qcow2: string;
  let vmdk: string;
  beforeAll(async () => {
    const raw = rawImage(at('disk.raw'), 2 ** 30 + 512, [{ offset: 0, bytes: noise(3_000_000) }]);
    qcow2 = at('disk.qcow2');
    execFileSync('qemu-img', ['convert', '-O', 'qcow2', raw, qcow2]);
    await using context = await stageContext({ inputs: { disk: qcow2 } });
    await qcow2ToVmdkStage.run(qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' } }), context);
    vmdk = at('disk.vmdk');
    copyFileSync(context.output('vmdk'), vmdk);
  });

  /** Packs a box and unpacks it with tar; gives the directory and the names in order. */
  async function unpacked(name: string, disks: readonly string[], more: object) {
    const inputs = Object.fromEntries(disks.map((disk, index) => [`disk${index}`, disk]));
    await using context = await stageContext({ inputs });
    const options = vagrantBoxStage.options.parse({
      disks: Object.keys(inputs).map(($file) => ({ $file })),
      ...more,
    });
    expect(vagrantBoxStage.check?.(options)).toEqual([]);
    expect(await vagrantBoxStage.run(options, context)).toEqual({ ok: true, value: {} });
    const to = at(name);
    mkdirSync(to);
    const args = ['-xzvf', context.output('box'), '-C', to];
    const names = execFileSync('tar', args, { encoding: 'utf8' }).trim().split('\n');
    return { to, names, bytes: readFileSync(context.output('box')) };
  }

  const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as unknown;

  it('makes a libvirt box of one disk in the form that every vagrant-libvirt reads, size rounded up', async () => {
    const { to, names, bytes } = await unpacked('libvirt', [qcow2], {
      provider: 'libvirt',
      memory: '512MiB',
    });
    expect(names).toEqual(['metadata.json', 'Vagrantfile', 'box.img']);
    expect(json(join(to, 'metadata.json'))).toEqual({
      provider: 'libvirt',
      architecture: 'amd64',
      format: 'qcow2',
      virtual_size: 2,
    });
    expect(readFileSync(join(to, 'box.img')).equals(readFileSync(qcow2))).toBe(true);
    expect(readFileSync(join(to, 'Vagrantfile'), 'utf8')).toContain('machine.memory = 512');
    const again = await unpacked('libvirt-again', [qcow2], { provider: 'libvirt', memory: '512MiB' });
    expect(again.bytes.equals(bytes)).toBe(true);
  });

  it('lists the disks of a libvirt box of several', async () => {
    const { to, names } = await unpacked('several', [qcow2, qcow2], { provider: 'libvirt' });
    expect(names).toEqual(['metadata.json', 'Vagrantfile', 'box_0.img', 'box_1.img']);
    expect(json(join(to, 'metadata.json'))).toMatchObject({
      disks: [{ path: 'box_0.img' }, { path: 'box_1.img' }],
    });
  });

  it('makes a VirtualBox box with `box.ovf`, and a MAC address that depends on the disk alone', async () => {
    const { to, names } = await unpacked('virtualbox', [vmdk], { provider: 'virtualbox' });
    expect(names).toEqual(['metadata.json', 'Vagrantfile', 'box.ovf', 'box-disk1.vmdk']);
    expect(readFileSync(join(to, 'Vagrantfile'), 'utf8')).toMatch(
      /config\.vm\.base_mac = "080027[0-9A-F]{6}"/,
    );
    execFileSync('xmllint', ['--noout', join(to, 'box.ovf')]);
    expect(readFileSync(join(to, 'box.ovf'), 'utf8')).toContain('virtualbox-2.2');
    expect(readFileSync(join(to, 'box.ovf'), 'utf8')).toContain('ovf:href="box-disk1.vmdk"');
  });

  it.each([
    ['libvirt', 'disk.vmdk', '`disk-convert`'],
    ['virtualbox', 'disk.qcow2', '`qcow2-to-vmdk`'],
  ])('of %s refuses %s and names the way out', async (provider, disk, hint) => {
    await using context = await stageContext({ inputs: { disk: at(disk) } });
    const options = vagrantBoxStage.options.parse({ provider, disk: { $file: 'disk' } });
    const failure = { code: 'stage-refused', hint: expect.stringContaining(hint) };
    expect(await vagrantBoxStage.run(options, context)).toMatchObject({ ok: false, failure });
  });
});
