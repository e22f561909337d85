/** The kind `ovf-pack`: disks and facts about a product become an appliance that VMware and VirtualBox import. */
import { createHash } from 'node:crypto';
import { article } from '../formats/disk-magic.ts';
import { manifestText } from '../formats/manifest.ts';
import { type OvaDisk, writeOva } from '../formats/ova.ts';
import type { OvfDisk } from '../formats/ovf.ts';
import { ovfText } from '../formats/ovf.ts';
import { readVmdkHead } from '../formats/vmdk-header.ts';
import { hexOf } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { describeDisk } from './images/open-disk.ts';
import { checkOvfOptions, ovfOptions, ovfPackage, packageBaseName } from './images/ovf-options.ts';
import { unlessStopped } from './images/unless-stopped.ts';
import type { StageContext, StagedInput } from './kind.ts';
import { defineStage } from './kind.ts';

interface PackedDisk extends OvfDisk {
  readonly path: string;
  readonly hexDigest: string;
}

export const ovfPackStage = defineStage({
  name: 'ovf-pack',
  version: 2,
  summary: 'Pack disks into an importable appliance: OVF descriptor, SHA256 manifest, OVA',
  description: `The same disks and options give the same bytes. The OVA is an uncompressed tar: descriptor, manifest, disks, in this
order, with names derived from \`name\` or the product's name.

The manifest is SHA256, which vSphere 6.5 and later, Workstation, Fusion and VirtualBox take. The defaults are what most
hosts import: \`lsilogic\`, \`vmx-15\`, 64-bit Linux.`,
  example: `bake: 1
name: appliance
stages:
  ovf-pack:
    uses: ovf-pack
    with:
      disk: disk.vmdk
      product: { name: Tiny, vendor: Example, version: "1.0.0" }
      hardware: { cpus: 2, memory: 2GiB, nics: [{ model: E1000, network: VM Network }] }
    outputs: { ova: dist/tiny.ova }
`,
  options: ovfOptions,
  outputs: ({ formats }) => ({
    ...(formats.includes('ova')
      ? { ova: { path: 'appliance.ova', description: 'The appliance in one file', format: 'ova' as const } }
      : {}),
    ...(formats.includes('ovf')
      ? { ovf: { path: 'appliance', description: 'A directory with descriptor, manifest and disks' } }
      : {}),
  }),
  tools: () => [],
  check: checkOvfOptions,
  async run(given, context) {
    const base = packageBaseName(given);
    const inputs = (given.disks ?? (given.disk === undefined ? [] : [given.disk])).map((disk) =>
      context.input(disk),
    );
    const disks: PackedDisk[] = [];
    for (const [index, input] of inputs.entries()) {
      const disk = await packedDisk(context, input, `${base}-disk${index + 1}.vmdk`);
      if (!disk.ok) return disk;
      disks.push(disk.value);
    }
    const descriptor = ovfText(ovfPackage(given, disks));
    const ovf = { name: `${base}.ovf`, text: descriptor };
    const manifest = manifestText([
      { href: ovf.name, hexDigest: createHash('sha256').update(descriptor).digest('hex') },
      ...disks.map(({ href, hexDigest }) => ({ href, hexDigest })),
    ]);
    const texts = [ovf, { name: `${base}.mf`, text: manifest }];
    for (const format of new Set(given.formats)) {
      const done =
        format === 'ova' ? await packOva(context, texts, disks) : await packDirectory(context, texts, disks);
      if (!done.ok) return done;
    }
    return ok({});
  },
});

/** The facts of one disk; its digest is known since it is an artifact, so that it need not be read for the manifest. */
async function packedDisk(
  context: StageContext,
  input: StagedInput,
  href: string,
): Promise<Result<PackedDisk, Failure>> {
  const { path, content } = input;
  if (content.type !== 'file') return fail(notForOva('not one file'));
  const { format = 'vmdk' } = input;
  if (format !== 'vmdk') return fail(notForOva(`${article(format)} image`));
  const head = await context.host.files.withReader(path, readVmdkHead);
  if (!head.ok) return head;
  if (!head.value.ok) return fail(notForOva(head.value.failure));
  const whole = await describeDisk(context.host, input, { format: 'vmdk', option: null });
  if (!whole.ok) return whole;
  return ok({
    href,
    path,
    sizeBytes: content.sizeBytes,
    hexDigest: hexOf(content.digest),
    ...head.value.value,
  });
}

function notForOva(found: string): Failure {
  return {
    code: 'stage-refused',
    problem: `a disk of the appliance is ${found}`,
    hint: 'convert it with a `qcow2-to-vmdk` stage, and give the output `vmdk` of that to `ovf-pack`',
  };
}

async function packOva(
  context: StageContext,
  texts: readonly { readonly name: string; readonly text: string }[],
  disks: readonly PackedDisk[],
): Promise<Result<void, Failure>> {
  const total = disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  let copied = 0;
  const sources = disks.map(
    (disk): OvaDisk<Failure> => ({
      name: disk.href,
      sizeBytes: disk.sizeBytes,
      read: (copy) => context.host.files.withReader(disk.path, copy),
    }),
  );
  return await unlessStopped(context.signal, async (check) => {
    const onBytes = (count: number) => {
      check();
      copied += count;
      context.progress('packing', copied / total);
    };
    const written = await context.host.files.withWriter(context.output('ova'), (sink) =>
      writeOva(sink, texts, sources, onBytes),
    );
    return written.ok ? written.value : written;
  });
}

async function packDirectory(
  context: StageContext,
  texts: readonly { readonly name: string; readonly text: string }[],
  disks: readonly PackedDisk[],
): Promise<Result<void, Failure>> {
  const { files } = context.host;
  const directory = context.output('ovf');
  const made = await files.makeDirectory(directory);
  if (!made.ok) return made;
  for (const { name, text } of texts) {
    const written = await files.writeFile(`${directory}/${name}`, text, { over: true });
    if (!written.ok) return written;
  }
  for (const disk of disks) {
    const copied = await files.copyFile(disk.path, `${directory}/${disk.href}`);
    if (!copied.ok) return copied;
  }
  return ok(undefined);
}
