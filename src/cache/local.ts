/** The local cache: opens a cache directory and puts its parts together. */
import { dirname } from 'node:path';
import type { Host, Stamp } from '../host/host.ts';
import type { ActionResult } from '../model/action.ts';
import type { Content, FileContent } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import { hexOf } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { isFineGrained, settledAtMs } from '../model/stat-record.ts';
import { localActions } from './actions.ts';
import { aheadInto } from './ahead.ts';
import { localBlobs } from './blobs.ts';
import type { BlobStore, BuildLock, Cache, CacheMode } from './cache.ts';
import { digestsOf } from './digests.ts';
import { halfPlacedIn } from './half-placed.ts';
import { markUsed } from './last-use.ts';
import { alone, clearLeftLocks, type LockLimits, lockFingerprint } from './locks.ts';
import { openMemo } from './memo.ts';
import { placeContent } from './place.ts';
import { restoreContent } from './restore.ts';
import { localSides } from './sides.ts';
import { soundnessOf } from './soundness.ts';
import { openStore, type Store } from './store.ts';
import { workspacesOf } from './workspaces.ts';

export interface OpenOptions {
  /** Hears of trouble that fails nothing, each cause once. */
  readonly onWarning?: (warning: Failure) => void;
  /** For commands that only look: nothing is written, not even what was learnt on the way. */
  readonly lookOnly?: boolean;
  /** `write` unless said. */
  readonly mode?: CacheMode;
  /** Absolute directory of a cache that is looked into for what is not in this one, and never written. */
  readonly shared?: string | null;
  /** Nothing that was remembered of files is believed: all that is used or placed is hashed again. */
  readonly verify?: boolean;
  /** Where a directory is made that stands in when the cache cannot be written; `$TMPDIR`, else /tmp. */
  readonly temporaryDirectory?: string;
  /** How long others are waited for that do not move: see `LockLimits`. */
  readonly lockLimits?: Partial<LockLimits>;
}

/**
 * Opens the cache in an absolute directory, which is made with the first write. A directory that cannot be written is read
 * as far as it goes, and a temporary one stands in for writing: that is one warning and no failure.
 */
export async function openCache(
  host: Host,
  directory: string,
  options: OpenOptions = {},
): Promise<Result<Cache, Failure>> {
  const existing = host.files.stampTarget(directory);
  if (existing !== null && existing.type !== 'directory')
    return fail({ code: 'cache-unusable', directory, problem: 'it is not a directory' });
  const { shared = null } = options;
  const isThere = shared !== null && host.files.stampTarget(shared)?.type === 'directory';
  const isSame = isThere && host.files.realPath(shared) === host.files.realPath(directory);
  const store = openStore(host, directory, {
    onWarning: options.onWarning ?? (() => undefined),
    lookOnly: options.lookOnly ?? false,
    temporaryDirectory: options.temporaryDirectory ?? host.env['TMPDIR'] ?? '/tmp',
    mode: options.mode ?? 'write',
    shared: isThere && !isSame ? shared : null,
  });
  if (shared !== null && !isThere) store.warn({ code: 'shared-cache-unusable', directory: shared });
  return ok(cacheOf(store, options));
}

const NO_LOCK: BuildLock = { report: () => undefined, release: async () => undefined };

function cacheOf(store: Store, { lockLimits, verify = false }: OpenOptions): Cache {
  const { host, main, own } = store;
  // Inode numbers mean something on one host only.
  const memo = openMemo(
    host,
    `${own.memo}/${hexOf(host.hashing.digestBytes(host.hostName)).slice(0, 16)}`,
    verify,
  );
  const soundness = soundnessOf(store, memo);
  const blobs = localBlobs(store, soundness);
  const ahead = aheadInto(memo, host);
  const workspaces = workspacesOf(store);
  const checkouts = new Map<string, string>();

  let areLocksReady: Promise<void> | null = null;
  const readyForLocks = async (): Promise<void> => {
    // The directory that they lie in must be there.
    if (!store.lookOnly) await store.openLocks();
    areLocksReady ??= clearLeftLocks(store);
    await areLocksReady;
  };

  const rememberPlaced = async (stamp: Stamp, digest: Digest): Promise<void> => {
    // Dated back when it was written: what somebody writes after us shows even within the grain, if that is a fine one.
    await memo.remember(stamp, digest, isFineGrained(stamp) ? settledAtMs(stamp) : host.clock.nowMs());
  };

  const holds = async (path: string, digest: Digest): Promise<boolean> => {
    const hashed = await host.hashing.digestFile(path);
    return hashed.ok && hashed.value.digest === digest;
  };

  const checkoutDirectory = (root: string): string => {
    const real = checkouts.get(root) ?? host.files.realPath(root) ?? root;
    checkouts.set(root, real);
    return `${own.checkouts}/${hexOf(host.hashing.digestBytes(real)).slice(0, 16)}`;
  };
  const halfPlaced = halfPlacedIn(host, checkoutDirectory);

  return {
    directory: main.directory,
    mode: store.mode,
    actions: localActions(store, soundness, workspaces),
    blobs,
    sides: localSides(store),

    async isComplete(result) {
      const missing = await missingOf(blobs, result);
      if (missing === null) return true;
      store.warn({ code: 'cache-incomplete', action: result.origin.action, missing });
      return false;
    },

    async use(result) {
      await workspaces.noteUses([result.fingerprint]);
      await markUsed(store, result.fingerprint);
    },

    async useAll(fingerprints) {
      await workspaces.noteUses(fingerprints);
      const [first, ...others] = fingerprints;
      // The first stands for all: a look at each of a thousand would take longer than finding out that they are fresh.
      if (first === undefined || !(await markUsed(store, first))) return;
      for (const fingerprint of others) await markUsed(store, fingerprint);
    },

    async restore(content, to, mode, root) {
      const placed: [string, Pick<FileContent, 'digest'>][] = [];
      const request = { content, to, mode, root: root ?? null };
      const restored = await restoreContent(store, soundness, request, (path, file) =>
        placed.push([path, file]),
      );
      for (const [path, { digest }] of placed) {
        const isRight = !verify || (await holds(path, digest));
        if (!isRight) return fail({ code: 'file-trouble', action: 'read back', path, errno: 'EIO' });
        const stamp = host.files.stamp(path);
        if (stamp !== null) await rememberPlaced(stamp, digest);
      }
      return restored;
    },

    clearHalfPlaced: (root) => halfPlaced.clear(root),

    async place(request) {
      if (!store.lookOnly && (await store.openOwn()))
        await halfPlaced.note(request.root, dirname(`${request.root}/${request.path}`));
      const placed = await placeContent(store, soundness, request, rememberPlaced);
      if (!verify || !placed.ok) return placed;
      for (const { piece } of request.steps) {
        const path = `${request.root}/${piece.path}`;
        const digest = placed.value.flat?.digest ?? (piece.type === 'file' ? piece.digest : null);
        const isRight = digest === null || placed.value.inTheWay.length > 0 || (await holds(path, digest));
        if (!isRight) return fail({ code: 'file-trouble', action: 'read back', path, errno: 'EIO' });
      }
      return placed;
    },

    damagedAmong: async (contents) => soundness.damagedAmong(await digestsIn(blobs, contents)),

    async lock(fingerprint, request) {
      // Nobody could take what another makes: only two in one directory would be in each other's way.
      if (store.mode !== 'write' && request.inPlace !== true) return ok(NO_LOCK);
      await readyForLocks();
      return lockFingerprint(store, fingerprint, request, lockLimits);
    },

    async alone(name, work) {
      await readyForLocks();
      return alone(store, name, work);
    },

    async makeWorkspace(empty = []) {
      const made = await workspaces.make(empty);
      if (!made.ok) return made;
      const { path, dispose } = made.value;
      return ok({
        ...made.value,
        async dispose() {
          await soundness.links.removeBelow(path);
          await dispose();
        },
      });
    },

    async digestOf(path) {
      const before = host.files.stampTarget(path);
      const known = before?.type === 'file' ? await memo.recall(before) : null;
      if (before !== null && known !== null) return ok({ digest: known, sizeBytes: before.sizeBytes });
      const startedAtMs = host.clock.nowMs();
      const hashed = await host.hashing.digestFile(path);
      const after = host.files.stampTarget(path);
      if (hashed.ok && before !== null && after?.ctimeMs === before.ctimeMs)
        await memo.remember(before, hashed.value.digest, startedAtMs);
      return hashed;
    },

    readAhead: () => ahead.begin(),

    async digestsOf(stamps, placeOf) {
      await ahead.settle();
      return digestsOf(host, memo, stamps, placeOf);
    },

    checkoutDirectory,

    attemptsDirectory: (fingerprint) => `${own.partial}/${hexOf(fingerprint)}`,

    async close() {
      if (!store.lookOnly) {
        await soundness.close();
        // Losing the memo costs time only: a cache that cannot be written was told of elsewhere.
        if (await store.openOwn()) await memo.save();
      }
      await halfPlaced.close();
      await workspaces.close();
      await store.close();
    },
  };
}

/** The first blob of a result that is not there with its size; null when all are. */
async function missingOf(blobs: BlobStore, result: ActionResult): Promise<Digest | null> {
  const parts: { readonly digest: Digest; readonly sizeBytes: number }[] = [];
  if (result.log !== null) parts.push(result.log);
  for (const { content } of result.artifacts) {
    if (content.type === 'file') parts.push(content);
    if (content.type === 'layers') parts.push(...content.layers);
    if (content.type !== 'tree') continue;
    const entries = await blobs.tree(content.digest);
    if (entries === null) return content.digest;
    for (const entry of entries) if (entry.type === 'file') parts.push(entry);
  }
  for (const { digest, sizeBytes } of parts) if (!(await blobs.has(digest, sizeBytes))) return digest;
  return null;
}

/** Every blob that contents rest on, those of trees included. */
async function digestsIn(blobs: BlobStore, contents: readonly Content[]): Promise<Set<Digest>> {
  const digests = new Set<Digest>();
  for (const content of contents) {
    if (content.type === 'layers') for (const { digest } of content.layers) digests.add(digest);
    else digests.add(content.digest);
    if (content.type !== 'tree') continue;
    for (const entry of (await blobs.tree(content.digest)) ?? [])
      if (entry.type === 'file') digests.add(entry.digest);
  }
  return digests;
}
