/** Digests of a whole list of files: what the memo knows, and the rest read in one go. */
import type { Host, Stamp } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { ok, type Result } from '../model/result.ts';
import type { Memo } from './memo.ts';

/** See `Cache.digestsOf`. */
export async function digestsOf(
  host: Host,
  memo: Memo,
  stamps: ReadonlyMap<string, Stamp>,
  placeOf: (name: string) => string,
): Promise<Result<readonly Digest[], HostFailure>> {
  // A command without inputs need not look for a memo that is most often not there yet.
  if (stamps.size === 0) return ok([]);
  const { recall, remember } = await memo.remembered();
  const digests: (Digest | null)[] = [];
  const unknown: { readonly at: number; readonly path: string; readonly stamp: Stamp }[] = [];
  for (const [name, stamp] of stamps) {
    const known = recall(stamp);
    if (known === null) unknown.push({ at: digests.length, path: placeOf(name), stamp });
    digests.push(known);
  }
  if (unknown.length === 0) return ok(digests as Digest[]);
  const startedAtMs = host.clock.nowMs();
  const hashed = await host.hashing.digestFiles(
    unknown.map(({ path }) => path),
    unknown.map(({ stamp }) => stamp.sizeBytes),
  );
  if (!hashed.ok) return hashed;
  for (const [next, { at, stamp }] of unknown.entries()) {
    const digest = hashed.value[next] as Digest;
    digests[at] = digest;
    // A file that was written since its stamp was taken will never have that stamp again: what is remembered of it is lost, not wrong.
    remember(stamp, digest, startedAtMs);
  }
  return ok(digests as Digest[]);
}
