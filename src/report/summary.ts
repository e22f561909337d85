/** The last words of a run: what ran, what was saved, where the outputs are. Loads nothing, so that a run with nothing to do can use it. */
import type { FinishedAction } from '../model/event.ts';
import type { Outcome } from '../model/outcome.ts';
import type { Style } from './ansi.ts';
import { formatDuration, formatSize } from './format.ts';
import { byStage, stageOutcome } from './stages.ts';
import { displayWidth, padEnd } from './width.ts';

/** What the summary is made of; a `run-finished` event has it all but the file. */
export interface RunEnd {
  /** The pipeline file as the user named it: outputs are shown relative to where the user is. */
  readonly file: string;
  readonly durationMs: number;
  readonly interrupted: boolean;
  readonly actions: readonly FinishedAction[];
}

const SHOWN_OUTPUTS = 12;
const ORDER: readonly Outcome[] = ['failed', 'blocked', 'cancelled', 'built', 'restored', 'fresh'];

/** How many stages actions belong to: steps of one stage are one stage to a reader. */
export function countStages(actions: readonly { readonly stage: string }[]): string {
  return stagesWord(new Set(actions.map(({ stage }) => stage)).size);
}

function stagesWord(count: number): string {
  return `${count} stage${count === 1 ? '' : 's'}`;
}

/** Milliseconds that hits did not cost: the durations of the stored results less what putting them back took. */
function savedMs(actions: readonly FinishedAction[]): number {
  return actions.reduce(
    (sum, action) =>
      action.outcome === 'restored' || action.outcome === 'fresh'
        ? sum + Math.max(0, (action.storedDurationMs ?? 0) - action.durationMs)
        : sum,
    0,
  );
}

/** `built 3, restored 2, fresh 1`, worst first, what did not happen left out. */
function countsOf(actions: readonly FinishedAction[]): string {
  const outcomes = byStage(actions).map(stageOutcome);
  return ORDER.flatMap((outcome) => {
    const count = outcomes.filter((one) => one === outcome).length;
    return count === 0 ? [] : [`${outcome} ${count}`];
  }).join(', ');
}

function headline(end: RunEnd, style: Style): string {
  const { actions } = end;
  const took = formatDuration(end.durationMs);
  const counts = countsOf(actions);
  if (end.interrupted) return style.yellow(`interrupted after ${took}: ${counts || 'nothing had started'}`);
  const failed = actions.filter((action) => action.outcome === 'failed').map((action) => action.name);
  if (failed.length > 0) {
    const named = failed.slice(0, 4).join(', ') + (failed.length > 4 ? ` and ${failed.length - 4} more` : '');
    return `${style.red(style.bold(`failed: ${named}`))} (${counts} in ${took})`;
  }
  if (actions.every((action) => action.outcome === 'fresh'))
    return nothingToDo(countStages(actions), end.durationMs, style);
  const saved = savedMs(actions);
  return `${style.green('done')} in ${took}: ${counts}${saved >= 100 ? `; saved ${formatDuration(saved)}` : ''}`;
}

function nothingToDo(stages: string, durationMs: number, style: Style): string {
  return `${style.green('nothing to do')}: ${stages} fresh (${formatDuration(durationMs)})`;
}

function placedPath(file: string, path: string): string {
  const directory = file.slice(0, file.lastIndexOf('/') + 1);
  return directory === './' ? path : directory + path;
}

/** An output in the checkout, by its path relative to the pipeline's directory. */
interface PlacedOutput {
  readonly path: string;
  readonly sizeBytes: number;
}

function placedOutputs(end: RunEnd): readonly PlacedOutput[] {
  return end.actions.flatMap((action) =>
    action.outcome === 'failed'
      ? []
      : action.outputs.flatMap(({ artifact, placedAt }) =>
          placedAt === null ? [] : [{ path: placedAt, sizeBytes: artifact.content.sizeBytes }],
        ),
  );
}

function outputLines(file: string, placed: readonly PlacedOutput[], style: Style): readonly string[] {
  const shown = placed
    .slice(0, SHOWN_OUTPUTS)
    .map(({ path, sizeBytes }) => ({ path: placedPath(file, path), size: formatSize(sizeBytes) }));
  const width = Math.max(0, ...shown.map(({ path }) => displayWidth(path)));
  const lines = shown.map(({ path, size }) => `  ${style.bold(padEnd(path, width))}  ${style.dim(size)}`);
  return placed.length > shown.length
    ? [...lines, style.dim(`  and ${placed.length - shown.length} more`)]
    : lines;
}

/** The lines that end every run, the same on a terminal, in a pipe, and after a run that did nothing. */
export function summaryLines(end: RunEnd, style: Style): readonly string[] {
  return [headline(end, style), ...outputLines(end.file, placedOutputs(end), style)];
}

/** The same lines for a run that found nothing to do, out of what is known without looking at any stage. */
export function nothingToDoLines(
  end: {
    readonly file: string;
    readonly durationMs: number;
    readonly stages: number;
    readonly outputs: readonly PlacedOutput[];
  },
  style: Style,
): readonly string[] {
  const head = nothingToDo(stagesWord(end.stages), end.durationMs, style);
  return [head, ...outputLines(end.file, end.outputs, style)];
}
