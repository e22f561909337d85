/** What GitHub Actions understands in a log: groups, annotations, and the page it shows for a step. */
import type { FinishedAction } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import { styleFor } from './ansi.ts';
import { textOf } from './failures.ts';
import { formatDuration, formatSize } from './format.ts';
import type { SinkText } from './printable.ts';
import { printable, WorkflowCommand } from './printable.ts';
import { locationOf } from './render-failure.ts';
import type { RunEnd } from './summary.ts';
import { summaryLines } from './summary.ts';

// The escapes of GitHub's toolkit (actions/toolkit, packages/core/src/command.ts): data and properties differ.
function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** Lines inside a group that the reader can fold; the lines may say anything. */
export function group(title: string, lines: readonly string[]): readonly SinkText[] {
  const inside = lines.map((line) => `${line}\n`).join('');
  return [
    new WorkflowCommand(`::group::${escapeData(title)}\n`),
    inside,
    new WorkflowCommand('::endgroup::\n'),
  ];
}

/** An annotation at the place of the failure in its file, or at the run as a whole. */
export function annotation(
  level: 'error' | 'warning',
  failure: Failure,
  stage: string | null,
): WorkflowCommand {
  const text = textOf(failure);
  const location = locationOf(failure);
  const place =
    location === null
      ? []
      : [
          `file=${escapeProperty(location.file)}`,
          `line=${location.line}`,
          `col=${location.column}`,
          `endColumn=${location.column + location.length}`,
        ];
  const title = escapeProperty(stage === null ? failure.code : `${stage}: ${failure.code}`);
  const tail = (text.excerpts ?? []).flatMap((excerpt) => excerpt.lines).slice(-5);
  const message = [text.summary, ...(text.details ?? []), ...tail, ...(text.hint ? [text.hint] : [])].join(
    '\n',
  );
  return new WorkflowCommand(
    `::${level} ${[...place, `title=${title}`].join(',')}::${escapeData(message)}\n`,
  );
}

/** Text that Markdown and HTML leave alone: no markup, no link, no picture, one row. */
function cell(text: string): string {
  return printable(text.replace(/\s+/g, ' '), { colour: false, workflow: false })
    .replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
    .replace(/[\\`*_{}[\]|~$!@]|:(?=\/\/)|(?<=www)\./gi, '\\$&');
}

function row(action: FinishedAction): string {
  const outputs = action.outputs
    .filter(({ placedAt }) => placedAt !== null)
    .map(({ artifact, placedAt }) => `${placedAt} (${formatSize(artifact.content.sizeBytes)})`);
  const why = action.failure === null ? (action.reasons[0] ?? '') : textOf(action.failure).summary;
  const took =
    action.outcome === 'built' || action.outcome === 'failed' ? formatDuration(action.durationMs) : '';
  return `| ${[action.name, action.outcome, took, why, outputs.join(', ')].map(cell).join(' | ')} |\n`;
}

/** Markdown for the page of the step, appended to the file that `GITHUB_STEP_SUMMARY` names. */
export function stepSummary(pipeline: string, end: RunEnd): string {
  const [headline = ''] = summaryLines(end, styleFor(false));
  const head = `### ${cell(pipeline)}\n\n${cell(headline)}\n\n| Stage | Outcome | Time | Why | Outputs |\n|---|---|---|---|---|\n`;
  return `${head}${end.actions.map(row).join('')}\n`;
}
