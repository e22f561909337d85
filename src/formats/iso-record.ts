/** Directory records and path tables of an ISO image, and the Rock Ridge fields (SUSP 1.12, RRIP 1.12) that ride on records. */
import { ascii, both32, putBoth16, putBoth32, recordDate } from './iso-fields.ts';

interface RecordFacts {
  readonly identifier: Uint8Array;
  /** First sector. */
  readonly extent: number;
  readonly sizeBytes: number;
  readonly isDirectory: boolean;
  readonly timeMs: number;
  /** System use fields: Rock Ridge, or nothing. */
  readonly systemUse: Uint8Array;
}

/** One directory record (ECMA-119 9.1); its length depends on the identifier and the system use field only. */
export function directoryRecord(facts: RecordFacts): Uint8Array {
  const { identifier, systemUse } = facts;
  const head = 33 + identifier.length + (identifier.length % 2 === 0 ? 1 : 0);
  const length = head + systemUse.length + (systemUse.length % 2);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = length;
  putBoth32(view, 2, facts.extent);
  putBoth32(view, 10, facts.sizeBytes);
  bytes.set(recordDate(facts.timeMs), 18);
  bytes[25] = facts.isDirectory ? 2 : 0;
  putBoth16(view, 28, 1);
  bytes[32] = identifier.length;
  bytes.set(identifier, 33);
  bytes.set(systemUse, head);
  return bytes;
}

/** One record of a path table (ECMA-119 9.4). */
export function pathTableRecord(
  identifier: Uint8Array,
  extent: number,
  parent: number,
  littleEndian: boolean,
): Uint8Array {
  const bytes = new Uint8Array(8 + identifier.length + (identifier.length % 2));
  const view = new DataView(bytes.buffer);
  bytes[0] = identifier.length;
  view.setUint32(2, extent, littleEndian);
  view.setUint16(6, parent, littleEndian);
  bytes.set(identifier, 8);
  return bytes;
}

function field(signature: string, ...payload: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(payload);
  return Uint8Array.of(...ascii(signature), 4 + body.length, 1, ...body);
}

interface PosixFacts {
  readonly mode: number;
  readonly links: number;
  /** Serial number that tells files apart. */
  readonly inode: number;
  readonly timeMs: number;
}

/** Mode, links, owner root, inode (PX), and the three times (TF). */
export function posixFields(facts: PosixFacts): Uint8Array {
  const numbers = [facts.mode, facts.links, 0, 0, facts.inode].map(both32);
  const date = recordDate(facts.timeMs);
  const modifiedAccessedChanged = 0x0e;
  return Buffer.concat([
    field('PX', ...numbers),
    field('TF', Uint8Array.of(modifiedAccessedChanged), date, date, date),
  ]);
}

/** The name as it was given (NM). */
export function nameField(name: string): Uint8Array {
  return field('NM', Uint8Array.of(0), Buffer.from(name, 'utf8'));
}

const SEGMENTS: { readonly [segment: string]: number } = { '.': 2, '..': 4 };
const ROOT_SEGMENT = 8;
const GOES_ON = 1;
const MOST_FIELD_BYTES = 250;

/** Where a symbolic link leads (SL): as many fields as its segments need. */
export function linkFields(target: string): Uint8Array {
  const segments = target
    .replace(/\/+/g, '/')
    .replace(/(.)\/$/, '$1')
    .split('/');
  const components = segments.map((segment, index) => {
    const flags = segment === '' && index === 0 ? ROOT_SEGMENT : (SEGMENTS[segment] ?? 0);
    const name = flags === 0 ? Buffer.from(segment, 'utf8') : Buffer.alloc(0);
    return Buffer.from([flags, name.length, ...name]);
  });
  const fields: Buffer[][] = [[]];
  let used = 0;
  // The root alone is written as `/`, whose second segment is empty.
  for (const component of target === '/' ? components.slice(0, 1) : components) {
    if (used + component.length > MOST_FIELD_BYTES) {
      fields.push([]);
      used = 0;
    }
    fields.at(-1)?.push(component);
    used += component.length;
  }
  return Buffer.concat(
    fields.map((own, index) => field('SL', Uint8Array.of(index === fields.length - 1 ? 0 : GOES_ON), ...own)),
  );
}

/** Where further fields of a record lie (CE): within one sector. */
export function continuationField(sector: number, offset: number, length: number): Uint8Array {
  return field('CE', both32(sector), both32(offset), both32(length));
}

/** What the root's own record starts with: sharing protocol (SP) and the place of the extension reference (CE). */
export function sharingFields(extensionSector: number): Uint8Array {
  return Buffer.concat([
    field('SP', Uint8Array.of(0xbe, 0xef, 0)),
    field('CE', both32(extensionSector), both32(0), both32(extensionReference().length)),
  ]);
}

/** The extension reference (ER) that announces Rock Ridge; too long for a record, so it has a sector of its own. */
export function extensionReference(): Uint8Array {
  const identifier = ascii('IEEE_P1282');
  const description = ascii('THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS');
  const source = ascii(
    'PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION.',
  );
  const lengths = Uint8Array.of(identifier.length, description.length, source.length, 1);
  return field('ER', lengths, identifier, description, source);
}
