/** `bake plan`: what a run would do and why; touches nothing. */

import { obstaclesTo } from '../engine/obstacles-ahead.ts';
import type { PlannedStatus } from '../engine/predict.ts';
import type { JsonObject } from '../model/json.ts';
import { byCodeUnit } from '../model/json.ts';
import type { PlanStatus } from '../model/outcome.ts';
import type { Style } from '../report/ansi.ts';
import { formatDuration } from '../report/format.ts';
import { jsonText } from '../report/printable.ts';
import { renderWarning } from '../report/render-failure.ts';
import { byStage, lastOf, type StageActions, stageStatus, tellingStatus } from '../report/stages.ts';
import { padEnd } from '../report/width.ts';
import type { CommandModule, Invocation } from './command.ts';
import { predicted } from './predicted.ts';
import { printFailures } from './print-failures.ts';
import { renderSettingsOf } from './reporters.ts';
import { styleOf } from './stream-choice.ts';
import { openProject } from './wiring.ts';

export const run: CommandModule['run'] = async (invocation) => {
  const project = await openProject(invocation, { touch: false });
  if (!project.ok) return printFailures(invocation, project.failure);
  const statuses = await predicted(project.value);
  if (!statuses.ok) return printFailures(invocation, statuses.failure);
  for (const warning of await obstaclesTo(project.value.session, statuses.value))
    invocation.writeError(renderWarning(warning, renderSettingsOf(invocation.env)));
  const text =
    invocation.flags['json'] === true
      ? `${jsonText(planJson(project.value.plan.name, statuses.value), 2)}\n`
      : planText(statuses.value, styleOf(invocation.env, process.stdout), isVerbose(invocation));
  invocation.write(text);
  return 0;
};

/** What `--json` prints; see docs/schema/plan.schema.json. */
export function planJson(pipeline: string, statuses: readonly PlannedStatus[]): JsonObject {
  const stageNames = new Map(statuses.map(({ action }) => [action.name, action.stage]));
  return {
    schemaVersion: 1,
    pipeline,
    stages: stagesOf(statuses).map((actions) => stageJson(actions, stageNames)),
  };
}

/** Statuses by stage. */
function stagesOf(statuses: readonly PlannedStatus[]) {
  return byStage(statuses.map((status) => ({ ...status, stage: status.action.stage })));
}

function stageJson(
  actions: StageActions<PlannedStatus>,
  stageNames: ReadonlyMap<string, string>,
): JsonObject {
  const [{ action }] = actions;
  const needs = new Set(
    actions.flatMap((one) => one.action.needs.map((need) => stageNames.get(need) ?? need)),
  );
  needs.delete(action.stage);
  const durations = actions.flatMap(({ lastDurationMs }) =>
    lastDurationMs === null ? [] : [lastDurationMs],
  );
  return {
    name: action.stage,
    kind: action.stageKind,
    status: stageStatus(actions),
    fingerprint: lastOf(actions).fingerprint,
    reasons: tellingStatus(actions).reasons,
    needs: [...needs].sort(byCodeUnit),
    lastDurationMs: durations.length === 0 ? null : durations.reduce((sum, one) => sum + one, 0),
    ...(action.step === null ? {} : { steps: actions.map(stepJson) }),
  };
}

function stepJson({ action, status, fingerprint, reasons, lastDurationMs }: PlannedStatus): JsonObject {
  return { name: action.step, status, fingerprint, reasons, lastDurationMs };
}

const MOST_REASONS = 6;
const WORDS: { readonly [S in PlanStatus]: string } = {
  fresh: 'fresh',
  hit: 'hit',
  run: 'run',
  unknown: 'unknown',
};

function planText(statuses: readonly PlannedStatus[], style: Style, verbose: boolean): string {
  const width = Math.max(...statuses.map(({ action }) => action.name.length));
  const lines: string[] = [];
  for (const { action, status, reasons, lastDurationMs } of statuses) {
    const last =
      status === 'run' && lastDurationMs !== null ? ` (last time ${formatDuration(lastDurationMs)})` : '';
    const inPlace =
      action.workspace === 'in-place' ? ' (in place: nothing keeps it to its declared inputs)' : '';
    const paint = painted(status, style);
    lines.push(
      `${padEnd(action.name, width)}  ${paint(padEnd(WORDS[status], 7))}${last}${inPlace}`.trimEnd(),
    );
    const shown = verbose ? reasons : reasons.slice(0, MOST_REASONS);
    for (const reason of shown) lines.push(style.dim(`  ${reason}`));
    if (shown.length < reasons.length) lines.push(style.dim(`  and ${reasons.length - shown.length} more`));
  }
  lines.push(countsLine(statuses));
  return `${lines.join('\n')}\n`;
}

function painted(status: PlanStatus, style: Style): (text: string) => string {
  if (status === 'run') return style.yellow;
  return status === 'unknown' ? style.cyan : style.green;
}

function countsLine(statuses: readonly PlannedStatus[]): string {
  const stages = stagesOf(statuses).map(stageStatus);
  const counts = (['run', 'unknown', 'hit', 'fresh'] as const).flatMap((status) => {
    const count = stages.filter((one) => one === status).length;
    return count === 0 ? [] : [`${count} ${WORDS[status]}`];
  });
  return counts.join(', ');
}

function isVerbose(invocation: Invocation): boolean {
  return invocation.flags['verbose'] === true;
}
