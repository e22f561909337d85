/** Finds the UEFI firmware for machines (OVMF) and gives a machine its own copy of the variables. */
import { join } from 'node:path';
import type { Files } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Firmware } from './shape.ts';

/** Newest layout first: images of 4 MB, which is all that newer distributions ship; code and variables must be of one size. */
const PAIRS: readonly (readonly [code: string, variables: string])[] = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
  ['/usr/share/edk2/ovmf/OVMF_CODE.fd', '/usr/share/edk2/ovmf/OVMF_VARS.fd'],
  ['/usr/share/edk2/x64/OVMF_CODE.4m.fd', '/usr/share/edk2/x64/OVMF_VARS.4m.fd'],
  ['/usr/share/qemu/ovmf-x86_64-code.bin', '/usr/share/qemu/ovmf-x86_64-vars.bin'],
];

/** Code and empty variables of the first OVMF that is installed; null when none is. */
export function findFirmware(files: Files): { readonly code: string; readonly variables: string } | null {
  const pair = PAIRS.find((paths) => paths.every((path) => files.stampTarget(path)?.type === 'file'));
  return pair ? { code: pair[0], variables: pair[1] } : null;
}

/** UEFI with its own copy of the variables in `directory`, taken from `variables` or, when null, from the empty ones. */
export async function prepareFirmware(
  files: Files,
  directory: string,
  variables: string | null,
): Promise<Result<Firmware & { readonly type: 'uefi' }, Failure>> {
  const found = findFirmware(files);
  if (!found) return fail({ code: 'firmware-missing', searched: PAIRS.map(([code]) => code) });
  const own = join(directory, 'efivars.fd');
  const copied = await files.copyFile(variables ?? found.variables, own);
  if (!copied.ok) return copied;
  // The copy of a cached artifact is read-only; the firmware writes to it.
  const writable = await files.chmod(own, 0o600);
  return writable.ok ? ok({ type: 'uefi', code: found.code, variables: own }) : writable;
}
