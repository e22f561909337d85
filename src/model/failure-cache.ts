/** Trouble with the cache. It never fails a build that could go on without it; alone it is exit status 3. */
import type { Digest } from './digest.ts';

export type CacheFailure =
  | {
      readonly code: 'cache-unusable';
      readonly directory: string;
      readonly problem: string;
    }
  /** A warning: what cannot be written there is kept until the end of the run only. */
  | {
      readonly code: 'cache-not-writable';
      readonly directory: string;
      readonly path: string;
      /** `ENOSPC`, `EACCES`… */
      readonly errno: string;
    }
  /** A warning: there is no directory where the cache below this one is to be, or it cannot be looked at. */
  | { readonly code: 'shared-cache-unusable'; readonly directory: string }
  /** A warning: content was not what its name says; it was put aside, and what named it is built again. */
  | {
      readonly code: 'cache-corrupt';
      readonly digest: Digest;
      /** Where it lies now; null when it could only be left. */
      readonly quarantine: string | null;
      /** Names of the actions whose results were dropped. */
      readonly dropped: readonly string[];
    }
  /** A warning: a result names content that is gone. */
  | {
      readonly code: 'cache-incomplete';
      readonly action: string;
      readonly missing: Digest;
    }
  /** A warning: another bake that builds the same does not go on, and is not waited for any longer. */
  | ({ readonly code: 'builder-passed-over' } & StuckBuilder)
  /** A warning: this bake stood still for so long that another one began to build the same. */
  | { readonly code: 'lock-lost'; readonly directory: string }
  /** A note: others could tamper with what would be the user's alone in the cache directory, so it lies elsewhere. */
  | { readonly code: 'private-state-elsewhere'; readonly cache: string; readonly directory: string }
  /** A warning: neither in the cache directory nor in the home can anything be kept for the user alone. */
  | { readonly code: 'private-state-temporary'; readonly cache: string; readonly directory: string }
  /** A note: what an earlier version kept where others can change it is not read any more. */
  | { readonly code: 'old-cache-layout'; readonly cache: string; readonly directories: readonly string[] }
  /** Content that was asked for is not in the cache. */
  | { readonly code: 'blob-missing'; readonly digest: Digest }
  /** Restoring there would write outside of where it belongs. */
  | { readonly code: 'restore-escapes'; readonly path: string; readonly link: string }
  /** A stage wrote to a read-only input that it shares with the cache (root can). */
  | { readonly code: 'blob-written-through'; readonly digest: Digest };

/** A process that holds a lock and shows no life. */
export interface StuckBuilder {
  readonly pid: number;
  readonly host: string;
  readonly directory: string;
  /** Seen to be stopped (Ctrl-Z, a debugger), or just not heard of. */
  readonly why: 'stopped' | 'silent';
  readonly quietMs: number;
}
