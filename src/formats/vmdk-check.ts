/** Whether a VMDK is one file with everything in it: no extents, parents or tables elsewhere. (VMware Virtual Disk Format 5.0; QEMU: block/vmdk.c) */
import type { ByteSource } from '../model/bytes.ts';
import { textAt, viewAt, wholeSectors } from './disk-view.ts';
import { readVmdkMap, type VmdkMap } from './vmdk-header.ts';
import { DESCRIPTOR_SECTOR, VMDK_SECTOR_BYTES } from './vmdk-layout.ts';

/** VMware and QEMU keep 20 sectors for it, others less than a hundred. */
const MOST_DESCRIPTOR_SECTORS = 2048;
const NO_PARENT = 'ffffffff';
const WHOLE_TYPES = ['monolithicSparse', 'streamOptimized'];

/** What is wrong, as the rest of a sentence about the image, or the bytes of the disk that it holds. */
export async function checkVmdk(source: ByteSource): Promise<string | { readonly sizeBytes: number }> {
  if (!(await isSparse(source)))
    return (await isText(source))
      ? 'is a VMDK descriptor, a text that names the files of the disk: they are no part of it'
      : 'is no VMDK image';
  const map = await readVmdkMap(source);
  if (!map.ok) return `is ${map.failure}`;
  const problem = (await descriptorProblem(source, map.value)) ?? (await tableProblem(source, map.value));
  return problem ?? { sizeBytes: map.value.capacitySectors * VMDK_SECTOR_BYTES };
}

async function isSparse(source: ByteSource): Promise<boolean> {
  return textAt(await viewAt(source, 0, 4), 0, 4) === 'KDMV';
}

/** Whether it begins as texts do: with no byte that is no letter, sign or space. */
async function isText(source: ByteSource): Promise<boolean> {
  const start = await viewAt(source, 0, Math.min(64, source.sizeBytes));
  return /^[\t\r\n\x20-\x7e]{8,}/.test(textAt(start, 0, start.byteLength));
}

/** The text in the image: QEMU looks for a parent at a fixed place, whatever the header says, so it must be that one. */
async function descriptorProblem(source: ByteSource, map: VmdkMap): Promise<string | null> {
  const { descriptorSector, descriptorSectors, capacitySectors } = map;
  if (descriptorSector !== DESCRIPTOR_SECTOR || descriptorSectors < 1)
    return 'is a VMDK without a descriptor of its own: its facts are in another file';
  if (descriptorSectors > MOST_DESCRIPTOR_SECTORS)
    return `has a VMDK descriptor of ${descriptorSectors} sectors`;
  const bytes = descriptorSectors * VMDK_SECTOR_BYTES;
  const text = textAt(await viewAt(source, DESCRIPTOR_SECTOR * VMDK_SECTOR_BYTES, bytes), 0, bytes);
  return textProblem(text, capacitySectors);
}

/** What is wrong with the text of a descriptor, as the rest of a sentence about the image. */
function textProblem(text: string, capacitySectors: number): string | null {
  const parent = /^[ \t]*parentCID[ \t]*=[ \t]*"?([0-9a-f]+)/im.exec(text)?.[1]?.toLowerCase() ?? NO_PARENT;
  if (parent !== NO_PARENT || /parentFileNameHint/i.test(text))
    return 'is a VMDK that rests on a parent, which is no part of it';
  const type = /^[ \t]*createType[ \t]*=[ \t]*"([^"]*)"/im.exec(text)?.[1] ?? '';
  if (!WHOLE_TYPES.includes(type))
    return `is a VMDK of the type ${type || 'that it does not say'}, which is not one whole file`;
  const extents = text.split(/\r?\n/).filter((line) => /^[ \t]*(?:RW|RDONLY|NOACCESS)\b/.test(line));
  const [extent = '', another] = extents;
  if (another !== undefined || extents.length === 0)
    return `is a VMDK of ${extents.length} extents, where one is itself`;
  const [, sectors, kind, name = ''] = /^\s*RW\s+(\d+)\s+(\w+)\s+"([^"]*)"\s*$/.exec(extent) ?? [];
  if (kind !== 'SPARSE' || name.includes('/') || name.includes('\\'))
    return `is a VMDK whose extent is another file: ${extent.trim().slice(0, 120)}`;
  return Number(sectors) === capacitySectors
    ? null
    : 'is a VMDK whose header and descriptor tell of different sizes';
}

/** Whether tables and grains lie in the file, each table once. */
async function tableProblem(source: ByteSource, map: VmdkMap): Promise<string | null> {
  const { tableCount, perTable, grainSectors, isCompressed } = map;
  const fileBytes = wholeSectors(source.sizeBytes);
  const seen = new Set<number>();
  let grains = 0;
  for (let index = 0; index < tableCount; index++) {
    const place = map.tableSector(index);
    if (place <= 1) continue;
    if (seen.has(place)) return `is a VMDK with one table, at sector ${place}, for two parts of the disk`;
    seen.add(place);
    if (place * VMDK_SECTOR_BYTES + perTable * 4 > fileBytes) return cutOff(source, 'a table');
    const sectors = (await map.table(index)) ?? new Uint32Array();
    if (sectors.some((sector, entry) => reach(map, index * perTable + entry, sector) > fileBytes))
      return cutOff(source, 'a grain');
    grains += sectors.reduce((count, sector) => count + (sector === 0 ? 0 : 1), 0);
  }
  const room = fileBytes / ((isCompressed ? 1 : grainSectors) * VMDK_SECTOR_BYTES);
  return grains > room + 1 ? `is a VMDK with ${grains} grains in a file that has no room for them` : null;
}

/** The least offset at which a grain ends that lies at this sector; 0 for none. */
function reach(
  { grainSectors, capacitySectors, isCompressed }: VmdkMap,
  grain: number,
  sector: number,
): number {
  if (sector === 0) return 0;
  const left = Math.max(0, Math.min(grainSectors, capacitySectors - grain * grainSectors));
  return (sector + (isCompressed ? 1 : left)) * VMDK_SECTOR_BYTES;
}

function cutOff({ sizeBytes }: ByteSource, what: string): string {
  return `is cut off: ${what} of the VMDK lies beyond its end at ${sizeBytes} bytes`;
}
