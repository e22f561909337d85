/** What a file is that is given as a disk and of which nobody says what it is: a closed list of ways in which images begin and end. */
import type { ByteSource } from '../model/bytes.ts';
import { type DiskContainer, formatNamed } from '../model/disk-format.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { readPadded } from './disk-source.ts';
import { SECTOR_BYTES } from './disk-view.ts';

interface Magic {
  /** A format that bake opens, or the words for one that it does not. */
  readonly is: DiskContainer | { readonly other: string };
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const magic = (is: Magic['is'], bytes: string, offset = 0): Magic => ({
  is,
  offset,
  bytes: Buffer.from(bytes, 'latin1'),
});
const other = (words: string, bytes: string) => magic({ other: words }, bytes);

const MAGICS: readonly Magic[] = [
  magic('qcow2', 'QFI\xfb\0\0\0\x02'),
  magic('qcow2', 'QFI\xfb\0\0\0\x03'),
  magic('vmdk', 'KDMV'),
  magic('vmdk', '# Disk DescriptorFile'),
  magic('vhdx', 'vhdxfile'),
  magic('vpc', 'conectix'),
  magic('vdi', '\x7f\x10\xda\xbe', 64),
  magic('ova', 'ustar', 257),
  other('a qcow image of another version than 2 and 3', 'QFI\xfb'),
  other('a VMDK of ESX Server (COWD)', 'COWD'),
  other('a QED image', 'QED\0'),
  other('a COW image', 'OOOM'),
  other('a Parallels image', 'WithoutFreeSpace'),
  other('a Parallels image', 'WithouFreSpacExt'),
  other('a Bochs image', 'Bochs Virtual HD Image'),
  other('a cloop image', '#!/bin/sh\n#V2.0 Format'),
  other('a LUKS container', 'LUKS\xba\xbe'),
  other('compressed with gzip', '\x1f\x8b\x08'),
  other('compressed with xz', '\xfd7zXZ\0'),
  other('compressed with zstd', '\x28\xb5\x2f\xfd'),
  other('compressed with bzip2', 'BZh'),
  other('a ZIP archive', 'PK\x03\x04'),
];

/** What begins like a VMDK descriptor after comments and empty lines is one to QEMU, too. */
const DESCRIPTOR = /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*version=\d/;
const START_BYTES = 2048;
/** What the end of a file says: a fixed VHD, which begins with the bytes of the disk, and a disk image of macOS. */
const VHD_FOOTER = 'conectix';
const DMG_FOOTER = 'koly';

/**
 * The format of a file of which nobody says it. Whoever wrote the file decides how it begins: so what contradicts its own
 * name, or could be two things at once, is a failure, to be settled by a statement. The failure is the rest of a sentence
 * that begins with the file. `name` is null for what has none of its own.
 */
export async function detectFormat(
  source: ByteSource,
  name: string | null,
): Promise<Result<DiskContainer, string>> {
  if (source.sizeBytes === 0) return fail(EMPTY);
  const named = name === null ? null : formatNamed(name);
  const start = new Uint8Array(START_BYTES);
  await readPadded(source, start, 0);
  const found = startsAs(start);
  if (found !== null && typeof found === 'object')
    return fail(`is ${found.other}, which is no disk that bake opens`);
  if (found !== null) {
    if (named === null || named === found) return ok(found);
    return fail(`is called \`.${suffixOf(name ?? '')}\` and begins as ${article(found)} image`);
  }
  const end = await endOf(source);
  if (end === DMG_FOOTER) return fail('is a disk image of macOS (DMG), which is no disk that bake opens');
  if (end === VHD_FOOTER)
    return named === 'vpc' ? ok('vpc') : fail('ends with the footer of a VHD: it may be one, or a raw disk');
  if (named === null || named === 'raw') return ok('raw');
  return fail(`is called \`.${suffixOf(name ?? '')}\` and does not begin as ${article(named)} image does`);
}

/** What a file of 0 bytes is refused with, whatever it is said to be. */
export const EMPTY = 'is empty: it has 0 bytes, which is what a step that failed leaves';

function startsAs(start: Uint8Array): Magic['is'] | null {
  const found = MAGICS.find(
    ({ offset, bytes }) => Buffer.compare(start.subarray(offset, offset + bytes.length), bytes) === 0,
  );
  if (found) return found.is;
  return DESCRIPTOR.test(Buffer.from(start).toString('latin1')) ? 'vmdk' : null;
}

async function endOf(source: ByteSource): Promise<string | null> {
  if (source.sizeBytes < SECTOR_BYTES) return null;
  const end = new Uint8Array(SECTOR_BYTES);
  await readPadded(source, end, source.sizeBytes - SECTOR_BYTES);
  const text = Buffer.from(end).toString('latin1');
  return [VHD_FOOTER, DMG_FOOTER].find((footer) => text.startsWith(footer)) ?? null;
}

function suffixOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1).toLowerCase();
}

/** With the article that belongs before the name. */
export function article(format: DiskContainer): string {
  const names = {
    qcow2: 'a qcow2',
    raw: 'a raw',
    vmdk: 'a VMDK',
    vdi: 'a VDI',
    vhdx: 'a VHDX',
    vpc: 'a VHD',
    ova: 'an OVA',
  };
  return names[format];
}
