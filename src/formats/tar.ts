/** Tar archives of flat files: ustar headers of our own, the same bytes for the same files; and where files of another's lie. (POSIX.1-1988 ustar) */
import type { Appender, ByteSource } from '../model/bytes.ts';
import { copyExactly } from './copy-bytes.ts';

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

/** Where a file lies in an archive. */
interface TarMember {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** The first regular file whose name ends so; null when there is none, or when the archive breaks off or is none. */
export async function findInTar(source: ByteSource, suffix: string): Promise<TarMember | null> {
  const header = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at + BLOCK_BYTES <= source.sizeBytes; ) {
    await source.read(header, at);
    if (header.toString('latin1', 257, 262) !== 'ustar') return null;
    const name = header.toString('utf8', 0, 100).replace(/\0.*$/s, '');
    const sizeBytes = memberSize(header);
    const isFile = header[156] === 0x30 || header[156] === 0;
    const offset = at + BLOCK_BYTES;
    if (!Number.isSafeInteger(sizeBytes) || offset + sizeBytes > source.sizeBytes) return null;
    if (isFile && name.endsWith(suffix)) return { name, offset, sizeBytes };
    at = offset + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return null;
}

function memberSize(header: Buffer): number {
  if (header[124] === 0x80) return Number(header.readBigUInt64BE(128));
  return Number.parseInt(header.toString('latin1', 124, 136).replace(/[\0 ]+$/, ''), 8);
}
