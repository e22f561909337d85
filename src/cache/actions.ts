/** The local ActionCache: results as small blobs, named by fingerprint and by who asked for them last. */
import type { ActionResult } from '../model/action.ts';
import type { Fingerprint } from '../model/digest.ts';
import { fail, ok } from '../model/result.ts';
import type { ActionCache } from './cache.ts';
import { decodeResult } from './decode-result.ts';
import type { IndexEntry } from './index-entry.ts';
import { entryIn, findEntry, putEntry, removeEntry } from './index-store.ts';
import { putSmall } from './put-small.ts';
import {
  encodeResult,
  latestKey,
  MOST_TRACES,
  resultKey,
  tracedIn,
  tracedKey,
  tracedKeyOf,
} from './results.ts';
import type { Soundness } from './soundness.ts';
import type { Store } from './store.ts';
import type { Workspaces } from './workspaces.ts';

/** Results of a store. */
export function localActions(
  store: Store,
  soundness: Soundness,
  workspaces: Pick<Workspaces, 'noteUses'>,
): ActionCache {
  const read = async (
    entry: IndexEntry | null,
    asked: Fingerprint | null = null,
  ): Promise<ActionResult | null> => {
    const bytes = entry === null ? null : await soundness.readSmall(entry.digest);
    return bytes === null ? null : decodeResult(bytes, asked);
  };
  return {
    async get(fingerprint) {
      const key = resultKey(fingerprint);
      for (const layout of store.layouts()) {
        const entry = await entryIn(store, layout, key);
        const result = await read(entry, fingerprint);
        if (result?.fingerprint === fingerprint) return result;
        // It names what cannot be read: whoever asks next need not try.
        if (entry !== null && result === null) await removeEntry(store, key, [layout]);
      }
      return null;
    },

    async put(result) {
      const bytes = Buffer.from(encodeResult(result), 'utf8');
      const blob = await putSmall(store, bytes, true);
      if (!blob.ok) return fail(blob.failure);
      const { origin, fingerprint } = result;
      const traced = tracedKeyOf(result.manifest);
      const entry = {
        ...blob.value,
        time: store.host.clock.nowMs(),
        // What a listing shows, so that it need not read every result.
        metadata: { pipeline: origin.pipeline, action: origin.action, kind: result.manifest.kind },
      };
      await workspaces.noteUses([fingerprint]);
      const stored = await store.write(async (layout) => {
        const named = await putEntry(store, layout, { ...entry, key: resultKey(fingerprint) });
        if (!named.ok) return named;
        const latest = await putEntry(store, layout, {
          ...entry,
          key: latestKey(origin.pipeline, origin.action),
        });
        if (!latest.ok || traced === null) return latest;
        const key = tracedKey(traced);
        const before = await entryIn(store, layout, key);
        const others = before === null ? [] : tracedIn(before).filter((one) => one !== fingerprint);
        const fingerprints = [fingerprint, ...others].slice(0, MOST_TRACES);
        return putEntry(store, layout, { ...entry, key, metadata: { fingerprints } });
      });
      return stored.ok ? ok(undefined) : fail(stored.failure);
    },

    async traced(key) {
      const entry = await findEntry(store, tracedKey(key));
      const results: ActionResult[] = [];
      for (const fingerprint of entry === null ? [] : tracedIn(entry)) {
        // Whoever may write to the cache may have listed it: its shape is not sure.
        const result = await read(await findEntry(store, resultKey(fingerprint)));
        const isIts = result?.fingerprint === fingerprint && tracedKeyOf(result.manifest) === key;
        if (isIts) results.push(result);
      }
      return results;
    },

    async remove(fingerprint) {
      const removed = await removeEntry(store, resultKey(fingerprint));
      if (!removed.ok && removed.failure.code === 'file-trouble')
        store.warn({
          code: 'cache-not-writable',
          directory: store.main.directory,
          path: removed.failure.path,
          errno: removed.failure.errno,
        });
    },

    async latest(pipeline, action) {
      const result = await read(await findEntry(store, latestKey(pipeline, action)));
      const isIts = result?.origin.pipeline === pipeline && result.origin.action === action;
      return isIts ? result : null;
    },
  };
}
