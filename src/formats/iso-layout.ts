/** Where everything lies in an ISO image, and the bytes of all that comes before the files' contents. */
import {
  ascii,
  NO_VOLUME_DATE,
  putBoth16,
  putBoth32,
  SECTOR_BYTES,
  sectorsOf,
  ucs2,
  volumeDate,
} from './iso-fields.ts';
import {
  continuationField,
  directoryRecord,
  extensionReference,
  linkFields,
  nameField,
  pathTableRecord,
  posixFields,
  sharingFields,
} from './iso-record.ts';
import type { IsoFile, IsoNode } from './iso-tree.ts';

export interface IsoLayout {
  /** Everything before the first file's content; a whole number of sectors. */
  readonly head: Uint8Array;
  /** The files in the order in which their contents follow, each padded to a whole sector. */
  readonly files: readonly IsoFile[];
  readonly sizeBytes: number;
}

/** One of the two trees of directories in an image: plain ISO 9660 with Rock Ridge, and Joliet. */
interface View {
  readonly joliet: boolean;
  /** Breadth first, children of each sorted by identifier: the order of the path table. */
  readonly directories: readonly IsoNode[];
  readonly parents: ReadonlyMap<IsoNode, IsoNode>;
}

type Places = ReadonlyMap<IsoNode, { readonly extent: number; readonly sizeBytes: number }>;

const FIRST_DESCRIPTOR = 16;
const FIRST_TABLE = FIRST_DESCRIPTOR + 3;
const SELF = Uint8Array.of(0);
const PARENT = Uint8Array.of(1);

/**
 * Lays an image out: system area, primary and Joliet descriptors, terminator, four path tables, the directories of both
 * views, the Rock Ridge extension reference (libarchive reads forward only, and refuses it before the directories), the files.
 */
export function isoLayout(root: IsoNode, label: string, timeMs: number): IsoLayout {
  const views = [viewOf(root, false), viewOf(root, true)] as const;
  const tableSectors = views.map((view) => sectorsOf(pathTable(view, new Map(), true).length));
  const firstTables = [FIRST_TABLE, FIRST_TABLE + 2 * (tableSectors[0] as number)];
  const places = new Map<IsoNode, { extent: number; sizeBytes: number }>();
  const jolietPlaces = new Map<IsoNode, { extent: number; sizeBytes: number }>();
  let next = (firstTables[1] as number) + 2 * (tableSectors[1] as number);
  for (const [view, own] of [[views[0], places] as const, [views[1], jolietPlaces] as const])
    for (const directory of view.directories) {
      const sizeBytes = directoryBytes(view, directory, new Map(), timeMs, NOWHERE).length;
      own.set(directory, { extent: next, sizeBytes });
      next += sectorsOf(sizeBytes);
    }
  const extensionSector = next;
  const further = furtherFields(views[0], extensionSector);
  next += sectorsOf(further.bytes.length);
  const headSectors = next;
  const files: IsoFile[] = [];
  for (const directory of views[0].directories)
    for (const child of sorted(views[0], directory.children)) {
      if (child.file === null || child.file.link !== undefined) continue;
      const place = { extent: next, sizeBytes: child.file.sizeBytes };
      places.set(child, place);
      jolietPlaces.set(child, place);
      files.push(child.file);
      next += sectorsOf(child.file.sizeBytes);
    }

  const head = new Uint8Array(headSectors * SECTOR_BYTES);
  const put = (sector: number, bytes: Uint8Array) => head.set(bytes, sector * SECTOR_BYTES);
  for (const [index, view] of views.entries()) {
    const own = index === 0 ? places : jolietPlaces;
    const firstTable = firstTables[index] as number;
    const littleTable = pathTable(view, own, true);
    put(firstTable, littleTable);
    put(firstTable + (tableSectors[index] as number), pathTable(view, own, false));
    put(
      FIRST_DESCRIPTOR + index,
      volumeDescriptor(view, own, {
        label,
        timeMs,
        sectors: next,
        tableBytes: littleTable.length,
        littleTable: firstTable,
        bigTable: firstTable + (tableSectors[index] as number),
      }),
    );
    for (const directory of view.directories)
      put(
        (own.get(directory) as { extent: number }).extent,
        directoryBytes(view, directory, own, timeMs, further),
      );
  }
  put(FIRST_DESCRIPTOR + 2, Uint8Array.of(255, ...ascii('CD001'), 1));
  put(extensionSector, further.bytes);
  return { head, files, sizeBytes: next * SECTOR_BYTES };
}

/** Fields for which records have no room: the extension reference, and where links lead. */
interface Further {
  readonly sector: number;
  readonly bytes: Uint8Array;
  /** Where a link's fields begin among the bytes. */
  readonly links: ReadonlyMap<IsoNode, { readonly offset: number; readonly length: number }>;
}

const NOWHERE: Further = { sector: 0, bytes: new Uint8Array(0), links: new Map() };

function furtherFields(view: View, sector: number): Further {
  const pieces: Uint8Array[] = [extensionReference()];
  const links = new Map<IsoNode, { offset: number; length: number }>();
  let used = (pieces[0] as Uint8Array).length;
  for (const directory of view.directories)
    for (const child of sorted(view, directory.children)) {
      if (child.file?.link === undefined) continue;
      const fields = linkFields(child.file.link);
      const room = SECTOR_BYTES - (used % SECTOR_BYTES);
      if (fields.length > room) pieces.push(new Uint8Array(room));
      if (fields.length > room) used += room;
      links.set(child, { offset: used, length: fields.length });
      pieces.push(fields);
      used += fields.length;
    }
  return { sector, bytes: Buffer.concat(pieces), links };
}

/** The children that a view can show: Joliet knows no links. */
function childrenIn(view: View, directory: IsoNode): readonly IsoNode[] {
  const { children } = directory;
  return sorted(view, view.joliet ? children.filter(({ file }) => file?.link === undefined) : children);
}

function viewOf(root: IsoNode, joliet: boolean): View {
  const parents = new Map<IsoNode, IsoNode>([[root, root]]);
  const directories = [root];
  const view = { joliet, directories, parents };
  // The list grows while it is walked: breadth first.
  for (const directory of directories)
    for (const child of sorted(view, directory.children)) {
      parents.set(child, directory);
      if (child.file === null) directories.push(child);
    }
  return view;
}

function identifierOf(view: View, node: IsoNode): Uint8Array {
  return view.joliet ? ucs2(node.jolietName) : ascii(node.isoName);
}

function sorted(view: View, nodes: readonly IsoNode[]): readonly IsoNode[] {
  return [...nodes].sort((a, b) => Buffer.compare(identifierOf(view, a), identifierOf(view, b)));
}

function pathTable(view: View, places: Places, littleEndian: boolean): Uint8Array {
  const numbers = new Map(view.directories.map((directory, index) => [directory, index + 1]));
  return Buffer.concat(
    view.directories.map((directory, index) =>
      pathTableRecord(
        index === 0 ? SELF : identifierOf(view, directory),
        places.get(directory)?.extent ?? 0,
        numbers.get(view.parents.get(directory) as IsoNode) as number,
        littleEndian,
      ),
    ),
  );
}

/** A directory's extent: itself, its parent, its children; no record crosses the end of a sector. */
function directoryBytes(
  view: View,
  directory: IsoNode,
  places: Places,
  timeMs: number,
  further: Further,
): Uint8Array {
  const parent = view.parents.get(directory) as IsoNode;
  const isRoot = parent === directory;
  const record = (node: IsoNode, identifier: Uint8Array, before: Uint8Array, after: Uint8Array) =>
    directoryRecord({
      identifier,
      extent: places.get(node)?.extent ?? 0,
      sizeBytes: places.get(node)?.sizeBytes ?? 0,
      isDirectory: node.file === null,
      timeMs,
      systemUse: view.joliet ? NOTHING : Buffer.concat([before, posixOf(node, view, timeMs), after]),
    });
  const records = [
    record(directory, SELF, isRoot ? sharingFields(further.sector) : NOTHING, NOTHING),
    record(parent, PARENT, NOTHING, NOTHING),
    ...childrenIn(view, directory).map((child) =>
      record(child, identifierOf(view, child), linkedTo(child, further), nameField(child.name)),
    ),
  ];
  const sectors: number[] = [];
  let used = 0;
  for (const { length } of records) {
    const room = SECTOR_BYTES - (used % SECTOR_BYTES);
    if (length > room) used += room;
    sectors.push(used);
    used += length;
  }
  const bytes = new Uint8Array(sectorsOf(used) * SECTOR_BYTES);
  for (const [index, one] of records.entries()) bytes.set(one, sectors[index] as number);
  return bytes;
}

const NOTHING = new Uint8Array(0);

/** Where the fields lie that say where a link leads. */
function linkedTo(node: IsoNode, { sector, links }: Further): Uint8Array {
  if (node.file?.link === undefined) return NOTHING;
  const { offset, length } = links.get(node) ?? { offset: 0, length: 0 };
  return continuationField(sector + Math.floor(offset / SECTOR_BYTES), offset % SECTOR_BYTES, length);
}

function posixOf(node: IsoNode, view: View, timeMs: number): Uint8Array {
  if (node.file !== null)
    return posixFields({
      mode: modeOf(node.file),
      links: 1,
      inode: inodeOf(node, view),
      timeMs,
    });
  const links = 2 + node.children.filter((child) => child.file === null).length;
  return posixFields({ mode: 0o40555, links, inode: inodeOf(node, view), timeMs });
}

// Any numbers that differ will do: a directory's place in the breadth-first order, a file's place among its siblings after that.
function inodeOf(node: IsoNode, view: View): number {
  const parent = view.parents.get(node) as IsoNode;
  if (node.file === null) return view.directories.indexOf(node) + 1;
  return (view.directories.indexOf(parent) + 1) * 0x10000 + parent.children.indexOf(node);
}

interface VolumeFacts {
  readonly label: string;
  readonly timeMs: number;
  readonly sectors: number;
  readonly tableBytes: number;
  readonly littleTable: number;
  readonly bigTable: number;
}

/** Primary or, for Joliet, supplementary volume descriptor (ECMA-119 8.4, 8.5; Joliet level 3). */
function volumeDescriptor(view: View, places: Places, facts: VolumeFacts): Uint8Array {
  const bytes = new Uint8Array(SECTOR_BYTES);
  const fields = new DataView(bytes.buffer);
  const text = (offset: number, length: number, value: string) => {
    const encoded = view.joliet ? ucs2(value.padEnd(length / 2, ' ')) : ascii(value.padEnd(length, ' '));
    bytes.set(encoded.subarray(0, length), offset);
  };
  bytes.set([view.joliet ? 2 : 1, ...ascii('CD001'), 1]);
  text(8, 32, '');
  text(40, 32, facts.label);
  putBoth32(fields, 80, facts.sectors);
  if (view.joliet) bytes.set(ascii('%/E'), 88);
  putBoth16(fields, 120, 1);
  putBoth16(fields, 124, 1);
  putBoth16(fields, 128, SECTOR_BYTES);
  putBoth32(fields, 132, facts.tableBytes);
  fields.setUint32(140, facts.littleTable, true);
  fields.setUint32(148, facts.bigTable, false);
  const root = view.directories[0] as IsoNode;
  const { extent, sizeBytes } = places.get(root) as { extent: number; sizeBytes: number };
  const record = { identifier: SELF, extent, sizeBytes, isDirectory: true, timeMs: facts.timeMs };
  bytes.set(directoryRecord({ ...record, systemUse: NOTHING }), 156);
  for (const offset of [190, 318, 446, 574]) text(offset, 128, offset === 446 ? 'BAKE' : '');
  for (const offset of [702, 739, 776]) text(offset, 36, '');
  // The odd last byte of the three Joliet file names stays a space, as in the primary descriptor.
  for (const offset of [738, 775, 812]) bytes[offset] = 0x20;
  bytes.set(volumeDate(facts.timeMs), 813);
  bytes.set(volumeDate(facts.timeMs), 830);
  bytes.set(NO_VOLUME_DATE, 847);
  bytes.set(NO_VOLUME_DATE, 864);
  bytes[881] = 1;
  return bytes;
}

function modeOf({ link, executable }: IsoFile): number {
  if (link !== undefined) return 0o120777;
  return executable ? 0o100555 : 0o100444;
}
