/** The random parts of a VHDX image: GUIDs and sequence numbers of its two headers, the disk's own GUID, old log entries. (MS-VHDX 2.2, 2.6) */
import type { ByteSource } from '../model/bytes.ts';
import { crc32c } from './crc32c.ts';
import type { Patch } from './disk-identity.ts';
import { readPadded } from './disk-source.ts';

const HEADERS = [64 * 1024, 128 * 1024];
const HEADER_BYTES = 4096;
const REGION_TABLE = 192 * 1024;
const REGION_TABLE_BYTES = 64 * 1024;
// GUIDs as they lie in the file: the first three fields little-endian.
const METADATA_REGION = '06a27c8b90479a4bb8fe575f050f886e';
const PAGE_83_ITEM = 'ab12cabee6b2234593efc309e000c746';
const ENTRY_BYTES = 32;

/** Patches that fill all of them from a digest. The log is empty after a clean close, so its stale entries may go. */
export async function vhdxIdentity(source: ByteSource, hexDigest: string): Promise<readonly Patch[]> {
  const patches: Patch[] = [];
  for (const [index, offset] of HEADERS.entries()) {
    const header = await read(source, offset, HEADER_BYTES);
    const fields = new DataView(header.buffer);
    fields.setBigUint64(8, BigInt(index + 1), true);
    // Identifiers of the file's and the data's last writing.
    header.set(guid(hexDigest, 0), 16);
    header.set(guid(hexDigest, 16), 32);
    fields.setUint32(4, 0, true);
    fields.setUint32(4, crc32c(header), true);
    patches.push({ offset, bytes: header });
    if (index === 0) patches.push(emptyLog(fields));
  }
  const page83 = await page83Offset(source);
  if (page83 !== null) patches.push({ offset: page83, bytes: guid(hexDigest, 32) });
  return patches;
}

function emptyLog(header: DataView): Patch {
  const length = header.getUint32(68, true);
  return { offset: Number(header.getBigUint64(72, true)), bytes: new Uint8Array(length) };
}

async function page83Offset(source: ByteSource): Promise<number | null> {
  const regions = await read(source, REGION_TABLE, REGION_TABLE_BYTES);
  const region = entry(regions, 16, new DataView(regions.buffer).getUint32(8, true), METADATA_REGION);
  if (region === null) return null;
  const table = Number(region.getBigUint64(16, true));
  const items = await read(source, table, REGION_TABLE_BYTES);
  const item = entry(items, 32, new DataView(items.buffer).getUint16(10, true), PAGE_83_ITEM);
  return item === null ? null : table + item.getUint32(16, true);
}

function entry(bytes: Uint8Array, first: number, count: number, identifier: string): DataView | null {
  for (let offset = first; offset < first + count * ENTRY_BYTES; offset += ENTRY_BYTES) {
    if (offset + ENTRY_BYTES > bytes.length) break;
    if (Buffer.from(bytes.subarray(offset, offset + 16)).toString('hex') === identifier)
      return new DataView(bytes.buffer, offset, ENTRY_BYTES);
  }
  return null;
}

async function read(source: ByteSource, offset: number, sizeBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(sizeBytes);
  await readPadded(source, bytes, offset);
  return bytes;
}

/** 16 bytes of the digest, turned so that the three can differ though a digest has only two halves. */
function guid(hexDigest: string, from: number): Uint8Array {
  const turned = hexDigest.slice(from) + hexDigest.slice(0, from);
  return new Uint8Array(Buffer.from(turned.slice(0, 32), 'hex'));
}
