/** Tar archives of flat files: ustar headers of our own, the same bytes for the same files; and where files of another's lie. (POSIX.1-1988 ustar) */
import type { Appender, ByteSource } from '../model/bytes.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { copyExactly } from './copy-bytes.ts';
import { readPadded } from './disk-source.ts';

const BLOCK_BYTES = 512;
/** The most that eleven octal digits say; beyond it GNU's base-256 field, which vSphere and VirtualBox read, where they fail on PAX. */
const MOST_OCTAL_SIZE = 8 ** 11 - 1;

interface TarEntry {
  /** At most 100 bytes, without directories. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** Seconds since the epoch in every header. Not zero, of which some versions of GNU tar warn as implausibly old: this is 1980, the first year that ZIP and FAT know. */
const FIXED_MTIME_SECONDS = 315_532_800;

/** A regular file's header: mode 0644, owner 0, no names, a fixed time. Throws for a name that does not fit: callers check. */
export function tarHeader(entry: TarEntry): Uint8Array {
  const header = Buffer.alloc(BLOCK_BYTES);
  const name = Buffer.from(entry.name, 'utf8');
  if (name.length === 0 || name.length > 100) throw new RangeError(`no name for a tar entry: ${entry.name}`);
  name.copy(header);
  header.write('0000644\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  putSize(header, entry.sizeBytes);
  header.write(`${FIXED_MTIME_SECONDS.toString(8).padStart(11, '0')}\0`, 136, 'latin1');
  header.fill(' ', 148, 156);
  header.write('0', 156, 'latin1');
  header.write('ustar\0' + '00', 257, 'latin1');
  header.write('0000000\0', 329, 'latin1');
  header.write('0000000\0', 337, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function putSize(header: Buffer, sizeBytes: number): void {
  if (sizeBytes <= MOST_OCTAL_SIZE) {
    header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    return;
  }
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(sizeBytes), 128);
}

/** Writes one file: header, content, padding. `onBytes` hears of every piece of content. */
export async function writeTarEntry(
  sink: Appender,
  entry: TarEntry,
  source: ByteSource,
  onBytes?: (count: number) => void,
): Promise<void> {
  await sink.write(tarHeader(entry));
  await copyExactly(source, entry.sizeBytes, sink, onBytes);
  const over = entry.sizeBytes % BLOCK_BYTES;
  if (over > 0) await sink.write(new Uint8Array(BLOCK_BYTES - over));
}

/** Ends an archive with two zero blocks and no further filling up. */
export async function endTar(sink: Appender): Promise<void> {
  await sink.write(new Uint8Array(2 * BLOCK_BYTES));
}

/** A file in an archive of somebody else's, and where its bytes lie. */
export interface TarMember {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

const MOST_MEMBERS = 1000;
const MOST_PAX_BYTES = 64 * 1024;
const TYPE_AT = 156;
/** In a header of further facts: what would make the next member another than its own header says. */
const PAX_CHANGES = /^\d+ (?:path|size|linkpath|GNU\.sparse\.[^=]*)=/m;

/**
 * The members of an archive that holds files alone, side by side, as an OVA does. Nothing is unpacked. The failure is the
 * rest of a sentence about the archive: it breaks off, a name leads elsewhere or is there twice, or a member is no file.
 */
export async function listTar(source: ByteSource): Promise<Result<readonly TarMember[], string>> {
  const members = new Map<string, TarMember>();
  const header = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at + BLOCK_BYTES <= source.sizeBytes; ) {
    await readPadded(source, header, at);
    if (header.every((byte) => byte === 0)) return ok([...members.values()]);
    const name = nameIn(header);
    const sizeBytes = memberSize(header);
    const offset = at + BLOCK_BYTES;
    if (header.toString('latin1', 257, 262) !== 'ustar' || !isSound(header))
      return fail(`is a tar archive that is damaged at ${at}`);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || offset + sizeBytes > source.sizeBytes)
      return fail(`is a tar archive that is cut off: ${JSON.stringify(name)} reaches beyond its end`);
    const problem = await memberProblem(source, header, { name, offset, sizeBytes });
    if (problem !== null) return fail(problem);
    if (isFile(header)) {
      if (members.has(name)) return fail(`holds ${JSON.stringify(name)} twice`);
      if (members.size >= MOST_MEMBERS) return fail(`holds more than ${MOST_MEMBERS} files`);
      members.set(name, { name, offset, sizeBytes });
    }
    at = offset + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return members.size > 0 ? ok([...members.values()]) : fail('is an empty tar archive');
}

function isFile(header: Buffer): boolean {
  return header[TYPE_AT] === 0x30 || header[TYPE_AT] === 0;
}

/** `name` and, before it, `prefix` of ustar. */
function nameIn(header: Buffer): string {
  const text = (from: number, to: number) => header.toString('utf8', from, to).replace(/\0.*$/s, '');
  // GNU keeps times where ustar has the prefix.
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? text(345, 500) : '';
  return prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`;
}

async function memberProblem(source: ByteSource, header: Buffer, member: TarMember): Promise<string | null> {
  const { name, offset, sizeBytes } = member;
  const type = String.fromCharCode(header[TYPE_AT] ?? 0);
  if (type === 'x' || type === 'g') {
    if (sizeBytes > MOST_PAX_BYTES) return 'has extended headers that are too large';
    const records = Buffer.alloc(sizeBytes);
    await readPadded(source, records, offset);
    return PAX_CHANGES.test(records.toString('latin1'))
      ? 'has extended headers (PAX) that change what its files are'
      : null;
  }
  if (!isFile(header)) return `holds ${JSON.stringify(name)}, which is no plain file`;
  const isPlain = name !== '' && name !== '.' && name !== '..' && !/[/\\]/.test(name.replace(/^\.\//, ''));
  return isPlain ? null : `holds ${JSON.stringify(name)}, which is no plain name`;
}

/** Whether the sum of the header is the one that it says. */
function isSound(header: Buffer): boolean {
  const said = Number.parseInt(header.toString('latin1', 148, 156).replace(/[\0 ]+$/, ''), 8);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  return said === sum;
}

function memberSize(header: Buffer): number {
  if (header[124] === 0x80) return Number(header.readBigUInt64BE(128));
  const digits = header
    .toString('latin1', 124, 136)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
}
