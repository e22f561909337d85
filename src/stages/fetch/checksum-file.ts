/** Reads checksum files: GNU (`<hex>  <name>`), BSD (`SHA256 (<name>) = <hex>`), OpenSSL, and a bare checksum alone. */
import type { Checksums } from './checksum.ts';

interface ListedChecksum {
  readonly name: string;
  readonly checksums: Checksums;
}

const GNU = /^(\\?)([0-9a-f]{64}|[0-9a-f]{128})(?: [ *]|\t)(.+)$/i;
const TAGGED = /^(\\?)SHA(?:2-)?(?:256|512) ?\((.+)\) ?= ?([0-9a-f]{64}|[0-9a-f]{128})$/i;
/** Some projects (RancherOS) put the name of the algorithm before a GNU line. */
const LABEL = /^sha(?:256|512): */i;
const BARE = /^([0-9a-f]{64}|[0-9a-f]{128})$/i;

/** Every sha256 and sha512 in a checksum file, in its order; other lines (comments, a signature, md5) say nothing. */
export function parseChecksumFile(text: string): readonly ListedChecksum[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const listed = parseLine(line.trim().replace(LABEL, ''));
    return listed === null ? [] : [listed];
  });
}

/**
 * The checksum of the first of `names` that the file lists, whatever directory is before the name there; a bare checksum
 * holds for any name when it is the only one. Sha256 is preferred: it also names content in the cache. Null when none is listed.
 */
export function findChecksum(text: string, names: readonly string[]): Checksums | null {
  const all = parseChecksumFile(text);
  for (const name of names) {
    const matching = all.filter((listed) => listed.name === name);
    const found = matching.length > 0 ? matching : all.filter((listed) => baseName(listed.name) === name);
    const best = found.find((listed) => listed.checksums.sha256 !== undefined) ?? found[0];
    if (best !== undefined) return best.checksums;
  }
  const [only] = all;
  return all.length === 1 && only?.name === '' ? only.checksums : null;
}

function parseLine(line: string): ListedChecksum | null {
  const gnu = GNU.exec(line);
  if (gnu) return listed(gnu[3] ?? '', gnu[2] ?? '', gnu[1] === '\\');
  const tagged = TAGGED.exec(line);
  if (tagged) return listed(tagged[2] ?? '', tagged[3] ?? '', tagged[1] === '\\');
  const bare = BARE.exec(line);
  return bare ? listed('', bare[1] ?? '', false) : null;
}

function listed(name: string, digits: string, escaped: boolean): ListedChecksum {
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

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
