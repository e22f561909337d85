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
  files: readonly { readonly path: string; readonly stamp: Stamp }[],
): Promise<Result<readonly Digest[], HostFailure>> {
  const { recall, remember } = await memo.remembered();
  const digests = files.map(({ stamp }) => recall(stamp));
  const unknown = files.filter((_, at) => digests[at] === null);
  if (unknown.length === 0) return ok(digests as Digest[]);
  const startedAtMs = host.clock.nowMs();
  const hashed = await host.hashing.digestFiles(
    unknown.map(({ path }) => path),
    unknown.map(({ stamp }) => stamp.sizeBytes),
  );
  if (!hashed.ok) return hashed;
  // A file that was written since its stamp was taken will never have that stamp again: what is remembered of it is lost, not wrong.
  for (const [at, { stamp }] of unknown.entries()) remember(stamp, hashed.value[at] as Digest, startedAtMs);
  let next = 0;
  return ok(digests.map((digest) => digest ?? (hashed.value[next++] as Digest)));
}
