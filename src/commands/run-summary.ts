/** The JSON of `bake run --summary`; see docs/schema/summary.schema.json. */
import type { FinishedAction } from '../model/event.ts';
import type { JsonObject } from '../model/json.ts';
import { failureJson } from '../report/failure-json.ts';

export interface RunSummary {
  readonly pipeline: string;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly cacheDir: string;
  readonly actions: readonly FinishedAction[];
}

/** What `--summary FILE` holds. */
export function summaryJson(run: RunSummary): JsonObject {
  return {
    schemaVersion: 1,
    pipeline: run.pipeline,
    startedAt: new Date(run.startedAtMs).toISOString(),
    durationMs: run.durationMs,
    cacheDir: run.cacheDir,
    stages: run.actions.map((action) => ({
      name: action.name,
      kind: action.kind,
      outcome: action.outcome,
      fingerprint: action.fingerprint,
      reasons: action.reasons,
      startedAt: new Date(action.startedAtMs).toISOString(),
      durationMs: action.durationMs,
      outputs: action.outputs.map(({ artifact, placedAt }) => ({
        name: artifact.name,
        path: placedAt,
        digest: artifact.content.digest,
        sizeBytes: artifact.content.sizeBytes,
      })),
      log: action.logFile,
      failure: action.failure === null ? null : failureJson(action.failure),
    })),
  };
}
