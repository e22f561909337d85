/** `bake explain <stage>`: what the fingerprint is made of, and what differs from the last result. */

import { compareManifests, fieldOf } from '../engine/changes.ts';
import { lastResult } from '../engine/last-result.ts';
import type { PlannedStatus } from '../engine/predict.ts';
import type { ActionResult, Manifest } from '../model/action.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import type { Observation } from '../model/observation.ts';
import type { Style } from '../report/ansi.ts';
import { jsonText } from '../report/printable.ts';
import { byStage, lastOf, type StageActions, stageStatus, tellingStatus } from '../report/stages.ts';
import type { CommandModule } from './command.ts';
import { predicted } from './predicted.ts';
import { printFailures } from './print-failures.ts';
import { styleOf } from './stream-choice.ts';
import { openProject } from './wiring.ts';

export const run: CommandModule['run'] = async (invocation) => {
  const project = await openProject(invocation, { touch: false });
  if (!project.ok) return printFailures(invocation, project.failure);
  const { session, chosen, plan } = project.value;
  const [action] = chosen.targets;
  if (project.value.targets.length === 0 || action === undefined) {
    const failure = { code: 'missing-argument', argument: '<stage>', command: 'explain' } as const;
    return printFailures(invocation, [failure]);
  }
  const statuses = await predicted(project.value);
  if (!statuses.ok) return printFailures(invocation, statuses.failure);
  const explained: Explained[] = [];
  for (const target of chosen.targets) {
    const status = statuses.value.find((one) => one.action.name === target.name) as PlannedStatus;
    explained.push({ ...status, stage: target.stage, previous: await lastResult(session, target) });
  }
  if (invocation.flags['json'] !== true) {
    const style = styleOf(invocation.env, process.stdout);
    for (const one of explained) invocation.write(explainText(one, plan.name, style));
    return 0;
  }
  const asJson = byStage(explained).map(explainJson);
  if (asJson.length === 1) invocation.write(`${jsonText(asJson[0], 2)}\n`);
  else invocation.write(asJson.map((one) => `${jsonText(one)}\n`).join(''));
  return 0;
};

/** What is expected of an action, and what it is compared with. */
interface Explained extends PlannedStatus {
  readonly stage: string;
  readonly previous: ActionResult | null;
}

/** What `--json` prints; see docs/schema/explain.schema.json. A stage with steps is what its last step leaves. */
export function explainJson(actions: StageActions<Explained>): JsonObject {
  const [first] = actions;
  const last = lastOf(actions);
  // Asked for one step, it is told of that step.
  if (first.action.step === null || actions.length === 1)
    return { schemaVersion: 1, stage: first.action.name, ...oneJson(first) };
  return {
    schemaVersion: 1,
    stage: first.stage,
    ...oneJson(last),
    status: stageStatus(actions),
    reasons: tellingStatus(actions).reasons,
    steps: actions.map((one) => ({ name: one.action.step, ...oneJson(one) })),
  };
}

function oneJson({ previous, ...status }: Explained): JsonObject {
  const changes =
    previous === null || status.manifest === null ? [] : compareManifests(previous.manifest, status.manifest);
  return {
    status: status.status,
    reasons: status.reasons,
    fingerprint: status.fingerprint,
    manifest: status.manifest as unknown as JsonValue,
    previous: previous === null ? null : { fingerprint: previous.fingerprint, createdAt: previous.createdAt },
    changes: changes.map((change) => ({
      field: fieldOf(change),
      before: change.before ?? null,
      after: change.after ?? null,
    })),
  };
}

function explainText({ previous, ...status }: Explained, pipeline: string, style: Style): string {
  const lines = [`${style.bold(status.action.name)}: ${status.status}`];
  for (const reason of status.reasons) lines.push(`  ${reason}`);
  if (status.manifest === null) return `${lines.join('\n')}\n`;
  const { fingerprint, manifest } = status;
  const open =
    previous === null ? 'so far, all that it may read counts' : 'what it reads may be other files by now';
  lines.push(
    '',
    fingerprint === null ? `no fingerprint before it has run: ${open}` : `fingerprint ${fingerprint}`,
  );
  lines.push(...manifestLines(manifest));
  if (previous === null) lines.push('', 'no earlier result, neither of this checkout nor in the cache');
  else if (previous.fingerprint === status.fingerprint) {
    lines.push('', `the cache has its result, built ${previous.createdAt}`);
  } else {
    const of = previous.origin.pipeline === pipeline ? '' : ` by the pipeline ${previous.origin.pipeline}`;
    lines.push('', `compared with the last result, built ${previous.createdAt}${of}`);
    for (const change of compareManifests(previous.manifest, status.manifest)) {
      lines.push(`  ${fieldOf(change)}`);
      lines.push(style.red(`    - ${words(change.before)}`), style.green(`    + ${words(change.after)}`));
    }
  }
  return `${lines.join('\n')}\n`;
}

function manifestLines(manifest: Manifest): readonly string[] {
  const lines = [`  kind ${manifest.kind}, version ${manifest.kindVersion}`];
  if (manifest.platform !== null) lines.push(`  platform ${manifest.platform}`);
  for (const section of ['options', 'env', 'secrets', 'inputs', 'reads', 'outputs', 'tools'] as const) {
    const entries = Object.entries((manifest[section] ?? {}) as JsonObject);
    if (entries.length === 0) continue;
    lines.push(`  ${section}`);
    const told = section === 'reads' ? entries.filter(([, seen]) => !isAbsence(seen)) : entries;
    for (const [name, value] of told) lines.push(`    ${name}: ${words(value)}`);
    const absent = entries.length - told.length;
    if (absent > 0)
      lines.push(`    and ${absent} paths at which there was nothing (\`--json\` has them all)`);
  }
  return lines;
}

/** Half of what a playbook looks for is not there. */
function isAbsence(seen: JsonValue): boolean {
  const { is, link } = seen as Observation;
  return is === 'absent' && typeof link !== 'string';
}

function words(value: JsonValue | undefined): string {
  if (value === undefined) return '(none)';
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return JSON.stringify(value);
  const { digest, artifact, link, file, executable, is, sizeBytes, entries } = value as {
    readonly [key: string]: JsonValue;
  };
  if (typeof link === 'string') return `link to ${link}`;
  if (entries !== undefined) return `names ${Array.isArray(entries) ? entries.join(', ') : String(entries)}`;
  if (typeof is === 'string' && digest === undefined)
    return sizeBytes === undefined ? is : `${is}, ${String(sizeBytes)} bytes`;
  if (typeof file === 'string') return file;
  const content = digest ?? artifact;
  if (typeof content === 'string')
    return executable === true || is === 'executable' ? `${content} (executable)` : content;
  return JSON.stringify(value);
}
