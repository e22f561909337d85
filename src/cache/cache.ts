/** The two stores of the cache as interfaces: async and digest-based, so that a remote cache is one more implementation. */
import type { Stamp } from '../host/host.ts';
import type { ActionResult } from '../model/action.ts';
import type { Content, TreeEntry } from '../model/artifact.ts';
import type { Digest, Fingerprint } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { Result } from '../model/result.ts';
import type { Placed, PlaceRequest } from './place.ts';

/** Fingerprint → ActionResult. */
export interface ActionCache {
  /** Null on a miss; an entry that cannot be read counts as a miss and is dropped. Does not look at blobs: see `Cache.isComplete`. */
  get(fingerprint: Fingerprint): Promise<ActionResult | null>;
  /** Call only when every blob it names is stored. */
  put(result: ActionResult): Promise<Result<void, Failure>>;
  remove(fingerprint: Fingerprint): Promise<void>;
  /** The results of work that was watched while it ran, by its manifest without what it read; newest first, each of another trace. */
  traced(key: Fingerprint): Promise<readonly ActionResult[]>;
  /** The newest result stored for a pipeline's action, whatever checkout or machine it came from: what `explain` compares with. */
  latest(pipeline: string, action: string): Promise<ActionResult | null>;
}

export interface AdoptOptions {
  readonly keep: boolean;
}

/** sha256 → bytes. */
export interface BlobStore {
  /** Whether it is there with that size: one stat. */
  has(digest: Digest, sizeBytes: number): Promise<boolean>;
  /** Whether it can be used as it lies there: read only where its marks are in doubt; a damaged one is put aside. */
  isSound(digest: Digest, sizeBytes: number): Promise<boolean>;
  /** Absolute path of the read-only file that holds it, for reading in place. */
  pathOf(digest: Digest): string;
  /** Stores small bytes. */
  put(bytes: Uint8Array): Promise<Result<{ readonly digest: Digest; readonly sizeBytes: number }, Failure>>;
  /** Small bytes, verified; null when absent or corrupt (a corrupt one is put aside). */
  get(digest: Digest): Promise<Uint8Array | null>;
  /**
   * Takes a file or directory of a workspace over into the store: hashed in place and moved, never copied where the
   * file system allows. The path is gone or read-only afterwards; with `keep` it stays untouched, and a copy is stored.
   */
  adopt(path: string, options?: AdoptOptions): Promise<Result<Content, Failure>>;
  /** The entries of a tree. */
  tree(digest: Digest): Promise<readonly TreeEntry[] | null>;
}

/** Directories of files kept beside contents, by this host for itself: they make work quicker, and may go at any time. */
export interface SideStore {
  /** Absolute path of the directory kept beside a content; null when there is none that may be read. */
  find(digest: Digest): string | null;
  /** Moves a directory there, which only its owner may look into from then on; what was there is replaced. */
  keep(digest: Digest, directory: string): Promise<Result<void, Failure>>;
  drop(digest: Digest): Promise<void>;
}

/** `private`: the user's own, writable: reflink or copy. `shared`: read-only for a stage: reflink, hard link of a 0444 blob, or copy. */
export type RestoreMode = 'private' | 'shared';

export interface Builder {
  readonly pid: number;
  readonly host: string;
  readonly directory: string;
  readonly activity: string | null;
}

/** Who wants to be the builder of a fingerprint. */
export interface LockRequest {
  /** The checkout for which it is built: told to those who wait. */
  readonly directory: string;
  /** Whether it is built in that directory itself: then another that stands still there is a failure instead of being passed over. */
  readonly inPlace?: boolean;
  /** Hears at once of another builder, and whenever that reports. */
  readonly onWait: (other: Builder) => void;
  readonly signal: AbortSignal;
}

/** Held while one process builds a fingerprint. */
export interface BuildLock {
  /** Tells those who wait what is going on. */
  report(activity: string): void;
  release(): Promise<void>;
}

export interface Workspace {
  readonly path: string;
  /**
   * Whether the place, not the work, is to blame for what went wrong in it: it is full, or was removed. Then the next
   * workspace lies elsewhere, and the same work may go well there.
   */
  isToBlame(): Promise<boolean>;
  dispose(): Promise<void>;
}

/**
 * `write`: results are used and stored. `read`: they are used, and what is new is kept for the length of the run. `off`:
 * they are neither used nor stored.
 */
export type CacheMode = (typeof CACHE_MODES)[number];

export const CACHE_MODES = ['write', 'read', 'off'] as const;

export interface Cache {
  readonly directory: string;
  readonly mode: CacheMode;
  readonly actions: ActionCache;
  readonly blobs: BlobStore;
  readonly sides: SideStore;
  /** Whether every blob that a result names is there with the right size; what is missing is said once. */
  isComplete(result: ActionResult): Promise<boolean>;
  /** Notes that a run rests on a result: it is spared by removal while this process lives, and counts as used now. */
  use(result: ActionResult): Promise<void>;
  /** Notes the same of many results that are always used together. */
  useAll(fingerprints: readonly Fingerprint[]): Promise<void>;
  /**
   * Puts content at a path, replacing what is there, atomically. Small blobs are verified, large ones judged by their
   * marks; a damaged one drops the results that name it and is the failure `blob-missing`. `root`: absolute; a symbolic
   * link between it and `to` that leads out of it is refused.
   */
  restore(content: Content, to: string, mode: RestoreMode, root?: string): Promise<Result<void, Failure>>;
  /**
   * Puts content into a checkout, piece by piece and only over what was seen there; all of it is made before the first is moved
   * to its place. Every file and link bears the mark of bake (see model/placed-mark).
   */
  place(request: PlaceRequest): Promise<Result<Placed, Failure>>;
  /** Clears up in a checkout what a process that was killed while it placed something left there. */
  clearHalfPlaced(root: string): Promise<void>;
  /** Blobs that are not what they were: call after a stage that had contents `shared`. They are put aside, so that nobody gets them. */
  damagedAmong(contents: readonly Content[]): Promise<readonly Digest[]>;
  /**
   * Becomes the one builder of a fingerprint, waiting for another process that already is; the dead, the stopped and the
   * silent are passed over. Null when the signal fired. Fails when the other one waits for this process.
   */
  lock(fingerprint: Fingerprint, request: LockRequest): Promise<Result<BuildLock | null, Failure>>;
  /** Runs `work` while no other process that uses this cache runs work of the same name. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T>;
  /**
   * A directory of a new name on the cache's file system, with empty ones of these names in it and nothing else; removed
   * by `dispose` or, if this process dies, by a later run.
   */
  makeWorkspace(empty?: readonly string[]): Promise<Result<Workspace, Failure>>;
  /** Digest of a file of the checkout, from the hash memo when its stamp is unchanged. */
  digestOf(path: string): Promise<Result<{ readonly digest: Digest; readonly sizeBytes: number }, Failure>>;
  /** The same for many files whose stamps were just taken, in their order; `placeOf` has the absolute path of each name. */
  digestsOf(
    stamps: ReadonlyMap<string, Stamp>,
    placeOf: (name: string) => string,
  ): Promise<Result<readonly Digest[], Failure>>;
  /**
   * Begins to take digests while files are still being found: `digestsOf` waits for those of all files that are told here.
   * Where they are few, nothing is read before it is asked for.
   */
  readAhead(): Promise<(path: string, stamp: Stamp) => void>;
  /** Absolute directory of this user alone in which is kept what belongs to one checkout: state, compiled plan, logs. */
  checkoutDirectory(root: string): string;
  /** Absolute directory of this user alone for what survives failed attempts: downloads that did not end. */
  attemptsDirectory(fingerprint: Fingerprint): string;
  /** Writes what was remembered. */
  close(): Promise<void>;
}
