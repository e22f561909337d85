/** What can go wrong with a download and with `bake.lock`, which remembers what downloads are to be. */
import type { Location } from './location.ts';

/** An address that did not give what was wanted, and why. Credentials are masked in both. */
export interface FetchTrouble {
  readonly url: string;
  readonly problem: string;
}

export type FetchFailure =
  /** No mirror gave a whole file. `keptBytes` of it lie in the cache for the next attempt. */
  | { readonly code: 'fetch-failed'; readonly troubles: readonly FetchTrouble[]; readonly keptBytes: number }
  /** A whole file came, but not the one that was asked for. */
  | {
      readonly code: 'fetch-checksum';
      readonly url: string;
      readonly algorithm: 'sha256' | 'sha512';
      readonly expected: string;
      readonly actual: string;
      readonly sizeBytes: number;
      /** As the server called it; `text/html` explains much. */
      readonly contentType: string | null;
      /** How the server had encoded it although it was asked not to, such as `gzip`; null when it had not. */
      readonly encoding: string | null;
      /** The other mirrors, which failed too. */
      readonly others: readonly FetchTrouble[];
    }
  /** The checksum file says something else than it did when `bake.lock` was written. */
  | {
      readonly code: 'fetch-changed';
      readonly url: string;
      readonly checksumUrl: string;
      readonly lockKey: string;
      readonly locked: string;
      readonly current: string;
    }
  | {
      readonly code: 'fetch-disk-full';
      readonly url: string;
      readonly neededBytes: number;
      readonly freeBytes: number;
      readonly directory: string;
    }
  | {
      readonly code: 'checksum-not-listed';
      readonly checksumUrl: string;
      readonly names: readonly string[];
      readonly listed: readonly string[];
    }
  /** A checksum file has several checksums for one name, and nothing tells which is meant. */
  | {
      readonly code: 'checksum-ambiguous';
      readonly name: string;
      readonly lines: readonly { readonly line: number; readonly text: string }[];
      readonly location: Location;
    }
  | { readonly code: 'lock-file-broken'; readonly location: Location };
