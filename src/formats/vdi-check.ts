/** Whether a VDI image is whole and rests on no other. (VirtualBox: VDICore.h; QEMU: block/vdi.c) */
import type { ByteSource } from '../model/bytes.ts';
import { eachEntry, field64, sizeProblem, viewAt, wholeSectors } from './disk-view.ts';

const HEADER_BYTES = 512;
const SIGNATURE = 0xbeda107f;
const VERSION = 0x00010001;
const TYPES = { dynamic: 1, fixed: 2 };
const UUID_BYTES = 16;
const BLOCK_BYTES = 2 ** 20;
/** Entries that stand for no block: never written, and zeros. */
const NO_BLOCK = 0xfffffffe;

/** What is wrong, as the rest of a sentence about the image, or the bytes of the disk that it holds. */
export async function checkVdi(source: ByteSource): Promise<string | { readonly sizeBytes: number }> {
  const view = await viewAt(source, 0, HEADER_BYTES);
  if (view.getUint32(64, true) !== SIGNATURE) return 'is no VDI image';
  if (view.getUint32(68, true) !== VERSION) return 'is a VDI image of another version than 1.1';
  const type = view.getUint32(76, true);
  const hasParent = [424, 440].some((offset) => !isZero(view, offset));
  if (hasParent || (type !== TYPES.dynamic && type !== TYPES.fixed))
    return 'is a VDI image that rests on a parent, which is no part of it';
  const sizeBytes = field64(view, 368, true);
  const problem = sizeProblem(sizeBytes);
  if (problem !== null) return problem;
  const entries = view.getUint32(384, true);
  const [mapOffset, dataOffset] = [view.getUint32(340, true), view.getUint32(344, true)];
  if (view.getUint32(376, true) !== BLOCK_BYTES || view.getUint32(360, true) !== 512)
    return 'is a VDI image with blocks or sectors of an unusual size';
  if (entries * BLOCK_BYTES < sizeBytes) return 'is a VDI image whose map is too small for its disk';
  if (mapOffset + entries * 4 > source.sizeBytes) return cutOff(source);
  const fileBytes = wholeSectors(source.sizeBytes);
  let blocks = 0;
  const damage = await eachEntry(source, { offset: mapOffset, entries, entryBytes: 4 }, (map, at) => {
    const block = map.getUint32(at, true);
    if (block >= NO_BLOCK) return null;
    blocks += 1;
    return dataOffset + (block + 1) * BLOCK_BYTES > fileBytes ? cutOff(source) : null;
  });
  if (damage !== null) return damage;
  if (blocks * BLOCK_BYTES > fileBytes)
    return `is a VDI image with ${blocks} blocks in a file that has no room for them`;
  return { sizeBytes };
}

function cutOff({ sizeBytes }: ByteSource): string {
  return `is a VDI image that is cut off at ${sizeBytes} bytes`;
}

function isZero(view: DataView, offset: number): boolean {
  return new Uint8Array(view.buffer, view.byteOffset + offset, UUID_BYTES).every((byte) => byte === 0);
}
