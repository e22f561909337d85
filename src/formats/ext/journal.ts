/**
 * What the journal of an ext file system holds that has not reached its place yet. A disk that was copied while it was
 * mounted, such as that of a step, is whole only with this; nothing is written. (Linux: Documentation/filesystems/ext4/journal.rst)
 */
import { fail, ok, type Result } from '../../model/result.ts';

const MAGIC = 0xc03b3998;
/** Of the journal's own first block. */
const FIRST_VERSION = 3;
const DESCRIPTOR = 1;
const COMMIT = 2;
const REVOKE = 5;
const WIDE = 0x2;
const CHECKSUMS_2 = 0x8;
const CHECKSUMS_3 = 0x10;
const FAST_COMMITS = 0x20;
const TAG = { escaped: 1, sameId: 2, last: 8 } as const;
const HEADER_BYTES = 12;
const ID_BYTES = 16;

interface Journal {
  /** Number of its blocks. */
  readonly blocks: number;
  /** A block of it, by its number in the journal. */
  read(index: number): Promise<DataView>;
}

/** Block of the file system → what belongs there. Fails with a part of a sentence. */
export async function replayJournal(
  journal: Journal,
): Promise<Result<ReadonlyMap<number, DataView>, string>> {
  const head = await journal.read(0);
  const replayed = new Map<number, DataView>();
  if (head.getUint32(0) !== MAGIC) return fail('a journal that is damaged');
  const features = head.getUint32(4) === FIRST_VERSION ? 0 : head.getUint32(40);
  if ((features & FAST_COMMITS) !== 0) return fail('fast commits in its journal');
  const transactions: Transaction[] = [];
  for await (const transaction of transactionsOf(journal, head, features)) transactions.push(transaction);
  const revoked = new Map<number, number>();
  for (const [age, transaction] of transactions.entries())
    for (const block of transaction.revoked) revoked.set(block, age);
  // A block that was freed later on may hold a file's content by now.
  for (const [age, transaction] of transactions.entries())
    for (const { block, bytes } of transaction.written)
      if ((revoked.get(block) ?? -1) < age) replayed.set(block, bytes);
  return ok(replayed);
}

interface Transaction {
  readonly written: { readonly block: number; readonly bytes: DataView }[];
  readonly revoked: number[];
}

/** Those that are whole, the oldest first: only what a commit follows counts. */
async function* transactionsOf(
  journal: Journal,
  head: DataView,
  features: number,
): AsyncGenerator<Transaction> {
  const end = Math.min(head.getUint32(16), journal.blocks);
  let sequence = head.getUint32(24);
  let index = head.getUint32(28);
  if (index === 0) return;
  // Each block of the journal counts once, however its blocks lead to each other.
  let left = end;
  const take = async (): Promise<DataView> => {
    left -= 1;
    const block = await journal.read(index);
    index = index + 1 >= end ? head.getUint32(20) : index + 1;
    return block;
  };
  let transaction: Transaction = { written: [], revoked: [] };
  while (left > 0) {
    const block = await take();
    if (block.getUint32(0) !== MAGIC || block.getUint32(8) !== sequence) return;
    const type = block.getUint32(4);
    if (type === REVOKE) transaction.revoked.push(...revokedBlocks(block, features));
    else if (type === COMMIT) {
      yield transaction;
      transaction = { written: [], revoked: [] };
      sequence = (sequence + 1) >>> 0;
    } else if (type === DESCRIPTOR)
      for (const tag of tagsOf(block, features).slice(0, left))
        transaction.written.push({ block: tag.block, bytes: unescaped(await take(), tag.escaped) });
    else return;
  }
}

interface BlockTag {
  readonly block: number;
  readonly escaped: boolean;
}

function tagsOf(descriptor: DataView, features: number): readonly BlockTag[] {
  const third = (features & CHECKSUMS_3) !== 0;
  const wide = (features & WIDE) !== 0;
  const tagBytes = third ? 16 : 8 + ((features & CHECKSUMS_2) !== 0 ? 2 : 0) + (wide ? 4 : 0);
  const tags: BlockTag[] = [];
  for (let at = HEADER_BYTES; at + tagBytes <= descriptor.byteLength; ) {
    const flags = third ? descriptor.getUint32(at + 4) : descriptor.getUint16(at + 6);
    const high = wide ? descriptor.getUint32(at + 8) : 0;
    tags.push({
      block: descriptor.getUint32(at) + high * 2 ** 32,
      escaped: (flags & TAG.escaped) !== 0,
    });
    if ((flags & TAG.last) !== 0) break;
    at += tagBytes + ((flags & TAG.sameId) === 0 ? ID_BYTES : 0);
  }
  return tags;
}

/** A block that began like one of the journal's own was stored with zeros there. */
function unescaped(bytes: DataView, escaped: boolean): DataView {
  if (escaped) bytes.setUint32(0, MAGIC);
  return bytes;
}

function revokedBlocks(block: DataView, features: number): readonly number[] {
  const wide = (features & WIDE) !== 0;
  const found: number[] = [];
  const end = Math.min(block.getUint32(HEADER_BYTES), block.byteLength);
  for (let at = HEADER_BYTES + 4; at + (wide ? 8 : 4) <= end; at += wide ? 8 : 4)
    found.push(wide ? Number(block.getBigUint64(at)) : block.getUint32(at));
  return found;
}
