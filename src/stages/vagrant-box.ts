/** The kind `vagrant-box`: disks as a box that `vagrant box add` takes, for libvirt or VirtualBox. */
import { z } from 'zod';
import { article } from '../formats/disk-magic.ts';
import { gzipSink } from '../formats/gzip-sink.ts';
import { bytesSource } from '../formats/memory-bytes.ts';
import { ovfText } from '../formats/ovf.ts';
import { isQcow2, readQcow2Header } from '../formats/qcow2-header.ts';
import { endTar, writeTarEntry } from '../formats/tar.ts';
import {
  boxVagrantfile,
  libvirtDiskName,
  libvirtMetadata,
  virtualboxMac,
  virtualboxMetadata,
} from '../formats/vagrant.ts';
import { readVmdkHead } from '../formats/vmdk-header.ts';
import type { ByteSource } from '../model/bytes.ts';
import { hexOf } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { describeDisk } from './images/open-disk.ts';
import { ovfOptions, ovfPackage } from './images/ovf-options.ts';
import { unlessStopped } from './images/unless-stopped.ts';
import type { StageContext, StagedInput } from './kind.ts';
import { defineStage } from './kind.ts';
import { artifact, size } from './options.ts';

const options = z.strictObject({
  provider: z
    .enum(['libvirt', 'virtualbox'])
    .describe('`libvirt` takes qcow2 disks, `virtualbox` stream-optimized VMDKs'),
  disk: artifact().optional().describe('The disk'),
  disks: z
    .array(artifact())
    .min(1)
    .optional()
    .describe('Several disks instead of `disk`, the one to boot first'),
  name: z
    .string()
    .min(1)
    .prefault('box')
    .describe('What VirtualBox calls the machine before Vagrant renames it'),
  architecture: z.string().min(1).prefault('amd64').describe('The guest’s architecture, as Vagrant names it'),
  cpus: z.int().min(1).prefault(1).describe('Virtual processors'),
  memory: size().prefault('1GiB').describe('Memory, in whole MiB'),
  vagrantfile: z
    .array(z.string())
    .prefault([])
    .describe('Further lines of the box’s own Vagrantfile, inside of `Vagrant.configure`'),
  compression: z.int().min(1).max(9).prefault(6).describe('Level of gzip, from 1 (quick) to 9 (small)'),
});

type Options = z.output<typeof options>;

/** A disk of the box: read from `path`, never into memory. */
interface Disk {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly capacityBytes: number;
  readonly hexDigest: string;
}

export const vagrantBoxStage = defineStage({
  name: 'vagrant-box',
  version: 2,
  summary: 'Pack disks as a Vagrant box for libvirt or VirtualBox',
  description: `The same disks and options give the same bytes: fixed dates, no names of users, gzip in pieces whose size does not depend
on the number of processors.

A libvirt box of one disk has the form that every vagrant-libvirt reads; with several disks it needs 0.11 or later.`,
  example: `bake: 1
name: boxes
stages:
  vagrant-box:
    uses: vagrant-box
    with:
      provider: libvirt
      disk: disk.qcow2
    outputs: { box: dist/tiny-libvirt.box }
`,
  options,
  outputs: ({ provider }) => ({ box: { path: `${provider}.box`, description: 'The box' } }),
  tools: () => [{ name: 'node:zlib' }],
  check({ disk, disks, memory }) {
    const problems = [];
    if ((disk === undefined) === (disks === undefined))
      problems.push({ path: [], problem: 'expected either `disk`, or `disks` for several' });
    if (memory % 2 ** 20 !== 0) problems.push({ path: ['memory'], problem: 'expected whole MiB' });
    return problems;
  },
  async run(given, context) {
    const inputs = (given.disks ?? (given.disk === undefined ? [] : [given.disk])).map((disk) =>
      context.input(disk),
    );
    const disks: Disk[] = [];
    for (const [index, input] of inputs.entries()) {
      const disk = await boxDisk(given, context, input, index, inputs.length);
      if (!disk.ok) return disk;
      disks.push(disk.value);
    }
    return await unlessStopped(context.signal, async (check) => {
      const written = await context.host.files.withWriter(context.output('box'), async (sink) => {
        const gzip = await gzipSink(sink, given.compression);
        const progress = progressOf(context, disks);
        const onBytes = (count: number) => {
          check();
          progress(count);
        };
        for (const [name, text] of boxTexts(given, disks)) {
          const bytes = new Uint8Array(Buffer.from(text, 'utf8'));
          await writeTarEntry(gzip, { name, sizeBytes: bytes.length }, bytesSource(bytes));
        }
        for (const disk of disks) {
          const copied = await context.host.files.withReader(disk.path, (source) =>
            writeTarEntry(gzip, disk, source, onBytes),
          );
          if (!copied.ok) return copied;
        }
        await endTar(gzip);
        await gzip.end();
        return ok({});
      });
      return written.ok ? written.value : written;
    });
  },
});

async function boxDisk(
  given: Options,
  context: StageContext,
  input: StagedInput,
  index: number,
  count: number,
): Promise<Result<Disk, Failure>> {
  const { path, content } = input;
  if (content.type !== 'file') return fail(wrongDisk(given, 'not one file'));
  const wanted = given.provider === 'libvirt' ? 'qcow2' : 'vmdk';
  const { format = wanted } = input;
  if (format !== wanted) return fail(wrongDisk(given, `${article(format)} image`));
  const read = given.provider === 'libvirt' ? qcow2Capacity : readVmdkHead;
  const head = await context.host.files.withReader(path, read);
  if (!head.ok) return head;
  if (!head.value.ok) return fail(wrongDisk(given, head.value.failure));
  const whole = await describeDisk(context.host, input, { format: wanted, option: null });
  if (!whole.ok) return whole;
  return ok({
    name: given.provider === 'libvirt' ? libvirtDiskName(index, count) : `box-disk${index + 1}.vmdk`,
    path,
    sizeBytes: content.sizeBytes,
    capacityBytes: head.value.value.capacityBytes,
    hexDigest: hexOf(content.digest),
  });
}

async function qcow2Capacity(
  source: ByteSource,
): Promise<Result<{ readonly capacityBytes: number }, string>> {
  if (!(await isQcow2(source))) return fail('no qcow2 image');
  const header = await readQcow2Header(source);
  if (header.ok && header.value.hasBacking) return fail('a qcow2 image that rests on another');
  return header.ok
    ? ok({ capacityBytes: header.value.diskBytes })
    : fail(`a qcow2 image with ${header.failure.problem}`);
}

function wrongDisk({ provider }: Options, found: string): Failure {
  const kind = provider === 'libvirt' ? '`disk-convert` stage (`format: qcow2`)' : '`qcow2-to-vmdk` stage';
  const problem = `a disk of the ${provider} box is ${found}`;
  return { code: 'stage-refused', problem, hint: `convert it with a ${kind} first` };
}

/** The texts of a box, by name, in the order in which they lie before the disks. */
function boxTexts(given: Options, disks: readonly Disk[]): readonly (readonly [string, string])[] {
  const mac = virtualboxMac(disks[0]?.hexDigest ?? '');
  const memoryMiB = given.memory / 2 ** 20;
  if (given.provider === 'libvirt') {
    const lines = [
      'config.vm.provider :libvirt do |machine|',
      `  machine.cpus = ${given.cpus}`,
      `  machine.memory = ${memoryMiB}`,
      'end',
    ];
    return [
      ['metadata.json', libvirtMetadata(given.architecture, disks)],
      ['Vagrantfile', boxVagrantfile([...lines, ...given.vagrantfile])],
    ];
  }
  return [
    ['metadata.json', virtualboxMetadata(given.architecture)],
    ['Vagrantfile', boxVagrantfile([`config.vm.base_mac = "${mac}"`, ...given.vagrantfile])],
    ['box.ovf', virtualboxOvf(given, disks)],
  ];
}

/** A descriptor with what VirtualBox knows: its own system type, a NAT network, the adapter that every guest knows. */
function virtualboxOvf(given: Options, disks: readonly Disk[]): string {
  const machine = ovfOptions.parse({
    disks: disks.map(({ path }) => ({ $file: path })),
    product: { name: given.name },
    hardware: { cpus: given.cpus, memory: given.memory, nics: [{ model: 'E1000', network: 'NAT' }] },
  });
  const files = disks.map((disk) => ({ ...disk, href: disk.name, populatedBytes: null }));
  const ovf = ovfPackage(machine, files);
  return ovfText({ ...ovf, hardware: { ...ovf.hardware, virtualSystemType: 'virtualbox-2.2' } });
}

function progressOf(context: StageContext, disks: readonly Disk[]): (count: number) => void {
  const total = disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  let copied = 0;
  return (count) => {
    copied += count;
    context.progress('packing', copied / total);
  };
}
