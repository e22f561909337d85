/** The hash memo: what a file's digest was when its stamp was the same, so that an unchanged 10 GB file costs one look. */
import type { Host, Stamp } from '../host/host.ts';
import { type Digest, digestOfHex, hexOf } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import type { Result } from '../model/result.ts';
import { isRacy, sameStat } from '../model/stat-record.ts';

/** Oldest entries go first: about 18 MB. */
const MOST_ENTRIES = 250_000;

const MAGIC = Buffer.from('bakememo1\n');
const HEADER_BYTES = MAGIC.length + 32;
/** device, inode, size, mtime, ctime as doubles, then the digest. */
const ENTRY_BYTES = 5 * 8 + 32;

/** Numbers of an entry: those of the stamp, and the digest counted in doubles. */
const ENTRY_NUMBERS = ENTRY_BYTES / 8;

interface Entry {
  readonly stamp: Stamp;
  /** Null while it is awaited. */
  digest: Digest | null;
}

/** Room for a digest that is being taken. */
export type Awaited = Pick<Entry, 'digest'>;

/** What the memo knows, asked without waiting: for lists of a hundred thousand files. */
export interface Remembered {
  /** The digest of the file with this stamp, or null. */
  recall(stamp: Stamp): Digest | null;
  /** `hashedAtMs`: when reading began. A racy stamp is not remembered. */
  remember(stamp: Stamp, digest: Digest, hashedAtMs: number): void;
  /** Room for the digest of a file that will be read from `fromMs` on; null when it is known or awaited, or could not be remembered. */
  expect(stamp: Stamp, fromMs: number): Awaited | null;
}

export interface Memo {
  /** Reads the file when it is first asked. */
  remembered(): Promise<Remembered>;
  recall(stamp: Stamp): Promise<Digest | null>;
  remember(stamp: Stamp, digest: Digest, hashedAtMs: number): Promise<void>;
  /** Writes what is new; several writers replace the file whole, and what one loses costs the other only time. */
  save(): Promise<Result<void, HostFailure> | null>;
}

/** The memo in a file of this host; read when it is first asked. `doubts`: what it says is not believed, only what this process learns. */
export function openMemo(host: Host, file: string, doubts = false): Memo {
  /** Learnt by this process, by inode alone: two devices that share a number cost a hash now and then. */
  const learnt = new Map<number, Entry>();
  let kept: Kept | null = null;
  let readAs: string | null = null;
  let changed = false;

  const fileMark = (): string | null => {
    const stamp = host.files.stamp(file);
    return stamp && `${stamp.inode}:${stamp.sizeBytes}:${stamp.mtimeMs}`;
  };
  const load = async (mark: string | null): Promise<Kept> => {
    const bytes = mark === null ? null : await host.files.readBytes(file, { noFollow: true });
    return keptIn(host, bytes?.ok ? bytes.value : null);
  };

  const memo: Memo = {
    async remembered() {
      const mark = doubts ? null : fileMark();
      if (kept === null) {
        kept = await load(mark);
        readAs = mark;
      }
      const before = kept;
      return {
        recall(stamp) {
          const entry = learnt.get(stamp.inode);
          if (entry === undefined) return before.recall(stamp);
          return isSame(entry.stamp, stamp) ? entry.digest : null;
        },
        remember(stamp, digest, hashedAtMs) {
          if (isRacy(stamp, hashedAtMs)) return;
          // Deleted first, so that it counts as newest.
          learnt.delete(stamp.inode);
          learnt.set(stamp.inode, { stamp, digest });
          changed = true;
        },
        expect(stamp, fromMs) {
          if (learnt.has(stamp.inode) || isRacy(stamp, fromMs) || before.placeOf(stamp) !== null) return null;
          const entry: Entry = { stamp, digest: null };
          learnt.set(stamp.inode, entry);
          changed = true;
          return entry;
        },
      };
    },
    recall: async (stamp) => (await memo.remembered()).recall(stamp),
    remember: async (stamp, digest, hashedAtMs) =>
      (await memo.remembered()).remember(stamp, digest, hashedAtMs),

    async save() {
      if (!changed || kept === null) return null;
      const mark = fileMark();
      if (mark !== readAs) kept = await load(mark);
      changed = false;
      return host.files.replaceFile(file, encode(host, kept, learnt), { flush: false });
    },
  };
  return memo;
}

function isSame(a: Stamp, b: Stamp): boolean {
  return a.device === b.device && sameStat(a, b);
}

/** The entries of a file as they lie in it: an object for each would cost more than looking at the files. */
interface Kept {
  readonly bytes: Buffer;
  /** Inode → number of its entry. */
  readonly places: ReadonlyMap<number, number>;
  /** The number of the entry with this stamp. */
  placeOf(stamp: Stamp): number | null;
  recall(stamp: Stamp): Digest | null;
}

/** Nothing when the file is damaged or of another version. */
function keptIn(host: Host, file: Uint8Array | null): Kept {
  const bytes = entriesOf(host, file);
  const numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  const places = new Map<number, number>();
  for (let at = 0; at < numbers.length; at += ENTRY_NUMBERS)
    places.set(numbers[at + 1] as number, at / ENTRY_NUMBERS);
  const placeOf = (stamp: Stamp): number | null => {
    const place = places.get(stamp.inode);
    if (place === undefined) return null;
    const at = place * ENTRY_NUMBERS;
    const isIt =
      numbers[at] === stamp.device &&
      numbers[at + 2] === stamp.sizeBytes &&
      numbers[at + 3] === stamp.mtimeMs &&
      numbers[at + 4] === stamp.ctimeMs;
    return isIt ? place : null;
  };
  return {
    bytes,
    places,
    placeOf,
    recall(stamp) {
      const place = placeOf(stamp);
      if (place === null) return null;
      const digestAt = place * ENTRY_BYTES + 40;
      return digestOfHex(bytes.toString('hex', digestAt, digestAt + 32));
    },
  };
}

/** The entries alone, verified, in memory of their own so that they can be read as numbers. */
function entriesOf(host: Host, file: Uint8Array | null): Buffer {
  const bytes = file === null ? Buffer.alloc(0) : Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const none = Buffer.alloc(0);
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return none;
  const entries = bytes.subarray(HEADER_BYTES);
  const sum = bytes.toString('hex', MAGIC.length, HEADER_BYTES);
  if (entries.length % ENTRY_BYTES !== 0 || hexOf(host.hashing.digestBytes(entries)) !== sum) return none;
  return Buffer.from(new Uint8Array(entries).buffer);
}

/** Oldest first: what was kept and is not known better by now, then what was learnt. */
function encode(host: Host, kept: Kept, learnt: ReadonlyMap<number, Entry>): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + kept.bytes.length + learnt.size * ENTRY_BYTES);
  let end = HEADER_BYTES;
  for (const [inode, place] of kept.places) {
    if (learnt.get(inode)?.digest) continue;
    end += kept.bytes.copy(bytes, end, place * ENTRY_BYTES, (place + 1) * ENTRY_BYTES);
  }
  for (const { stamp, digest } of learnt.values()) {
    if (digest === null) continue;
    for (const value of [stamp.device, stamp.inode, stamp.sizeBytes, stamp.mtimeMs, stamp.ctimeMs])
      end = bytes.writeDoubleLE(value, end);
    end += bytes.write(hexOf(digest), end, 'hex');
  }
  // Over the oldest of too many goes the header.
  const start = Math.max(0, end - HEADER_BYTES - MOST_ENTRIES * ENTRY_BYTES);
  const whole = bytes.subarray(start, end);
  MAGIC.copy(whole);
  whole.write(hexOf(host.hashing.digestBytes(whole.subarray(HEADER_BYTES))), MAGIC.length, 'hex');
  return whole;
}
