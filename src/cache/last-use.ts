/** When a result was last used: the time of its index file, to the hour. */
import type { Fingerprint } from '../model/digest.ts';
import { resultKey } from './results.ts';
import type { Store } from './store.ts';

/** Finer would cost a write for every hit. */
const GRAIN_MS = 60 * 60_000;

/** Marks a result as used now; whether it was time to. Trouble is ignored (another user's file): what is not marked may be removed sooner, and is built again then. */
export async function markUsed(store: Store, fingerprint: Fingerprint): Promise<boolean> {
  const { files, clock } = store.host;
  if (!store.isWritten(store.main)) return false;
  const bucket = store.main.bucket(resultKey(fingerprint));
  const stamp = files.stamp(bucket);
  const isDue = stamp !== null && clock.nowMs() - stamp.mtimeMs > GRAIN_MS;
  if (isDue) await files.setModified(bucket, clock.nowMs());
  return isDue;
}
