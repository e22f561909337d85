/** A disk that a machine can start from without changing it: its layers, and an overlay that is thrown away. */
import { foreignFormat } from '../../formats/disk-magic.ts';
import { findInTar } from '../../formats/tar.ts';
import { createDisk, diskLayer, type ImageContext, qemuImg, virtualSize } from '../../machine/disk-image.ts';
import type { DiskLayer } from '../../machine/shape.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext, StagedInput } from '../kind.ts';
import { checkSelfContained } from './open-disk.ts';

/** The layers of a disk, lowest first, with a new one on top that takes all writes. An appliance (OVA) gives its first disk. */
export async function throwAwayDisk(
  context: StageContext,
  input: StagedInput,
): Promise<Result<readonly DiskLayer[], Failure>> {
  const paths = await nativePaths(context, input);
  if (!paths.ok) return paths;
  const layers: DiskLayer[] = [];
  for (const path of paths.value) {
    const layer = await diskLayer(context.host, path);
    if (!layer.ok) return layer;
    layers.push(layer.value);
  }
  const sizeBytes = await virtualSize(context, layers);
  if (!sizeBytes.ok) return sizeBytes;
  const overlay: DiskLayer = { path: `${context.scratch}/overlay.qcow2`, format: 'qcow2' };
  const made = await createDisk(context, overlay.path, sizeBytes.value);
  return made.ok ? ok([...layers, overlay]) : made;
}

/** Files that a machine reads as they are, lowest first: qcow2 and raw. All else is converted in the scratch directory. */
export async function nativePaths(
  context: ImageContext & Pick<StageContext, 'scratch' | 'progress'>,
  input: Pick<StagedInput, 'path' | 'layers'>,
): Promise<Result<readonly string[], Failure>> {
  const { path } = input;
  const looked = await context.host.files.withReader(path, async (source) => ({
    member: await findInTar(source, '.vmdk'),
    format: await foreignFormat(source),
  }));
  if (!looked.ok) return looked;
  const { member, format } = looked.value;
  if (member === null && format === null) return ok(input.layers);
  if (member === null) {
    const contained = await checkSelfContained(context, input);
    if (!contained.ok) return contained;
  }
  const file = { driver: 'file', filename: path };
  const inside = member && { driver: 'raw', offset: member.offset, size: member.sizeBytes, file };
  const name = `json:${JSON.stringify({ driver: format ?? 'vmdk', file: inside ?? file })}`;
  const native = `${context.scratch}/disk.qcow2`;
  context.progress('reading the disk');
  const converted = await qemuImg(context, ['convert', '-O', 'qcow2', name, native]);
  if (converted.ok) return ok([native]);
  return member === null
    ? converted
    : fail({ code: 'disk-unusable', path, problem: `qemu-img cannot read ${member.name} in it` });
}
