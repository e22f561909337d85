/** The kind `qcow2-to-vmdk`: the disk of an appliance, as a stream-optimized VMDK that bake writes itself. */
import { z } from 'zod';
import { reusingCompressor, zlibCompressor } from '../formats/grain-compressor.ts';
import { type Ranges, touchedRanges } from '../formats/ranges.ts';
import { ADAPTER_TYPES } from '../formats/vmdk-geometry.ts';
import { NO_GRAINS, openVmdkGrains, type VmdkGrains } from '../formats/vmdk-grains.ts';
import { writeVmdkStream } from '../formats/vmdk-stream.ts';
import type { Failure } from '../model/failure.ts';
import { ok, type Result } from '../model/result.ts';
import { withDisk, withSources } from './images/open-disk.ts';
import {
  type ArtifactOption,
  defineStage,
  type Earlier,
  type StageContext,
  type StagedInput,
  type StageReturn,
} from './kind.ts';
import { artifact, diskFormat } from './options.ts';

const options = z.strictObject({
  disk: artifact().describe('The disk: qcow2 (also in layers), raw, VMDK, VDI, VHDX or VHD, in one file'),
  format: diskFormat(),
  adapter: z
    .enum(ADAPTER_TYPES, {
      error: ({ input }) =>
        input === 'pvscsi'
          ? 'a VMDK cannot say `pvscsi`: leave the adapter out here and say `controller: pvscsi` in `ovf-pack`'
          : `expected one of ${ADAPTER_TYPES.map((name) => `\`${name}\``).join(', ')}`,
    })
    .prefault('lsilogic')
    .describe('The adapter that the VMDK names; all of VMware and VirtualBox take `lsilogic`'),
  compression: z
    .int()
    .min(1)
    .max(9)
    .prefault(6)
    .describe('Level of compression, from 1 (quick) to 9 (small)'),
  tools_version: z
    .string()
    .regex(/^\d+$/, { error: 'expected a number' })
    .prefault('2147483647')
    .describe('The version of VMware Tools inside; the default says that the guest looks after them itself'),
});

export const qcow2ToVmdkStage = defineStage({
  name: 'qcow2-to-vmdk',
  version: 2,
  summary: 'Convert a disk to the stream-optimized VMDK that OVF appliances carry',
  description: `The same disk gives the same bytes, on every host with the same zlib: the content ID comes from the content, and
nothing in the file depends on time, paths or the number of processors. The image ends right after its footer, as VMware's
readers need it to agree with a manifest.

Clusters that a qcow2 image does not hold, and all grains of zeros, are left out. Run \`fstrim\` in the guest, with
\`discard\` on, to keep deleted files out of the appliance.`,
  example: `bake: 1
name: appliance-disk
stages:
  qcow2-to-vmdk:
    uses: qcow2-to-vmdk
    with:
      disk: disk.qcow2
`,
  options,
  outputs: () => ({
    vmdk: { path: 'disk.vmdk', description: 'The stream-optimized VMDK', format: 'vmdk' as const },
  }),
  // Another zlib may find other, equally right bytes for the same grain.
  tools: () => [{ name: 'node:zlib' }],
  run: (given, context) =>
    withDisk<StageReturn>(
      context,
      context.input(given.disk),
      { format: given.format, option: 'format' },
      (disk) =>
        withEarlier(context, given.disk, async (grains, touched) => {
          const compressor = reusingCompressor(zlibCompressor(given.compression), grains);
          const written = await context.host.files.withWriter(context.output('vmdk'), (sink) =>
            writeVmdkStream(disk, sink, {
              adapter: given.adapter,
              toolsVersion: given.tools_version,
              compressor,
              earlier: touched === null ? null : { grains, touched },
              onProgress: (fraction) => context.progress('compressing', fraction),
              signal: context.signal,
            }),
          );
          if (!written.ok) return written satisfies { failure: Failure };
          const { capacityBytes, grains: count, untouched, sizeBytes } = written.value;
          context.log(`${count} grains of a disk of ${capacityBytes} bytes became ${sizeBytes} bytes`);
          const reused = untouched + compressor.reused();
          if (reused > 0) context.log(`${reused} of them are as they were last time`);
          if (untouched > 0) context.log(`${untouched} of these no layer has touched since`);
          return ok({});
        }),
    ),
});

/**
 * The VMDK that this stage made last time, none when there is none, and where the disk can differ from the one of then;
 * null when that is not known for certain.
 */
async function withEarlier<T>(
  context: StageContext,
  disk: ArtifactOption,
  use: (grains: VmdkGrains, touched: Ranges | null) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> {
  const earlier = await context.earlier('vmdk');
  if (earlier === null || !(await isAsStored(context, earlier.output))) return use(NO_GRAINS, null);
  const touched = await touchedSince(context, context.input(disk), earlier);
  const done = await context.host.files.withReader(earlier.output.path, async (source) =>
    use(await openVmdkGrains(source), touched),
  );
  return done.ok ? done.value : done;
}

/**
 * Whether the image is the one that was stored. Its grains cannot prove it one by one: a spoilt stream may still inflate to
 * the right bytes, and would then make another image than a conversion that takes nothing over.
 */
async function isAsStored({ host }: StageContext, { path, content }: StagedInput): Promise<boolean> {
  const found = await host.hashing.digestFile(path);
  return found.ok && found.value.digest === content.digest;
}

/** Where a disk of layers can differ from the one of then; null when they have nothing in common. */
async function touchedSince(
  context: StageContext,
  { content, layers }: StagedInput,
  { layers: layersOf }: Earlier,
): Promise<Ranges | null> {
  const before = await layersOf('disk');
  if (before?.content.type !== 'layers' || content.type !== 'layers') return null;
  const were = before.content.layers;
  const differs = content.layers.findIndex(({ digest }, index) => digest !== were[index]?.digest);
  const shared = differs < 0 ? content.layers.length : differs;
  if (shared === 0) return null;
  const touched = await withSources(context.host, before.layers, (was) =>
    withSources(context.host, layers, async (is) => ok(await touchedRanges(was, is, shared))),
  );
  return touched.ok ? touched.value : null;
}
