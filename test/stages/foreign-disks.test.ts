/** The door for disks of strangers: every format that bake opens reads the same, and nothing that reaches for a file, lies or breaks off gets in, whoever asks. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diskConvertStage } from '../../src/stages/disk-convert.ts';
import { throwAwayDisk } from '../../src/stages/images/bootable-disk.ts';
import { baseDisk, describeDisk } from '../../src/stages/images/open-disk.ts';
import { ovfPackStage } from '../../src/stages/ovf-pack.ts';
import { qcow2ToVmdkStage } from '../../src/stages/qcow2-to-vmdk.ts';
import { vagrantBoxStage } from '../../src/stages/vagrant-box.ts';
import { noise, rawImage } from '../support/disks.ts';
import { descriptor, honestImages, hostileImages, qemuImg } from '../support/foreign-images.ts';
import { stageContext, type TestContext } from '../support/stage-context.ts';

const MIB = 2 ** 20;
const SECRET = 'TOP-SECRET-OF-THE-HOST';
let directory: string;
let raw: string;
let secret: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-foreign-'));
  for (const name of ['honest', 'hostile', 'odd']) mkdirSync(at(name));
  raw = rawImage(at('disk.raw'), 5 * MIB, [
    { offset: 0, bytes: noise(200_000) },
    { offset: 4 * MIB, bytes: noise(300_000, 5) },
  ]);
  secret = at('secret');
  writeFileSync(secret, Buffer.concat([Buffer.from(SECRET), Buffer.alloc(MIB - SECRET.length)]));
});
afterAll(() => rmSync(directory, { recursive: true }));

const at = (name: string) => join(directory, name);

/** Runs a kind on a disk; its output or what went wrong. */
async function converted(context: TestContext, more: object = {}) {
  const options = diskConvertStage.options.parse({ disk: { $file: 'disk' }, format: 'raw', ...more });
  const done = await diskConvertStage.run(options, context);
  return done.ok ? { ok: true as const, bytes: readFileSync(context.output('disk')) } : done;
}

/** Everything that takes a disk, in one word each. */
const TAKERS: Readonly<Record<string, (context: TestContext) => Promise<{ readonly ok: boolean }>>> = {
  'disk-convert': (context) => converted(context),
  'qcow2-to-vmdk': (context) =>
    qcow2ToVmdkStage.run(qcow2ToVmdkStage.options.parse({ disk: { $file: 'disk' } }), context),
  'smoke-test': (context) => throwAwayDisk(context, context.input({ $file: 'disk' })),
  provision: (context) =>
    baseDisk(context.host, context.input({ $file: 'disk' }), { format: undefined, option: 'format' }),
};

describe('what strangers made', () => {
  it('reads the same through the door, in every format that bake opens', async () => {
    const expected = readFileSync(raw);
    for (const [name] of honestImages(at('honest'), raw)) {
      await using context = await stageContext({ inputs: { disk: at(`honest/${name}`) } });
      const done = await converted(context);
      expect([name, done.ok && done.bytes.equals(expected)]).toEqual([name, true]);
      await using second = await stageContext({ inputs: { disk: at(`honest/${name}`) } });
      const described = await describeDisk(second.host, second.input({ $file: 'disk' }), {
        format: undefined,
        option: null,
      });
      expect([name, described]).toMatchObject([name, { ok: true, value: { sizeBytes: 5 * MIB } }]);
    }
  }, 240_000);

  it('does not get in when it reaches for a file, lies or breaks off, and says why', async () => {
    for (const [name, said] of hostileImages(at('hostile'), secret))
      for (const [taker, take] of Object.entries(TAKERS)) {
        await using context = await stageContext({ inputs: { disk: at(`hostile/${name}`) } });
        expect([name, taker, await take(context)]).toMatchObject([
          name,
          taker,
          { ok: false, failure: { code: 'disk-unusable', problem: expect.stringMatching(said) } },
        ]);
        for (const output of ['disk', 'vmdk']) expect(existsSync(context.output(output))).toBe(false);
      }
  }, 240_000);

  it('is what the user states, whatever it begins with', async () => {
    const disk = descriptor(at('odd/guest.img'), `RW 2048 FLAT "${secret}" 0`);
    await using context = await stageContext({ inputs: { disk } });
    expect(await converted(context, { disk_format: 'raw' })).toMatchObject({ bytes: readFileSync(disk) });
    for (const format of ['qcow2', 'vmdk', 'vdi', 'vhdx', 'vpc']) {
      await using other = await stageContext({ inputs: { disk } });
      expect(await converted(other, { disk_format: format })).toMatchObject({
        ok: false,
        failure: { code: 'disk-unusable' },
      });
    }
  });

  it('is what the kind that made it says, whatever a guest has written, and nobody contradicts that', async () => {
    const disk = descriptor(at('odd/made.img'), `RW 2048 FLAT "${secret}" 0`);
    await using context = await stageContext({ inputs: { disk } });
    const input = { ...context.input({ $file: 'disk' }), format: 'raw' as const };
    const made = { ...context, input: () => input };
    expect(await converted(made)).toMatchObject({ bytes: readFileSync(disk) });
    expect(await converted(made, { disk_format: 'vmdk' })).toMatchObject({
      ok: false,
      failure: { problem: expect.stringContaining('as the stage that made it says') },
    });
  });

  it('is refused as the base of layers when it is raw and begins like an image: they could not say what it is', async () => {
    const disk = descriptor(at('odd/base.img'), `RW 2048 FLAT "${secret}" 0`);
    await using context = await stageContext({ inputs: { disk } });
    const statement = { format: 'raw' as const, option: 'format' };
    expect(await baseDisk(context.host, context.input({ $file: 'disk' }), statement)).toMatchObject({
      ok: false,
      failure: { problem: expect.stringContaining('convert it with a `disk-convert` stage') },
    });
  });

  it.each(['dynamic.vdi', 'dynamic.vhdx', 'dynamic.vhd', 'fixed.vhd', 'sparse.vmdk', 'stream.vmdk'])(
    '%s is refused at once by a machine whose result would rest on it',
    async (name) => {
      await using context = await stageContext({ inputs: { disk: at(`honest/${name}`) } });
      expect(await TAKERS['provision']?.(context)).toMatchObject({
        ok: false,
        failure: { problem: expect.stringMatching(/is a V[A-Z]+ image.*`disk-convert`/) },
      });
    },
  );

  it('is no protocol and no description, whatever the file is called', async () => {
    for (const name of ['nbd:127.0.0.1:10809', 'fat:rw:x', 'json:{"driver":"nbd"}', 'a,b=c', 'ssh:x']) {
      const disk = at(`odd/${name}`);
      copyFileSync(raw, disk);
      await using context = await stageContext({ inputs: { disk } });
      const done = await converted(context);
      expect([basename(disk), done.ok && done.bytes.equals(readFileSync(raw))]).toEqual([name, true]);
    }
  });

  it('of part of a sector is padded with zeros to a whole one', async () => {
    const disk = at('odd/part.raw');
    writeFileSync(disk, noise(MIB + 100));
    await using context = await stageContext({ inputs: { disk } });
    const done = await converted(context);
    const expected = Buffer.concat([noise(MIB + 100), Buffer.alloc(412)]);
    expect(done.ok && done.bytes.equals(expected)).toBe(true);
  });

  it('that is sparse and claims much is converted in the time of what is there', async () => {
    const disk = at('odd/large.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', disk, '4T');
    await using context = await stageContext({ inputs: { disk } });
    const done = await TAKERS['qcow2-to-vmdk']?.(context);
    expect(done).toMatchObject({ ok: true });
  }, 60_000);
});

describe('packages', () => {
  /** What is wrong with an image that a package would carry to others. */
  async function packed(kind: 'ovf' | 'libvirt' | 'virtualbox', disk: string) {
    await using context = await stageContext({ inputs: { disk } });
    const given = { disk: { $file: 'disk' } };
    return kind === 'ovf'
      ? await ovfPackStage.run(ovfPackStage.options.parse({ ...given, product: { name: 'T' } }), context)
      : await vagrantBoxStage.run(vagrantBoxStage.options.parse({ ...given, provider: kind }), context);
  }

  it.each(['no-capacity.vmdk', 'parent.vmdk', 'extent.vmdk', 'flat.vmdk', 'cut.vmdk', 'huge.vmdk'])(
    'of VMDKs do not carry %s',
    async (name) => {
      for (const kind of ['ovf', 'virtualbox'] as const)
        expect(await packed(kind, at(`hostile/${name}`))).toMatchObject({ ok: false });
    },
  );

  it.each(['backed.qcow2', 'data.qcow2', 'luks.qcow2', 'dirty.qcow2', 'cut.qcow2', 'exbibyte.qcow2'])(
    'of qcow2 images do not carry %s',
    async (name) => expect(await packed('libvirt', at(`hostile/${name}`))).toMatchObject({ ok: false }),
  );

  it('do not carry a stream that names a parent, or ends before its grains', async () => {
    const whole = readFileSync(at('honest/stream.vmdk'));
    const parent = Buffer.from(whole);
    parent.write('parentCID=12345678', whole.indexOf('parentCID='), 'latin1');
    writeFileSync(at('odd/parent.vmdk'), parent);
    copyFileSync(at('honest/stream.vmdk'), at('odd/cut.vmdk'));
    truncateSync(at('odd/cut.vmdk'), 100_000);
    for (const name of ['parent.vmdk', 'cut.vmdk'])
      for (const kind of ['ovf', 'virtualbox'] as const)
        expect([name, await packed(kind, at(`odd/${name}`))]).toMatchObject([name, { ok: false }]);
  });
});

describe('an appliance', () => {
  interface Member {
    readonly name: string;
    readonly content: string | Buffer;
  }

  function ova(name: string, members: readonly Member[], more: readonly string[] = []): string {
    const place = mkdtempSync(at('odd/ova-'));
    for (const member of members) writeFileSync(join(place, member.name), member.content);
    const names = members.map((member) => member.name);
    execFileSync('tar', ['--format=ustar', ...more, '-cf', at(`odd/${name}`), '-C', place, ...names], {
      stdio: 'pipe',
    });
    return at(`odd/${name}`);
  }

  const ovf = (file: string, disk = 'ovf:fileRef="file1"', attributes = '') =>
    `<Envelope><References><File ovf:id="file1" ovf:href="${file}" ${attributes}/></References><DiskSection><Disk ovf:diskId="d" ${disk}/></DiskSection></Envelope>`;
  const stream = () => readFileSync(at('honest/stream.vmdk'));

  async function booted(disk: string) {
    await using context = await stageContext({ inputs: { disk } });
    const layers = await throwAwayDisk(context, context.input({ $file: 'disk' }));
    if (!layers.ok) return layers.failure;
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', layers.value[0]?.path ?? '', at('odd/booted.raw'));
    return readFileSync(at('odd/booted.raw')).equals(readFileSync(raw));
  }

  it('gives the disk that its descriptor names first, wherever it lies', async () => {
    const other = at('odd/other.vmdk');
    qemuImg('create', '-q', '-f', 'vmdk', '-o', 'subformat=streamOptimized', other, '1M');
    const members = [
      { name: 'a.vmdk', content: readFileSync(other) },
      { name: 'box.ovf', content: ovf('b.vmdk') },
      { name: 'b.vmdk', content: stream() },
    ];
    expect(await booted(ova('two.ova', members))).toBe(true);
    expect(await booted(ova('plain.img', [{ name: 'b.vmdk', content: stream() }]))).toBe(true);
  });

  it.each<readonly [string, string, RegExp]>([
    ['a file elsewhere', ovf('/etc/passwd'), /refers to "\/etc\/passwd"/],
    ['a file above', ovf('../secret'), /refers to "..\/secret"/],
    ['an address', ovf('http://127.0.0.1/b.vmdk'), /refers to "http:/],
    ['a file that is not there', ovf('c.vmdk'), /refers to "c.vmdk"/],
    [
      'a disk that is compressed once more',
      ovf('b.vmdk', undefined, 'ovf:compression="gzip"'),
      /compressed once more/,
    ],
    ['a disk in pieces', ovf('b.vmdk', undefined, 'ovf:chunkSize="1000"'), /in pieces/],
    ['a disk on another', ovf('b.vmdk', 'ovf:parentRef="x" ovf:fileRef="file1"'), /rests on another/],
    ['a disk of no file', ovf('b.vmdk', 'ovf:fileRef="file2"'), /disk of no file/],
    [
      'entities',
      `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>${ovf('b.vmdk')}`,
      /defines entities/,
    ],
    ['no disk', ovf('b.vmdk').replace(/<Disk .*?>/, ''), /holds no disk/],
    ['comments without end', `${'<!--'.repeat(500_000)}`, /without an OVF descriptor that names its disk/],
  ])('whose descriptor names %s is refused', async (_, text, said) => {
    const members = [
      { name: 'box.ovf', content: text },
      { name: 'a.vmdk', content: stream() },
      { name: 'b.vmdk', content: stream() },
    ];
    expect(await booted(ova('bad.ova', members))).toMatchObject({
      code: 'disk-unusable',
      problem: expect.stringMatching(said),
    });
  });

  it('whose disk is a descriptor, a gzip stream or cut off is refused', async () => {
    const text = readFileSync(descriptor(at('odd/inside'), `RW 2048 FLAT "${secret}" 0`));
    for (const content of [
      text,
      execFileSync('gzip', ['-c'], { input: stream() }),
      stream().subarray(0, 102_400),
    ]) {
      const members = [
        { name: 'box.ovf', content: ovf('b.vmdk') },
        { name: 'b.vmdk', content },
      ];
      expect(await booted(ova('inside.ova', members))).toMatchObject({ code: 'disk-unusable' });
    }
  });

  it('with names that lead elsewhere, links, doubles or sizes beyond its end is refused', async () => {
    const members = [
      { name: 'box.ovf', content: ovf('b.vmdk') },
      { name: 'b.vmdk', content: stream() },
    ];
    const above = ova('above.ova', members, ['--transform=s,^b,../b,', '-P']);
    expect(await booted(above)).toMatchObject({ problem: expect.stringContaining('no plain name') });
    const absolute = ova('absolute.ova', members, ['--transform=s,^b,/etc/b,', '-P']);
    expect(await booted(absolute)).toMatchObject({ problem: expect.stringContaining('no plain name') });
    const twice = ova('twice.ova', members, ['--transform=s,^box.ovf,b.vmdk,']);
    expect(await booted(twice)).toMatchObject({ problem: expect.stringContaining('twice') });
    const cut = ova('cut.ova', members);
    truncateSync(cut, 20_480);
    expect(await booted(cut)).toMatchObject({ problem: expect.stringContaining('beyond its end') });
    execFileSync('ln', ['-sf', secret, at('odd/link.vmdk')]);
    const link = ['--format=ustar', '-cf', at('odd/link.ova'), '-C', at('odd'), 'link.vmdk'];
    execFileSync('tar', link);
    expect(await booted(at('odd/link.ova'))).toMatchObject({
      problem: expect.stringContaining('no plain file'),
    });
  });
});
