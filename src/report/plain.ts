/** Plain lines with the stage in front: for pipes, logs and continuous integration. Nothing moves, nothing is written twice. */
import type { FinishedAction, Reporter } from '../model/event.ts';
import { attemptWords, failedStage, outcomePaint, outcomeWords, waitWords } from './action-words.ts';
import { cleanLine } from './ansi.ts';
import type { EventOf, Handlers } from './dispatch.ts';
import { dispatch } from './dispatch.ts';
import { formatDuration } from './format.ts';
import { annotation, group, stepSummary } from './github.ts';
import { renderStageFailure, renderWarning } from './render-failure.ts';
import { countStages, summaryLines } from './summary.ts';
import type { Terminal } from './terminal.ts';

export type Verbosity = 'quiet' | 'normal' | 'verbose';

export interface PlainSettings {
  readonly terminal: Terminal;
  readonly verbosity: Verbosity;
  /** Write groups and annotations for GitHub Actions. */
  readonly github: boolean;
  /** Milliseconds since the epoch, as the events have them. */
  readonly now: () => number;
  /** Takes the page of the step, when there is a place for it. */
  readonly appendStepSummary: ((markdown: string) => Promise<void>) | null;
}

/** Services end a build that is silent for ten minutes: so often a running stage says that it lives. */
const HEARTBEAT_MS = 30_000;
/** Lines of one stage that are kept for its group. */
const GROUP_LINES = 2_000;
/** From this many stages on, those that did not run get no line. */
const MANY = 100;

interface Running {
  readonly startedAtMs: number;
  lastLineAtMs: number;
  activity: string | null;
  readonly output: string[];
  leftOut: number;
}

/** A reporter that writes lines as things happen. */
export function plainReporter(settings: PlainSettings): Reporter {
  const { terminal, verbosity } = settings;
  const { style } = terminal;
  const running = new Map<string, Running>();
  let started: EventOf<'run-started'> | null = null;
  let headShown = false;
  let pendingSummary: Promise<void> = Promise.resolve();
  const renderSettings = () => ({ style, columns: terminal.columns(), unicode: terminal.unicode });

  function line(text: string): void {
    terminal.write(`${text}\n`);
  }

  /** Said with the first thing that happens: a run with nothing to do says only that. */
  function head(): void {
    if (headShown || started === null || verbosity === 'quiet') return;
    headShown = true;
    line(
      style.dim(
        `${started.pipeline}: ${countStages(started.actions)}, ${started.jobs} at a time, cache ${started.cacheDir}`,
      ),
    );
  }

  function say(name: string, text: string): void {
    if (verbosity === 'quiet') return;
    head();
    // What a text quotes may have line breaks of its own.
    line(`${style.bold(`${name}:`)} ${text}`.replaceAll('\n', '\\n'));
  }

  function heartbeat(name: string): void {
    const state = running.get(name);
    const now = settings.now();
    if (!state || now - state.lastLineAtMs < HEARTBEAT_MS) return;
    state.lastLineAtMs = now;
    const doing = state.activity === null ? 'still running' : state.activity;
    say(name, style.dim(`${doing} (${formatDuration(now - state.startedAtMs)})`));
  }

  function output(name: string, text: string): void {
    const state = running.get(name);
    if (verbosity === 'verbose') {
      line(`${style.dim(`${cleanLine(name)} |`)} ${cleanLine(text)}`);
      if (state) state.lastLineAtMs = settings.now();
      return;
    }
    if (state && settings.github) {
      state.output.push(cleanLine(text));
      if (state.output.length > GROUP_LINES) {
        state.output.shift();
        state.leftOut++;
      }
    }
    heartbeat(name);
  }

  function closeGroup(action: FinishedAction): void {
    const state = running.get(action.name);
    running.delete(action.name);
    if (!state || state.output.length === 0 || verbosity === 'quiet') return;
    const left = state.leftOut > 0 ? [`(${state.leftOut} lines before these are in the log)`] : [];
    for (const text of group(`${action.name}: ${outcomeWords(action)}`, [...left, ...state.output]))
      terminal.write(text);
  }

  function isWorthALine(action: FinishedAction): boolean {
    if (verbosity === 'verbose') return true;
    const many = (started?.actions.length ?? 0) >= MANY;
    return action.outcome === 'built' || (!many && action.outcome !== 'fresh');
  }

  function finished(action: FinishedAction): void {
    closeGroup(action);
    if (action.failure) {
      head();
      const stage = failedStage(action, started?.file ?? '');
      terminal.write(renderStageFailure(action.failure, stage, renderSettings()));
      if (settings.github) terminal.write(annotation('error', action.failure, action.name));
    } else if (isWorthALine(action)) {
      const reason = action.outcome === 'built' ? undefined : action.reasons[0];
      const why = reason === undefined ? '' : style.dim(` (${reason})`);
      say(action.name, outcomePaint(action, style)(outcomeWords(action)) + why);
    }
  }

  function runFinished(event: EventOf<'run-finished'>): void {
    const end = { ...event, file: started?.file ?? '' };
    const lines = summaryLines(end, style);
    for (const text of verbosity === 'quiet' ? lines.slice(0, 1) : lines) line(text);
    if (settings.appendStepSummary)
      pendingSummary = settings.appendStepSummary(stepSummary(started?.pipeline ?? '', end));
  }

  function actionStarted(event: EventOf<'action-started'>): void {
    const { name, startedAtMs } = event;
    const now = settings.now();
    const before = running.get(name);
    if (before && event.attempt > 1) {
      // The output of all attempts belongs into one group.
      before.lastLineAtMs = now;
      say(name, `attempt ${event.attempt}`);
      return;
    }
    running.set(name, { startedAtMs, lastLineAtMs: now, activity: null, output: [], leftOut: 0 });
    const why = event.reasons.length === 0 ? '' : ` (${event.reasons.join('; ')})`;
    const last = event.lastDurationMs === null ? '' : `, last time ${formatDuration(event.lastDurationMs)}`;
    say(name, `started${style.dim(`${why}${last}`)}`);
  }

  function progress(event: EventOf<'action-progress'>): void {
    const state = running.get(event.name);
    if (!state) return;
    const percent = event.fraction === null ? '' : ` ${Math.floor(event.fraction * 100)}%`;
    state.activity = event.activity + percent;
    heartbeat(event.name);
  }

  function warn(event: EventOf<'warning'>): void {
    if (verbosity === 'quiet') return;
    head();
    terminal.write(renderWarning(event.warning, renderSettings()));
    if (settings.github) terminal.write(annotation('warning', event.warning, null));
  }

  const handlers: Handlers = {
    'run-started': (event) => {
      started = event;
    },
    'action-started': actionStarted,
    'action-waiting': (event) => say(event.name, style.dim(waitWords(event.for))),
    'action-progress': progress,
    'action-output': (event) => output(event.name, event.line),
    'attempt-failed': (event) => say(event.name, style.yellow(attemptWords(event))),
    'action-finished': (event) => finished(event.action),
    warning: warn,
    'run-finished': runFinished,
  };
  return { on: (event) => dispatch(handlers, event), close: () => pendingSummary };
}
