/** A disk that a machine can start from without changing it: its layers, and an overlay that is thrown away. */
import { createDisk } from '../../machine/disk-image.ts';
import type { DiskLayer } from '../../machine/shape.ts';
import type { DiskContainer } from '../../model/disk-format.ts';
import type { Failure } from '../../model/failure.ts';
import { ok, type Result } from '../../model/result.ts';
import type { StageContext, StagedInput } from '../kind.ts';
import { nativeDisk } from './open-disk.ts';

/** The layers of a disk, lowest first, with a new one on top that takes all writes. An appliance (OVA) gives its first disk. */
export async function throwAwayDisk(
  context: StageContext,
  input: StagedInput,
  format?: DiskContainer,
): Promise<Result<readonly DiskLayer[], Failure>> {
  context.progress('reading the disk');
  const statement = { format, option: 'format', appliances: true };
  const disk = await nativeDisk(context, input, statement, context.scratch);
  if (!disk.ok) return disk;
  const overlay: DiskLayer = { path: `${context.scratch}/overlay.qcow2`, format: 'qcow2' };
  const made = await createDisk(context, overlay.path, disk.value.sizeBytes);
  return made.ok ? ok([...disk.value.files, overlay]) : made;
}
