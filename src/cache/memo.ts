/** The hash memo: what a file's digest was when its stamp was the same, so that an unchanged 10 GB file costs one look. */
import type { Host, Stamp } from '../host/host.ts';
import { type Digest, digestOfHex, hexOf } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import type { Result } from '../model/result.ts';

/** Written within this before it was hashed, a file could have been written again without another time. */
export const RACY_MS = 2_000;
/** Oldest entries go first: about 18 MB. */
const MOST_ENTRIES = 250_000;

const MAGIC = Buffer.from('bakememo1\n');
const HEADER_BYTES = MAGIC.length + 32;
/** device, inode, size, mtime, ctime as doubles, then the digest. */
const ENTRY_BYTES = 5 * 8 + 32;

interface Entry {
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly digest: Digest;
}

interface Memo {
  /** The digest of the file with this stamp, or null. */
  recall(stamp: Stamp): Promise<Digest | null>;
  /** `hashedAtMs`: when reading began. A racy stamp is not remembered. */
  remember(stamp: Stamp, digest: Digest, hashedAtMs: number): Promise<void>;
  /** Writes what is new; several writers replace the file whole, and what one loses costs the other only time. */
  save(): Promise<Result<void, HostFailure> | null>;
}

/** The memo in a file of this host; read when it is first asked. */
export function openMemo(host: Host, file: string): Memo {
  /** By inode alone: two devices that share a number cost a hash now and then. */
  let entries: Map<number, Entry> | null = null;
  let readAs: string | null = null;
  let changed = false;

  const fileMark = (): string | null => {
    const stamp = host.files.stamp(file);
    return stamp && `${stamp.inode}:${stamp.sizeBytes}:${stamp.mtimeMs}`;
  };
  const load = async (): Promise<Map<number, Entry>> => {
    if (entries !== null) return entries;
    const mark = fileMark();
    const bytes = mark === null ? null : await host.files.readBytes(file);
    entries ??= decode(host, bytes?.ok ? bytes.value : null);
    readAs = mark;
    return entries;
  };

  return {
    async recall(stamp) {
      const known = await load();
      const entry = known.get(stamp.inode);
      return entry !== undefined && isSame(entry, stamp) ? entry.digest : null;
    },

    async remember(stamp, digest, hashedAtMs) {
      if (stamp.mtimeMs > hashedAtMs - RACY_MS) return;
      const known = await load();
      const { device, inode, sizeBytes, mtimeMs, ctimeMs } = stamp;
      // Deleted first, so that it counts as newest.
      known.delete(inode);
      known.set(inode, { device, inode, sizeBytes, mtimeMs, ctimeMs, digest });
      changed = true;
    },

    async save() {
      if (!changed || entries === null) return null;
      const mark = fileMark();
      let all = entries;
      if (mark !== null && mark !== readAs) {
        const bytes = await host.files.readBytes(file);
        all = decode(host, bytes.ok ? bytes.value : null);
        for (const [inode, entry] of entries) {
          all.delete(inode);
          all.set(inode, entry);
        }
      }
      changed = false;
      return host.files.replaceFile(file, encode(host, [...all.values()].slice(-MOST_ENTRIES)), {
        flush: false,
      });
    },
  };
}

function isSame(entry: Entry, stamp: Stamp): boolean {
  return (
    entry.device === stamp.device &&
    entry.sizeBytes === stamp.sizeBytes &&
    entry.mtimeMs === stamp.mtimeMs &&
    entry.ctimeMs === stamp.ctimeMs
  );
}

function encode(host: Host, entries: readonly Entry[]): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + entries.length * ENTRY_BYTES);
  let at = HEADER_BYTES;
  for (const entry of entries) {
    for (const value of [entry.device, entry.inode, entry.sizeBytes, entry.mtimeMs, entry.ctimeMs])
      at = bytes.writeDoubleLE(value, at);
    at += bytes.write(hexOf(entry.digest), at, 'hex');
  }
  MAGIC.copy(bytes);
  bytes.write(hexOf(host.hashing.digestBytes(bytes.subarray(HEADER_BYTES))), MAGIC.length, 'hex');
  return bytes;
}

/** Empty when the file is damaged or of another version. */
function decode(host: Host, file: Uint8Array | null): Map<number, Entry> {
  const entries = new Map<number, Entry>();
  const bytes = file === null ? Buffer.alloc(0) : Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return entries;
  const sum = bytes.toString('hex', MAGIC.length, HEADER_BYTES);
  if (hexOf(host.hashing.digestBytes(bytes.subarray(HEADER_BYTES))) !== sum) return entries;
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const inode = bytes.readDoubleLE(at + 8);
    entries.set(inode, {
      device: bytes.readDoubleLE(at),
      inode,
      sizeBytes: bytes.readDoubleLE(at + 16),
      mtimeMs: bytes.readDoubleLE(at + 24),
      ctimeMs: bytes.readDoubleLE(at + 32),
      digest: digestOfHex(bytes.toString('hex', at + 40, at + 72)),
    });
  }
  return entries;
}
