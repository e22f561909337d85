/** What a file is as a disk of a known format: how large, where in the file, and whether it is whole and alone. Nothing that it names is opened. */
import type { ByteSource } from '../model/bytes.ts';
import type { DiskFormat, DiskWindow } from '../model/disk-format.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { EMPTY } from './disk-magic.ts';
import { sizeProblem, wholeSectors } from './disk-view.ts';
import { qcow2Damage } from './qcow2-check.ts';
import { isQcow2, readQcow2Header } from './qcow2-header.ts';
import { checkVdi } from './vdi-check.ts';
import { checkVhd } from './vhd-check.ts';
import { checkVhdx } from './vhdx-check.ts';
import { checkVmdk } from './vmdk-check.ts';

/** A disk that was looked at. */
export interface CheckedDisk {
  /** As QEMU is to be told: a fixed VHD is `raw` in its window. */
  readonly format: DiskFormat;
  /** As the guest sees it, in whole sectors. */
  readonly sizeBytes: number;
  readonly window: DiskWindow | null;
}

/** Looks at one file of a disk. The failure is the rest of a sentence that begins with the file. */
export async function checkDisk(
  source: ByteSource,
  format: DiskFormat,
): Promise<Result<CheckedDisk, string>> {
  if (source.sizeBytes === 0) return fail(EMPTY);
  if (format === 'qcow2') return checkQcow2(source);
  const found = await checkAs(source, format);
  if (typeof found === 'string') return fail(found);
  const { window = null } = found;
  return ok({ format: window === null ? format : 'raw', sizeBytes: found.sizeBytes, window });
}

async function checkAs(
  source: ByteSource,
  format: Exclude<DiskFormat, 'qcow2'>,
): Promise<string | { readonly sizeBytes: number; readonly window?: DiskWindow | null }> {
  switch (format) {
    case 'raw':
      return sizeProblem(source.sizeBytes) ?? { sizeBytes: wholeSectors(source.sizeBytes) };
    case 'vmdk':
      return checkVmdk(source);
    case 'vdi':
      return checkVdi(source);
    case 'vhdx':
      return checkVhdx(source);
    case 'vpc':
      return checkVhd(source);
  }
}

async function checkQcow2(source: ByteSource): Promise<Result<CheckedDisk, string>> {
  if (!(await isQcow2(source))) return fail('is no qcow2 image');
  const header = await readQcow2Header(source);
  if (!header.ok) return fail(`has ${header.failure.problem}`);
  if (header.value.hasBacking)
    return fail(
      'names a backing file, which is no part of it; give the stage a flat image (`qemu-img convert -O qcow2 old.qcow2 flat.qcow2`)',
    );
  const damage = sizeProblem(header.value.diskBytes);
  if (damage !== null) return fail(damage);
  const cut = await qcow2Damage(source, header.value);
  if (cut !== null) return fail(`has ${cut}`);
  return ok({ format: 'qcow2', sizeBytes: wholeSectors(header.value.diskBytes), window: null });
}
