/** Events: everything a run tells the world. Reporters turn them into words; nothing else prints. */
import type { Artifact } from './artifact.ts';
import type { Fingerprint } from './digest.ts';
import type { Failure } from './failure.ts';
import type { Outcome } from './outcome.ts';

export interface FinishedAction {
  readonly name: string;
  readonly stage: string;
  readonly stageKind: string;
  /** Null unless it is a step. */
  readonly step: string | null;
  readonly kind: string;
  readonly outcome: Outcome;
  readonly fingerprint: Fingerprint | null;
  /** One sentence each: why it ran or did not. */
  readonly reasons: readonly string[];
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** How long the stored result took to build: what a hit saved. Null when unknown. */
  readonly storedDurationMs: number | null;
  /** `placedAt` is relative to the pipeline's directory, null when it stays in the cache. */
  readonly outputs: readonly { readonly artifact: Artifact; readonly placedAt: string | null }[];
  /** Absolute path of the log of this run, null when there is none. */
  readonly logFile: string | null;
  readonly failure: Failure | null;
}

export type Event =
  | {
      readonly type: 'run-started';
      readonly pipeline: string;
      readonly file: string;
      readonly cacheDir: string;
      readonly jobs: number;
      readonly startedAtMs: number;
      readonly actions: readonly { readonly name: string; readonly stage: string; readonly kind: string }[];
    }
  | {
      readonly type: 'action-started';
      readonly name: string;
      readonly kind: string;
      readonly reasons: readonly string[];
      readonly attempt: number;
      readonly startedAtMs: number;
      readonly lastDurationMs: number | null;
      readonly logFile: string;
    }
  /** It cannot start yet: another process builds the same, or a resource is taken. */
  | { readonly type: 'action-waiting'; readonly name: string; readonly for: WaitCause }
  /** What it is doing right now; `fraction` from 0 to 1 when known. */
  | {
      readonly type: 'action-progress';
      readonly name: string;
      readonly activity: string;
      readonly fraction: number | null;
    }
  /** A line of its output, secrets masked, without the line break. */
  | { readonly type: 'action-output'; readonly name: string; readonly line: string }
  | {
      readonly type: 'attempt-failed';
      readonly name: string;
      readonly attempt: number;
      readonly attempts: number;
      readonly failure: Failure;
    }
  | { readonly type: 'action-finished'; readonly action: FinishedAction }
  /** Something worth a line that fails nothing. */
  | { readonly type: 'warning'; readonly warning: Failure }
  | {
      readonly type: 'run-finished';
      readonly durationMs: number;
      readonly interrupted: boolean;
      readonly actions: readonly FinishedAction[];
    };

export type WaitCause =
  | {
      readonly type: 'other-builder';
      readonly pid: number;
      readonly host: string;
      readonly directory: string;
      readonly activity: string | null;
    }
  | { readonly type: 'resource'; readonly resource: 'cpu' | 'memory' | 'kvm' };

/** Whoever listens to a run. `close` is called once, after the last event, and waits until everything is written. */
export interface Reporter {
  on(event: Event): void;
  close(): Promise<void>;
}
