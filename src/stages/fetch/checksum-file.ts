/** Reads checksum files: GNU (`<hex>  <name>`), BSD (`SHA256 (<name>) = <hex>`), OpenSSL, and a bare checksum alone. */
import type { Checksums } from './checksum.ts';

interface ListedChecksum {
  readonly name: string;
  readonly checksums: Checksums;
  /** Counted from 1, and its text. */
  readonly line: number;
  readonly text: string;
}

/** What a checksum file says of a file: its checksum, or lines that contradict each other. */
export type Found =
  | { readonly type: 'checksums'; readonly checksums: Checksums }
  | { readonly type: 'ambiguous'; readonly name: string; readonly lines: readonly ListedChecksum[] };

const GNU = /^(\\?)([0-9a-f]{64}|[0-9a-f]{128})[ \t]+\*?(.+)$/i;
const TAGGED = /^(\\?)SHA(?:2-)?(?:256|512) ?\((.+)\) ?= ?([0-9a-f]{64}|[0-9a-f]{128})$/i;
/** Some projects (RancherOS) put the name of the algorithm before a GNU line. */
const LABEL = /^sha(?:256|512): */i;
const BARE = /^([0-9a-f]{64}|[0-9a-f]{128})$/i;

/** The text of a checksum file: UTF-8, or UTF-16 as shells of Windows write it. */
export function checksumText(bytes: Uint8Array): string {
  const [first = 0, second = 0] = bytes;
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0 && bytes.length > 1))
    return withoutMark(new TextDecoder('utf-16le').decode(bytes));
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0))
    return withoutMark(new TextDecoder('utf-16be').decode(bytes));
  return withoutMark(new TextDecoder('utf-8').decode(bytes));
}

function withoutMark(text: string): string {
  return text.replace(/^\ufeff/, '');
}

/** Every sha256 and sha512 in a checksum file, in its order; other lines (comments, a signature, md5) say nothing. */
export function parseChecksumFile(text: string): readonly ListedChecksum[] {
  const lines = text.split(/\r\n|\n|\r/);
  const signed = lines.some((line) => line.startsWith('-----BEGIN PGP SIGNED MESSAGE-----'));
  const end = lines.findIndex((line) => line.startsWith('-----BEGIN PGP SIGNATURE-----'));
  return lines.slice(0, end === -1 ? lines.length : end).flatMap((line, index) => {
    // A signed text has `- ` before each line that begins with a dash, and may have it before any other.
    const own = signed && line.startsWith('- ') ? line.slice(2) : line;
    const listed = parseLine(own.trim().replace(LABEL, ''));
    return listed === null ? [] : [{ ...listed, line: index + 1, text: own.trim() }];
  });
}

/**
 * The checksum of the first of `places` that the file lists: a name, or the path of a URL, whose directories decide between
 * files of the same name. A bare checksum holds for any name when it is the only one. Sha256 is preferred: it also names
 * content in the cache. Null when none is listed.
 */
export function findChecksum(text: string, places: readonly string[]): Found | null {
  const all = parseChecksumFile(text);
  for (const place of places) {
    const wanted = segmentsOf(place);
    const named = all.filter(({ name }) => segmentsOf(name).at(-1) === wanted.at(-1));
    const nearness = new Map(named.map((one) => [one, nearnessOf(segmentsOf(one.name), wanted)]));
    const nearest = Math.max(...nearness.values());
    const found = named.filter((one) => nearness.get(one) === nearest);
    const best = found.filter(({ checksums }) => checksums.sha256 !== undefined);
    const chosen = best.length > 0 ? best : found;
    const [first] = chosen;
    if (first === undefined) continue;
    if (chosen.every(({ checksums }) => digitsOf(checksums) === digitsOf(first.checksums)))
      return { type: 'checksums', checksums: first.checksums };
    return { type: 'ambiguous', name: wanted.at(-1) ?? '', lines: chosen };
  }
  const [only] = all;
  return all.length === 1 && only?.name === '' ? { type: 'checksums', checksums: only.checksums } : null;
}

/** How many segments at the end of `wanted` a listed path names; none when it names other directories. */
function nearnessOf(listed: readonly string[], wanted: readonly string[]): number {
  const end = wanted.slice(-listed.length);
  return listed.every((segment, index) => segment === end[index]) ? listed.length : 0;
}

/** Directories and name; programs of Windows write backslashes. */
function segmentsOf(path: string): readonly string[] {
  return path.split(/[/\\]/).filter((segment) => segment !== '' && segment !== '.');
}

function digitsOf({ sha256, sha512 }: Checksums): string {
  return sha256 ?? sha512 ?? '';
}

function parseLine(line: string): Pick<ListedChecksum, 'name' | 'checksums'> | null {
  const gnu = GNU.exec(line);
  if (gnu) return listed(gnu[3] ?? '', gnu[2] ?? '', gnu[1] === '\\');
  const tagged = TAGGED.exec(line);
  if (tagged) return listed(tagged[2] ?? '', tagged[3] ?? '', tagged[1] === '\\');
  const bare = BARE.exec(line);
  return bare ? listed('', bare[1] ?? '', false) : null;
}

function listed(name: string, digits: string, escaped: boolean): Pick<ListedChecksum, 'name' | 'checksums'> {
  const lower = digits.toLowerCase();
  return {
    name: escaped ? unescaped(name) : name,
    checksums: lower.length === 64 ? { sha256: lower } : { sha512: lower },
  };
}

/** GNU escapes line breaks and backslashes of names in a line that starts with a backslash. */
function unescaped(name: string): string {
  return name.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}
