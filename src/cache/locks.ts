/** One builder per fingerprint: a claim that the kernel lets go of, and a beating file for those who cannot see it (other hosts, containers). */

import type { Claim } from '../host/claims.ts';
import type { Host } from '../host/host.ts';
import { type Fingerprint, hexOf } from '../model/digest.ts';
import type { Builder, BuildLock } from './cache.ts';
import { type Heartbeat, takeHeartbeat } from './heartbeat.ts';
import type { Store } from './store.ts';

/** See `Cache.lock`. */
export async function lockFingerprint(
  store: Store,
  fingerprint: Fingerprint,
  directory: string,
  onWait: (other: Builder) => void,
  signal: AbortSignal,
): Promise<BuildLock | null> {
  const { host } = store;
  const { claims } = host;
  let told = '';
  const tellOnce = (builder: Builder) => {
    const text = JSON.stringify(builder);
    if (text !== told) onWait(builder);
    told = text;
  };
  let self: Builder = { pid: host.pid, host: host.hostName, directory, activity: null };
  /** What those who wait for us hear: while we wait for another host, about that one. */
  let spokenOf = self;
  const name = claimName(store, fingerprint);

  while (!signal.aborted) {
    const claim = await claims.take(name, () => JSON.stringify(spokenOf));
    if (claim === 'taken') {
      await claims.watch(name, (line) => tellIfSound(line, tellOnce), signal);
      continue;
    }
    const held = claim === 'unsupported' ? null : claim;
    const onForeign = (other: Builder) => {
      spokenOf = other;
      held?.tell(JSON.stringify(other));
      tellOnce(other);
    };
    const heartbeat = await takeHeartbeat(store, fingerprint, self, held !== null, onForeign, signal);
    if (heartbeat === null) {
      await held?.release();
      return null;
    }
    spokenOf = self;
    return {
      report(activity) {
        self = { ...self, activity };
        spokenOf = self;
        held?.tell(JSON.stringify(self));
        heartbeat.tell(self);
      },
      release: () => release(heartbeat, held),
    };
  }
  return null;
}

/** First the file, then the claim: whoever is woken by the claim finds no file. */
async function release(heartbeat: Heartbeat, claim: Claim | null): Promise<void> {
  await heartbeat.stop();
  await claim?.release();
}

function tellIfSound(line: string, tell: (builder: Builder) => void): void {
  const builder = parseBuilder(line);
  if (builder !== null) tell(builder);
}

/** What another process says of itself; null when it is not understood. */
function parseBuilder(text: string): Builder | null {
  try {
    const value = JSON.parse(text) as Partial<Builder> | null;
    if (typeof value?.pid !== 'number' || typeof value.host !== 'string') return null;
    const { pid, host, directory, activity } = value;
    return { pid, host, directory: String(directory), activity: activity == null ? null : String(activity) };
  } catch {
    return null;
  }
}

/**
 * The cache directory by what it is, not by what it is called: two checkouts may reach it by different paths. At most 107
 * bytes, the longest name of a socket.
 */
function claimName(store: Store, fingerprint: Fingerprint): string {
  const identity = identityOf(store.host, store.main.root) ?? identityOf(store.host, store.main.directory);
  const place = hexOf(store.host.hashing.digestBytes(identity ?? store.main.directory)).slice(0, 16);
  return `bake/${place}/${hexOf(fingerprint)}`;
}

function identityOf(host: Host, path: string): string | null {
  const stamp = host.files.stampTarget(path);
  return stamp && `${stamp.device}:${stamp.inode}`;
}
