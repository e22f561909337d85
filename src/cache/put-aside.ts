/** What happens to damaged content: it is moved away for someone to look at, and every result that rests on it is dropped. */
import type { Digest } from '../model/digest.ts';
import { hexOf } from '../model/digest.ts';
import { removeEntry } from './index-store.ts';
import { digestsOf, listResults, resultKey } from './results.ts';
import type { Store } from './store.ts';

/** Moves a damaged blob into the quarantine, drops the results that name it, and says so. Where it cannot be moved, this process does not see it any more. */
export async function putAside(store: Store, digest: Digest): Promise<void> {
  const { host } = store;
  const { path, layout } = store.locate(digest);
  if (store.lookOnly) {
    store.hide(path);
    return store.warn({ code: 'cache-corrupt', digest, quarantine: null, dropped: [] });
  }
  const quarantine = `${store.main.quarantine}/${hexOf(digest)}-${host.clock.nowMs().toString(36)}`;
  const isMoved = store.isWritten(layout) && (await moveTo(store, path, quarantine));
  if (!isMoved) store.hide(path);
  const dropped: string[] = [];
  // Where there is another copy, results that name it are as good as before.
  const resting = store.locate(digest).stamp === null ? await listResults(store) : [];
  for (const { result } of resting) {
    // A tree's files are not looked through here: their absence is noticed when the tree is next asked for.
    if (!digestsOf(result).has(digest)) continue;
    await removeEntry(store, resultKey(result.fingerprint));
    dropped.push(result.origin.action);
  }
  store.warn({
    code: 'cache-corrupt',
    digest,
    quarantine: isMoved ? quarantine : null,
    dropped: dropped.sort(),
  });
}

async function moveTo(store: Store, path: string, quarantine: string): Promise<boolean> {
  const made = await store.makeDirectory(store.main, store.main.quarantine);
  return made.ok && (await store.host.files.rename(path, quarantine)).ok;
}
