/** The kind `disk-convert`: a disk in another format, by qemu-img, with everything random in the result taken from its content. */
import { z } from 'zod';
import { withIdentity, withoutIdentity } from '../formats/disk-identity.ts';
import { convertDisk } from '../machine/disk-image.ts';
import { hexOf } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { Result } from '../model/result.ts';
import { ok } from '../model/result.ts';
import { describeDisk } from './images/open-disk.ts';
import type { StageContext } from './kind.ts';
import { defineStage } from './kind.ts';
import { artifact, diskFormat } from './options.ts';

const FORMATS = ['qcow2', 'raw', 'vhdx', 'vdi', 'vmdk'] as const;

/** Everything that another qemu-img might choose otherwise is said. No `-W`: it writes clusters in the order in which they get ready. */
const FORMAT_OPTIONS: Readonly<Record<(typeof FORMATS)[number], string | null>> = {
  qcow2: 'compat=1.1,cluster_size=65536,refcount_bits=16,lazy_refcounts=off',
  raw: null,
  vhdx: 'subformat=dynamic',
  vdi: null,
  vmdk: 'subformat=monolithicSparse,adapter_type=lsilogic',
};

const options = z.strictObject({
  disk: artifact().describe('The disk: qcow2 (also in layers), raw, VMDK, VDI, VHDX or VHD, in one file'),
  disk_format: diskFormat(),
  format: z
    .enum(FORMATS)
    .describe(
      '`qcow2` (QEMU, OpenStack), `raw`, `vhdx` (Hyper-V), `vdi` (VirtualBox), `vmdk` (VMware desktop products; for OVF appliances see `qcow2-to-vmdk`)',
    ),
  compress: z.boolean().prefault(false).describe('Compress clusters; `qcow2` alone can'),
});

export const diskConvertStage = defineStage({
  name: 'disk-convert',
  version: 2,
  summary: 'Convert a disk to qcow2, raw, vhdx, vdi or vmdk',
  description: `The result is one file without layers. The same disk gives the same bytes with the same qemu-img: the identifiers that it
draws at random (UUIDs of VDI, GUIDs of VHDX, the content ID of VMDK) are taken from the content instead.`,
  example: `bake: 1
name: images
stages:
  disk-convert:
    uses: disk-convert
    with:
      disk: disk.qcow2
      format: vhdx
    outputs: { disk: dist/tiny.vhdx }
`,
  options,
  outputs: ({ format }) => ({
    disk: {
      path: `disk.${format === 'raw' ? 'img' : format}`,
      description: 'The disk in the other format',
      format,
    },
  }),
  tools: () => [{ name: 'qemu-img' }],
  check: ({ format, compress }) =>
    compress && format !== 'qcow2'
      ? [{ path: ['compress'], problem: `\`${format}\` images are not compressed; leave \`compress\` out` }]
      : [],
  async run(given, context) {
    const disk = context.input(given.disk);
    const described = await describeDisk(context.host, disk, {
      format: given.disk_format,
      option: 'disk_format',
    });
    if (!described.ok) return described;
    const to = context.output('disk');
    context.progress('converting');
    const converted = await convertDisk(context, described.value, to, {
      format: given.format,
      settings: FORMAT_OPTIONS[given.format],
      compress: given.compress,
      onProgress: (fraction) => context.progress('converting', fraction),
    });
    if (!converted.ok) return converted;
    const named = await nameByContent(context, given.format, to);
    return named.ok ? ok({}) : named;
  },
});

/** Blanks what is random, digests what is left, and fills the blanks from that digest. */
async function nameByContent(
  context: StageContext,
  format: string,
  path: string,
): Promise<Result<void, Failure>> {
  if (format === 'raw' || format === 'qcow2') return ok(undefined);
  const { files, hashing } = context.host;
  const blanks = await files.withReader(path, (source) => withoutIdentity(format, source));
  if (!blanks.ok) return blanks;
  const blanked = await files.overwrite(path, blanks.value);
  if (!blanked.ok) return blanked;
  context.progress('digesting');
  const digested = await hashing.digestFile(path);
  if (!digested.ok) return digested;
  const hex = hexOf(digested.value.digest);
  const names = await files.withReader(path, (source) => withIdentity(format, source, hex));
  return names.ok ? files.overwrite(path, names.value) : names;
}
