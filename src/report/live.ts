/** The view on a terminal: what runs right now moves at the foot, what is done stays above, failures and sums come last. */
import { Listr } from 'listr2';
import type { FinishedAction, Reporter } from '../model/event.ts';
import { attemptWords, failedStage } from './action-words.ts';
import { styleFor } from './ansi.ts';
import type { Handlers } from './dispatch.ts';
import { dispatch } from './dispatch.ts';
import type { Canvas } from './live-frame.ts';
import { finishedLine, frameLines, nameColumns } from './live-frame.ts';
import { LiveScreen } from './live-screen.ts';
import {
  emptyLiveState,
  noteFinished,
  noteOutput,
  noteProgress,
  noteStarted,
  noteWaiting,
} from './live-state.ts';
import { printable } from './printable.ts';
import { renderStageFailure, renderWarning } from './render-failure.ts';
import { summaryLines } from './summary.ts';
import type { Terminal } from './terminal.ts';
import { signsFor } from './terminal.ts';
import { truncate } from './width.ts';

interface LiveSettings {
  readonly terminal: Terminal;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Milliseconds since the epoch, as the events have them. */
  readonly now: () => number;
  /** Fires when the user asks to stop. */
  readonly signal: AbortSignal;
}

/** From this many stages on, only those that failed get a line that stays: the counts tell the rest. */
const MANY = 100;
/** Screens of failed stages that are shown whole. */
const FAILURES_SHOWN = 3;

/** A reporter that draws on a terminal, with listr2 in charge of the terminal and p-graph's events as its only task. */
export function liveReporter(settings: LiveSettings): Reporter {
  const { terminal, now } = settings;
  const { style } = terminal;
  const signs = signsFor(terminal);
  const state = emptyLiveState();
  let staying: string[] = [];
  /** Fresh ones wait here until something happens: a run with nothing to do says only that. */
  let quietly: FinishedAction[] = [];
  let last = '';
  let happened = false;
  let finish = (): void => {};
  const runEnd = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let shown: Promise<unknown> = Promise.resolve();

  const canvas = (): Canvas => ({ columns: terminal.columns(), rows: terminal.rows(), style, signs });
  const renderSettings = () => ({ style, columns: terminal.columns(), unicode: terminal.unicode });
  const names = (): number => nameColumns(state.run?.actions.map(({ name }) => name) ?? [], canvas());

  function showQuiet(): void {
    happened = true;
    for (const action of quietly) staying.push(finishedLine(action, names(), canvas()));
    quietly = [];
  }

  function stay(text: string): void {
    showQuiet();
    staying.push(text);
  }

  function finished(action: FinishedAction): void {
    noteFinished(state, action);
    const many = (state.run?.actions.length ?? 0) >= MANY;
    if (many && action.outcome !== 'failed') return;
    quietly.push(action);
    if (action.outcome !== 'fresh' || happened) showQuiet();
  }

  function farewell(): string {
    const file = state.run?.file ?? '';
    const failed = state.finished.filter((action) => action.failure !== null);
    const screens = failed
      .slice(0, FAILURES_SHOWN)
      .map((action) =>
        action.failure
          ? `\n${renderStageFailure(action.failure, failedStage(action, file), renderSettings())}`
          : '',
      );
    return screens.join('') + (screens.length > 0 ? '\n' : '') + last;
  }

  function start(): void {
    const list = new Listr([{ title: state.run?.pipeline ?? '', task: () => runEnd }], {
      renderer: LiveScreen,
      rendererOptions: {
        stdout: settings.stdout,
        stderr: settings.stderr,
        clean: (line) => printable(line, { colour: style === styleFor(true), workflow: false }),
        takeStaying: () => {
          const lines = staying;
          staying = [];
          return lines;
        },
        frame: (tick) => frameLines(state, now(), tick, canvas()),
        farewell,
      },
      // Signals are the command line's business.
      registerSignalListeners: false,
    });
    shown = list.run();
    settings.signal.addEventListener('abort', () => {
      state.stopping = true;
    });
  }

  const handlers: Handlers = {
    'run-started': (event) => {
      state.run = event;
      start();
    },
    'action-started': (event) => {
      showQuiet();
      noteStarted(state, event);
    },
    'action-waiting': (event) => noteWaiting(state, event, now()),
    'action-progress': (event) => noteProgress(state, event, now()),
    'action-output': (event) => noteOutput(state, event),
    'attempt-failed': (event) => {
      const text = `${signs.again} ${event.name}: ${attemptWords(event)}`;
      stay(style.yellow(truncate(text, Math.max(10, terminal.columns() - 1), signs.ellipsis)));
    },
    'action-finished': (event) => finished(event.action),
    warning: (event) => stay(renderWarning(event.warning, renderSettings()).trimEnd()),
    'run-finished': (event) => {
      last = summaryLines({ ...event, file: state.run?.file ?? '' }, style)
        .map((line) => `${line}\n`)
        .join('');
      finish();
    },
  };
  return {
    on: (event) => dispatch(handlers, event),
    async close() {
      finish();
      await shown;
    },
  };
}
