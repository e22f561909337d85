/** Tells disk images of other formats from raw ones by how they start. */
import type { ByteSource } from '../model/bytes.ts';
import { readPadded } from './disk-source.ts';

const MAGICS: readonly { readonly format: string; readonly offset: number; readonly bytes: Uint8Array }[] = [
  { format: 'vmdk', offset: 0, bytes: Buffer.from('KDMV', 'latin1') },
  { format: 'vmdk', offset: 0, bytes: Buffer.from('# Disk DescriptorFile', 'latin1') },
  { format: 'vhdx', offset: 0, bytes: Buffer.from('vhdxfile', 'latin1') },
  { format: 'vpc', offset: 0, bytes: Buffer.from('conectix', 'latin1') },
  { format: 'vdi', offset: 64, bytes: Uint8Array.of(0x7f, 0x10, 0xda, 0xbe) },
  { format: 'qed', offset: 0, bytes: Buffer.from('QED\0', 'latin1') },
];

/** The name of the format, as QEMU calls it; null for what must be a raw image. */
export async function foreignFormat(source: ByteSource): Promise<string | null> {
  const start = new Uint8Array(128);
  await readPadded(source, start, 0);
  const found = MAGICS.find(
    ({ offset, bytes }) => Buffer.compare(start.subarray(offset, offset + bytes.length), bytes) === 0,
  );
  return found?.format ?? null;
}
