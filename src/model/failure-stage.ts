/** What can go wrong while a stage runs: exit status 1. Nothing is stored for a stage that failed. */

import type { StuckBuilder } from './failure-cache.ts';
import type { Location } from './location.ts';

/** Outside of its project, ignored by git, an output of a stage or the cache itself, a large file that a stage is given, or neither file nor directory. */
export type HiddenReason = 'outside' | 'ignored' | 'output' | 'given' | 'special';

export type StageFailure =
  /** A command ended with a status other than 0, or by a signal. */
  | {
      readonly code: 'command-failed';
      /** As one could paste it into a shell. */
      readonly command: string;
      readonly exitCode: number | null;
      readonly signal: string | null;
      /** The last lines of its output, masked. */
      readonly tail: readonly string[];
      /** Files that exist in the checkout, are named in the output, and were not declared. */
      readonly undeclared: readonly string[];
    }
  | { readonly code: 'command-not-found'; readonly command: string; readonly package: string | null }
  | { readonly code: 'stage-timeout'; readonly timeoutMs: number; readonly tail: readonly string[] }
  /** A command said nothing for longer than it may. */
  | { readonly code: 'command-silent'; readonly idleMs: number; readonly tail: readonly string[] }
  | {
      readonly code: 'output-missing';
      readonly output: string;
      readonly path: string;
      /** Files that the stage did leave, nearest name first. */
      readonly found: readonly string[];
    }
  | {
      readonly code: 'output-is-symlink';
      readonly output: string;
      readonly path: string;
      readonly target: string;
    }
  | {
      readonly code: 'output-not-a-file';
      readonly output: string;
      readonly path: string;
      readonly found: string;
    }
  /** What is in an output is neither a file nor a directory nor a link, or it changed while it was taken over. */
  | { readonly code: 'not-storable'; readonly path: string; readonly problem: string }
  | { readonly code: 'input-changed'; readonly files: readonly string[] }
  /** A watched stage looked for what lies in the checkout and is kept from it: run there by hand, it would have found it. */
  | {
      readonly code: 'read-hidden';
      readonly stage: string;
      readonly files: readonly { readonly path: string; readonly reason: HiddenReason }[];
      readonly location: Location;
    }
  /** A warning: a watched stage made or changed files in its copy of the project; its result is not kept. */
  | {
      readonly code: 'wrote-into-project';
      readonly stage: string;
      readonly files: readonly string[];
      /** Where they are now. */
      readonly directory: string;
    }
  /** What a stage may see of the checkout is more than can be copied for it. */
  | {
      readonly code: 'project-too-large';
      readonly stage: string;
      readonly projects: readonly string[];
      readonly files: number;
      readonly sizeBytes: number;
      readonly mostFiles: number;
      readonly mostBytes: number;
      readonly largest: readonly { readonly path: string; readonly sizeBytes: number }[];
      readonly location: Location;
    }
  /** Secrets of a stage were found in what it made: a failure when `refused`, else a warning, and nothing is kept in the cache. */
  | {
      readonly code: 'secret-in-output';
      readonly stage: string;
      readonly secrets: readonly string[];
      readonly places: readonly {
        readonly output: string;
        readonly path: string;
        readonly isName: boolean;
      }[];
      readonly refused: boolean;
      readonly location: Location;
    }
  /** A warning: a seed image for cloud-init has user-data that it would not read. */
  | { readonly code: 'user-data-unread' }
  /** A kind found its work impossible for a reason of its own, told in whole sentences. */
  | { readonly code: 'stage-refused'; readonly problem: string; readonly hint: string | null }
  /** A stage wrote into an artifact of another stage that it had been given for reading. */
  | { readonly code: 'upstream-damaged'; readonly files: readonly string[] }
  /** A warning: what a command left running could not be ended. */
  | {
      readonly code: 'process-left';
      readonly stage: string;
      readonly pid: number;
      /** Its command line, masked. */
      readonly command: string;
    }
  /** A stage runs bake, and that needs what the very process is building which waits for the stage. */
  | { readonly code: 'stage-waits-for-itself'; readonly pid: number }
  /** Another bake works on the same stage in the same directory, and does not go on. */
  | ({ readonly code: 'other-builder-stuck' } & StuckBuilder)
  /** `log`, `get` and `explain` asked for a stage of which nothing is known. */
  | { readonly code: 'no-result'; readonly stage: string; readonly wanted: 'log' | 'result' }
  | {
      readonly code: 'no-such-output';
      readonly stage: string;
      readonly output: string;
      readonly known: readonly string[];
    };
