/** What happens to damaged content: it is moved away for someone to look at, and every result that rests on it is dropped. */
import type { Digest } from '../model/digest.ts';
import { hexOf } from '../model/digest.ts';
import { removeEntry } from './index-store.ts';
import { digestsOf, listResults, resultKey } from './results.ts';
import type { Store } from './store.ts';

/** Moves a damaged blob into the quarantine, drops the results that name it, and says so. */
export async function putAside(store: Store, digest: Digest): Promise<void> {
  const { host } = store;
  const { path } = store.locate(digest);
  if (store.lookOnly) return store.warn({ code: 'cache-corrupt', digest, quarantine: null, dropped: [] });
  const quarantine = `${store.main.quarantine}/${hexOf(digest)}-${host.clock.nowMs().toString(36)}`;
  const made = await store.makeDirectory(store.main, store.main.quarantine);
  const moved = made.ok ? await host.files.rename(path, quarantine) : made;
  const dropped: string[] = [];
  for (const { result } of await listResults(store)) {
    // A tree's files are not looked through here: their absence is noticed when the tree is next asked for.
    if (!digestsOf(result).has(digest)) continue;
    await removeEntry(store, resultKey(result.fingerprint));
    dropped.push(result.origin.action);
  }
  store.warn({
    code: 'cache-corrupt',
    digest,
    quarantine: moved.ok ? quarantine : null,
    dropped: dropped.sort(),
  });
}
