/** Reading ahead: threads take digests of files while more are being found, and the memo knows them when they are asked for. */
import type { DigestQueue, Host, Stamp } from '../host/host.ts';
import type { Awaited, Memo } from './memo.ts';

export interface Ahead {
  /** Tells of files from now on, in the order in which they are found. */
  begin(): Promise<(path: string, stamp: Stamp) => void>;
  /** Waits until the memo knows what was read of all files told so far. Few are not read at all. */
  settle(): Promise<void>;
}

/**
 * A digest taken ahead is worth what a remembered one is: it holds for the stamp that the file had before it was read, and
 * only for one that a later write would change. All else is read when it is asked for.
 */
export function aheadInto(memo: Memo, { hashing, clock }: Pick<Host, 'hashing' | 'clock'>): Ahead {
  let queue: DigestQueue | null = null;
  let awaited: Awaited[] = [];
  let settled = Promise.resolve();

  const fill = async (finished: DigestQueue, places: readonly Awaited[]): Promise<void> => {
    const digests = await finished.finish();
    for (const [at, place] of places.entries()) place.digest = digests[at] ?? null;
  };

  return {
    async begin() {
      const { expect } = await memo.remembered();
      const fromMs = clock.nowMs();
      return (path, stamp) => {
        const place = stamp.type === 'file' ? expect(stamp, fromMs) : null;
        if (place === null) return;
        queue ??= hashing.digestQueue();
        queue.add(path, stamp.sizeBytes);
        awaited.push(place);
      };
    },
    settle() {
      if (queue?.isUnderway()) {
        const filled = fill(queue, awaited);
        settled = settled.then(() => filled);
      }
      [queue, awaited] = [null, []];
      return settled;
    },
  };
}
