/** The JSON of `bake run --summary`; see docs/schema/summary.schema.json. */
import type { FinishedAction } from '../model/event.ts';
import type { JsonObject } from '../model/json.ts';
import { failureJson } from '../report/failure-json.ts';
import { byStage, lastOf, type StageActions, stageOutcome, tellingOutcome } from '../report/stages.ts';

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
    stages: byStage(run.actions).map(stageJson),
  };
}

function stageJson(actions: StageActions<FinishedAction>): JsonObject {
  const [first] = actions;
  const last = lastOf(actions);
  const told = tellingOutcome(actions);
  const ended = actions.find(({ failure }) => failure !== null);
  return {
    name: first.stage,
    kind: first.stageKind,
    outcome: stageOutcome(actions),
    fingerprint: last.fingerprint,
    reasons: told.reasons,
    startedAt: moment(first),
    durationMs: actions.reduce((sum, { durationMs }) => sum + durationMs, 0),
    outputs: last.outputs.map(({ artifact, placedAt }) => ({
      name: artifact.name,
      path: placedAt,
      digest: artifact.content.digest,
      sizeBytes: artifact.content.sizeBytes,
    })),
    log: ended?.logFile ?? actions.findLast(({ logFile }) => logFile !== null)?.logFile ?? null,
    failure: failureOf(ended ?? last),
    ...(first.step === null ? {} : { steps: actions.map(stepJson) }),
  };
}

function stepJson(action: FinishedAction): JsonObject {
  return {
    name: action.step,
    outcome: action.outcome,
    fingerprint: action.fingerprint,
    reasons: action.reasons,
    startedAt: moment(action),
    durationMs: action.durationMs,
    log: action.logFile,
    failure: failureOf(action),
  };
}

function moment({ startedAtMs }: FinishedAction): string {
  return new Date(startedAtMs).toISOString();
}

function failureOf({ failure }: FinishedAction): JsonObject | null {
  return failure === null ? null : failureJson(failure);
}
