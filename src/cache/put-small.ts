/** Stores small bytes that are in memory: logs, tree manifests, results. */
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { blobKey, placeFile, putEntry } from './index-store.ts';
import type { Store } from './store.ts';

/**
 * Puts bytes in their place by digest. Not flushed: small blobs are verified whenever they are read. `isNamed`: the caller
 * puts an index entry of its own that names them.
 */
export async function putSmall(
  store: Store,
  bytes: Uint8Array,
  isNamed = false,
): Promise<Result<{ readonly digest: Digest; readonly sizeBytes: number }, Failure>> {
  const digest = store.host.hashing.digestBytes(bytes);
  const named = { digest, sizeBytes: bytes.length };
  const stored = await store.write(async (layout) => {
    const placed = await placeFile(store, layout, bytes, layout.blob(digest), 0o444);
    if (!placed.ok || isNamed) return placed;
    return putEntry(store, layout, {
      key: blobKey(digest),
      ...named,
      time: store.host.clock.nowMs(),
      metadata: null,
    });
  });
  return stored.ok ? ok(named) : fail(stored.failure);
}
