/** The file that says a fingerprint is being built, for processes that do not see our sockets: it changes as long as the builder lives. */
import type { ProcessIdentity } from '../host/host.ts';
import { type Fingerprint, hexOf } from '../model/digest.ts';
import type { Builder } from './cache.ts';
import type { Store } from './store.ts';

/** How often the builder renews its file, and how often one who waits looks. */
const BEAT_MS = 5_000;
const LOOK_MS = 1_000;
/** Unchanged for this long by our own clock, however the clocks of the hosts differ: the builder is dead. */
const STALE_MS = 30_000;

export interface Heartbeat {
  tell(builder: Builder): void;
  stop(): Promise<void>;
}

interface Beat {
  readonly builder: Builder;
  readonly owner: ProcessIdentity;
  readonly beat: number;
}

/**
 * Waits until nobody else's file is there and puts ours; null when `signal` fired. `claimed` says that we hold the claim:
 * then a file of our own realm is a leftover of the dead. Where the file cannot be written the claim has to do.
 */
export async function takeHeartbeat(
  store: Store,
  fingerprint: Fingerprint,
  self: Builder,
  claimed: boolean,
  onWait: (other: Builder) => void,
  signal: AbortSignal,
): Promise<Heartbeat | null> {
  const { files, clock, identity } = store.host;
  const file = `${store.main.locks}/${hexOf(fingerprint)}`;
  let seen = '';
  let seenAtMs = 0;
  while (!signal.aborted) {
    // Nearly always absent: a look costs a tenth of a read that throws.
    const text = files.stamp(file) === null ? null : await files.readText(file);
    if (text === null || !text.ok) {
      const mine = await startBeating(store, file, self);
      if (mine !== 'taken') return mine;
      continue;
    }
    const other = parseBeat(text.value);
    const alive = other === null ? null : store.host.isAlive(other.owner);
    const leftover = alive === false || (claimed && other?.owner.realm === identity.realm);
    if (text.value !== seen) {
      seen = text.value;
      seenAtMs = clock.monotonicMs();
    }
    if (leftover || clock.monotonicMs() - seenAtMs > STALE_MS) {
      await removeStale(store, file, seen);
      continue;
    }
    if (other !== null) onWait(other.builder);
    await clock.sleep(LOOK_MS, signal);
  }
  return null;
}

/** Of several that find the same dead file one moves it away; the others find it gone or replaced. */
async function removeStale(store: Store, file: string, seen: string): Promise<void> {
  const { files } = store.host;
  const aside = store.temporaryPath(store.main);
  if (!(await files.rename(file, aside)).ok) return void (await files.remove(file));
  const moved = await files.readText(aside);
  // It came to life, or another took over, between the look and the move: give it back.
  if (moved.ok && moved.value !== seen) await files.link(aside, file);
  await files.remove(aside);
}

/** Puts our file there if there is none, and renews it from then on. */
async function startBeating(store: Store, file: string, self: Builder): Promise<Heartbeat | 'taken'> {
  const { files, identity } = store.host;
  let builder = self;
  let beat = 0;
  const text = () => JSON.stringify({ builder, owner: identity, beat } satisfies Beat);
  // One file for many in turn, with the text that it has: making, writing and removing one for each of a thousand commands
  // costs more than all else here. Nobody writes into it: who renews puts another file in the place of its second name.
  const first = text();
  const spare = store.spareFiles.findIndex((one) => one.text === first);
  const own = store.spareFiles.splice(spare, spare < 0 ? 0 : 1)[0]?.path ?? store.temporaryPath(store.main);
  const isWritten = spare >= 0 || (!store.lookOnly && (await files.writeFile(own, first)).ok);
  // A link fails when the name is taken: the one exclusive creation that NFS has too.
  const linked = isWritten ? await files.link(own, file) : null;
  const keep = () => store.spareFiles.push({ path: own, text: first });
  if (linked?.ok === false && linked.failure.code === 'file-trouble' && linked.failure.errno === 'EEXIST') {
    keep();
    return 'taken';
  }
  if (linked?.ok !== true) {
    if (isWritten) await files.remove(own);
    return { tell: () => undefined, stop: async () => undefined };
  }

  const renew = () => {
    beat += 1;
    void files.replaceFile(file, text(), { flush: false });
  };
  const renewal = setInterval(renew, BEAT_MS).unref();
  return {
    tell(next) {
      builder = next;
    },
    async stop() {
      clearInterval(renewal);
      // While it has the other name still, its text must stay.
      if ((await files.remove(file)).ok) keep();
      else await files.remove(own);
    },
  };
}

function parseBeat(text: string): Beat | null {
  try {
    const value = JSON.parse(text) as Partial<Beat>;
    return typeof value.builder?.pid === 'number' && typeof value.owner?.realm === 'string'
      ? (value as Beat)
      : null;
  } catch {
    return null;
  }
}
