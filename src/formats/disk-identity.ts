/**
 * What qemu-img draws at random in the images it writes, and the same places filled from a digest of the content instead,
 * so that the same disk gives the same file.
 */
import type { ByteSource } from '../model/bytes.ts';
import { readPadded } from './disk-source.ts';
import { vhdxIdentity } from './vhdx-identity.ts';
import { contentId } from './vmdk-layout.ts';

export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const NO_DIGEST = '0'.repeat(64);

/** What to overwrite before the content is digested: everything random becomes a constant. */
export function withoutIdentity(format: string, source: ByteSource): Promise<readonly Patch[]> {
  return withIdentity(format, source, NO_DIGEST);
}

/** What to overwrite so that everything random comes from `hexDigest`. Formats without such places give no patches. */
export async function withIdentity(
  format: string,
  source: ByteSource,
  hexDigest: string,
): Promise<readonly Patch[]> {
  switch (format) {
    case 'vdi':
      return vdiIdentity(hexDigest);
    case 'vmdk':
      return vmdkIdentity(source, hexDigest);
    case 'vhdx':
      return vhdxIdentity(source, hexDigest);
    default:
      return [];
  }
}

/** A UUID's 16 bytes out of 32 hex digits, marked as one that was made by its maker's own rules (RFC 9562, version 8). */
function uuidBytes(hexDigits: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(hexDigits.slice(0, 32), 'hex'));
  bytes[7] = ((bytes[7] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes;
}

const VDI_IMAGE_UUID = 392;
const VDI_SNAPSHOT_UUID = 408;

function vdiIdentity(hexDigest: string): readonly Patch[] {
  return [
    { offset: VDI_IMAGE_UUID, bytes: uuidBytes(hexDigest) },
    { offset: VDI_SNAPSHOT_UUID, bytes: uuidBytes(hexDigest.slice(32)) },
  ];
}

/** The content ID, and the file's own name in the extent line. */
async function vmdkIdentity(source: ByteSource, hexDigest: string): Promise<readonly Patch[]> {
  const header = new Uint8Array(512);
  await readPadded(source, header, 0);
  const fields = new DataView(header.buffer);
  const offset = Number(fields.getBigUint64(28, true)) * 512;
  const descriptor = new Uint8Array(Number(fields.getBigUint64(36, true)) * 512);
  await readPadded(source, descriptor, offset);
  const text = Buffer.from(descriptor).toString('latin1').replace(/\0+$/, '');
  const changed = text
    .replace(/^CID=[0-9a-f]+$/m, `CID=${contentId(hexDigest)}`)
    .replace(/^(RW \d+ \w+) ".*"$/m, '$1 "disk.vmdk"');
  const bytes = new Uint8Array(descriptor.length);
  bytes.set(Buffer.from(changed, 'latin1'));
  return [{ offset, bytes }];
}
