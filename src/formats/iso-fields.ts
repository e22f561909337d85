/** Fields of ISO 9660: numbers in both byte orders, dates, padded text. ECMA-119 (7.2.3, 7.3.3, 8.4.26, 9.1.5). */

/** Bytes of a logical sector and, in what we write, of a logical block. */
export const SECTOR_BYTES = 2048;

/** Writes a 16-bit number little-endian, then big-endian. */
export function putBoth16(view: DataView, offset: number, value: number): void {
  view.setUint16(offset, value, true);
  view.setUint16(offset + 2, value, false);
}

/** Writes a 32-bit number little-endian, then big-endian. */
export function putBoth32(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true);
  view.setUint32(offset + 4, value, false);
}

/** A 32-bit number in both byte orders, as bytes. */
export function both32(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  putBoth32(new DataView(bytes.buffer), 0, value);
  return bytes;
}

/** The 7-byte date of a directory record, in UTC. */
export function recordDate(timeMs: number): Uint8Array {
  const date = new Date(timeMs);
  return Uint8Array.of(
    date.getUTCFullYear() - 1900,
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
    0,
  );
}

/** The 17-byte date of a volume descriptor, in UTC: 16 digits and the offset of the time zone. */
export function volumeDate(timeMs: number): Uint8Array {
  const digits = new Date(timeMs).toISOString().replace(/\D/g, '').slice(0, 16);
  return Uint8Array.of(...ascii(digits), 0);
}

/** The 17-byte date that means "not specified". */
export const NO_VOLUME_DATE = Uint8Array.of(...ascii('0'.repeat(16)), 0);

/** Latin-1 bytes of a text. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** UCS-2 big-endian, as Joliet writes names. */
export function ucs2(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < text.length; index++) view.setUint16(index * 2, text.charCodeAt(index), false);
  return bytes;
}

/** The number of whole sectors that hold so many bytes. */
export function sectorsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / SECTOR_BYTES);
}
