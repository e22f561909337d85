/** Holding a lock file: made whole under another name and linked to its own, renewed by its time while the builder lives, removed only while it is ours. */
import { type FileIdentity, isSameFile } from '../host/lock-files.ts';
import type { HostFailure } from '../model/failure-host.ts';
import type { Result } from '../model/result.ts';
import { type LockRecord, lockText } from './lock-record.ts';
import type { Store } from './store.ts';

/** What is new about its work is told at most this often. */
const TELL_MS = 1_000;

export interface HeldFile {
  /** Gives the file another text, soon. */
  tell(record: LockRecord): void;
  /** Lets go of it; whether it was ours to the end. */
  stop(): Promise<boolean>;
}

/** A file of ours that serves one lock after another: `text` is what it says. */
export interface SpareFile extends FileIdentity {
  readonly path: string;
  readonly text: string;
}

/**
 * Puts our file at `path` if nothing is there, and renews it every `beatMs`. Where the directory cannot be written nothing is held, and two may build the
 * same: that costs time only.
 */
export async function holdFile(
  store: Store,
  path: string,
  record: LockRecord,
  beatMs: number,
): Promise<HeldFile | 'taken'> {
  if (store.lookOnly) return HELD_BY_NOTHING;
  const text = lockText(record);
  const made = await link(store, path, text);
  if (made === 'taken') return made;
  return made === null ? HELD_BY_NOTHING : beat(store, path, made, beatMs);
}

/** Where nothing can be held. */
export const HELD_BY_NOTHING: HeldFile = { tell: () => undefined, stop: async () => true };

/** Null where no such file can be made. */
async function link(store: Store, path: string, text: string): Promise<SpareFile | 'taken' | null> {
  const { files, lockFiles } = store.host;
  // One file for many in turn, with the text that it has: making and removing one for each of a thousand commands costs
  // more than all else here.
  const at = store.spareFiles.findIndex((one) => one.text === text);
  const own = store.spareFiles.splice(at, at < 0 ? 0 : 1)[0] ?? (await create(store, text));
  if (own === null) return null;
  // A link fails when the name is taken, whatever has it: the one exclusive creation that NFS has too, and it is whole at once.
  const linked = await files.link(own.path, path);
  if (linked.ok) return own;
  if (errnoOf(linked) === 'EEXIST') {
    store.spareFiles.push(own);
    return 'taken';
  }
  await files.remove(own.path);
  if (errnoOf(linked) === 'ENOENT' && at >= 0) return link(store, path, text);
  // No second names here (FAT, some network file systems). For a moment the file is empty: nobody judges one by a moment.
  const direct = lockFiles.create(path, text);
  if (direct.ok) return { ...direct.value, path, text };
  return errnoOf(direct) === 'EEXIST' ? 'taken' : null;
}

/** Names that others took are passed by, up to this many. */
const TRIES = 100;

/** A new file of ours under a temporary name; its directories are made again when somebody removed the cache meanwhile. */
async function create(store: Store, text: string): Promise<SpareFile | null> {
  const { main, host } = store;
  let isRemade = false;
  for (let count = 0; count < TRIES; count++) {
    const path = store.lockAside();
    const made = host.lockFiles.create(path, text);
    if (made.ok) return { ...made.value, path, text };
    const { errno } = made.failure;
    if (errno !== 'EEXIST' && (errno !== 'ENOENT' || isRemade)) return null;
    if (errno === 'ENOENT') await (store.mode === 'write' ? store.makeAgain(main) : store.openLocks());
    isRemade ||= errno === 'ENOENT';
  }
  return null;
}

function errnoOf(result: Result<unknown, HostFailure>): string | null {
  return result.ok ? null : result.failure.errno;
}

function beat(store: Store, path: string, first: SpareFile, beatMs: number): HeldFile {
  const { files, lockFiles, clock } = store.host;
  let own = first;
  let isLost = false;
  let next: string | null = null;
  let toldAtMs = clock.monotonicMs();
  let telling: NodeJS.Timeout | null = null;

  const isOurs = () => {
    const there = lockFiles.look(path, null);
    return there !== null && isSameFile(there, own);
  };

  const renew = async (): Promise<void> => {
    const renewed = lockFiles.renew(path, own);
    if (renewed === 'replaced') isLost = true;
    // Somebody cleared the cache, and nobody has begun meanwhile.
    if (renewed === 'absent' && own.path !== path) isLost = !(await files.link(own.path, path)).ok;
  };

  /** Another file takes the place of ours: nobody reads half a text, and it has a second name as well. */
  const tellNow = async (text: string): Promise<void> => {
    toldAtMs = clock.monotonicMs();
    if (isLost || own.path === path) return;
    const other = await create(store, text);
    if (other === null) return;
    const stepping = store.lockAside();
    const linked = await files.link(other.path, stepping);
    if (!linked.ok || !isOurs() || !(await files.rename(stepping, path)).ok) {
      await files.remove(stepping);
      return void (await files.remove(other.path));
    }
    const before = own;
    own = other;
    await files.remove(before.path);
  };

  const renewal = setInterval(() => void renew(), beatMs).unref();
  let work: Promise<void> = Promise.resolve();
  const flush = () => {
    telling = null;
    const text = next;
    next = null;
    if (text !== null) work = work.then(() => tellNow(text));
  };
  return {
    tell(record) {
      next = lockText(record);
      telling ??= setTimeout(flush, Math.max(0, toldAtMs + TELL_MS - clock.monotonicMs())).unref();
    },
    async stop() {
      clearInterval(renewal);
      if (telling !== null) clearTimeout(telling);
      await work;
      const wasOurs = !isLost && isOurs();
      if (wasOurs) await files.remove(path);
      // While it has the other name still, its text must stay.
      if (own === first && wasOurs && own.path !== path) store.spareFiles.push(own);
      else if (own.path !== path) await files.remove(own.path);
      return wasOurs;
    },
  };
}
