/** One frame of the terminal view as lines that fit its width and height: pure, so that every size can be tested. */
import type { FinishedAction } from '../model/event.ts';
import { outcomePaint, outcomeSign, outcomeWords } from './action-words.ts';
import type { Style } from './ansi.ts';
import { formatDuration } from './format.ts';
import type { LiveAction, LiveState } from './live-state.ts';
import type { Signs } from './terminal.ts';
import { displayWidth, padEnd, truncate } from './width.ts';

export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  readonly style: Style;
  readonly signs: Signs;
}

/** Wider than this, the eye loses the line between a stage's name and its time. */
const MOST_COLUMNS = 120;
const BAR_CELLS = 10;

/** Columns that may be used: the last one stays empty, because writing into it makes some terminals wrap. */
function roomOf(canvas: Canvas): number {
  return Math.max(10, Math.min(canvas.columns - 1, MOST_COLUMNS));
}

/** Columns for names: as many as the longest needs, but never more than leaves room for the rest. */
export function nameColumns(names: Iterable<string>, canvas: Canvas): number {
  const longest = Math.max(4, ...[...names].map(displayWidth));
  return Math.min(longest, Math.floor(roomOf(canvas) * 0.4));
}

function bar(fraction: number, signs: Signs): string {
  const full = Math.round(fraction * BAR_CELLS);
  return signs.full.repeat(full) + signs.empty.repeat(BAR_CELLS - full);
}

/** Elapsed time and, where there is room, progress as a bar and the time it took last. */
function rightOf(action: LiveAction, nowMs: number, canvas: Canvas): string {
  const room = roomOf(canvas);
  const elapsed = formatDuration(Math.max(0, nowMs - action.startedAtMs)).replace(/\.\d+s$/, 's');
  const parts: string[] = [];
  if (action.fraction !== null && action.waiting === null) {
    const percent = `${String(Math.floor(action.fraction * 100)).padStart(2)}%`;
    parts.push(room >= 70 ? `${bar(action.fraction, canvas.signs)} ${percent}` : percent);
  }
  const last =
    action.lastDurationMs !== null && room >= 60
      ? `, last time ${formatDuration(action.lastDurationMs)}`
      : '';
  parts.push(elapsed + last);
  return parts.join('  ');
}

function doing(action: LiveAction): { readonly text: string; readonly quoted: boolean } {
  if (action.waiting !== null) return { text: action.waiting, quoted: true };
  const again = action.attempt > 1 ? `attempt ${action.attempt}: ` : '';
  if (action.activity === null) return { text: again + (action.line ?? ''), quoted: true };
  const line = action.line === null ? '' : `: ${action.line}`;
  return { text: again + action.activity + line, quoted: false };
}

function activeLine(
  action: LiveAction,
  names: number,
  nowMs: number,
  spinner: string,
  canvas: Canvas,
): string {
  const { style, signs } = canvas;
  const room = roomOf(canvas);
  const sign = action.waiting === null ? style.blue(spinner) : style.yellow(signs.waiting);
  const name = padEnd(truncate(action.name, names, signs.ellipsis), names);
  const right = truncate(rightOf(action, nowMs, canvas), Math.max(0, room - 2 - names - 1), signs.ellipsis);
  const middleRoom = room - 2 - names - displayWidth(right) - 4;
  if (middleRoom < 6) return `${sign} ${style.bold(name)} ${right}`;
  const { text, quoted } = doing(action);
  const middle = padEnd(truncate(text, middleRoom, signs.ellipsis), middleRoom);
  return `${sign} ${style.bold(name)}  ${quoted ? style.dim(middle) : middle}  ${style.dim(right)}`;
}

function footer(state: LiveState, nowMs: number, canvas: Canvas): string {
  const actions = [...state.active.values()];
  const waiting = actions.filter((action) => action.waiting !== null).length;
  const failed = state.finished.filter((action) => action.outcome === 'failed').length;
  const running = actions.length - waiting;
  const elapsed = formatDuration(Math.max(0, nowMs - (state.run?.startedAtMs ?? nowMs))).replace(
    /\.\d+s$/,
    's',
  );
  const separator = canvas.signs.ellipsis === '…' ? ' · ' : ', ';
  const text = [
    ...(state.stopping ? ['stopping; Ctrl-C again ends at once'] : []),
    `${state.finished.length} of ${state.run?.actions.length ?? 0} done`,
    elapsed,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
  ].join(separator);
  const cut = truncate(`  ${text}`, roomOf(canvas), canvas.signs.ellipsis);
  return state.stopping ? canvas.style.yellow(cut) : canvas.style.dim(cut);
}

/** The moving part of the view: a line per running action, then the counts. Never higher than the terminal. */
export function frameLines(state: LiveState, nowMs: number, tick: number, canvas: Canvas): readonly string[] {
  const { signs } = canvas;
  const spinner = signs.spinner[tick % signs.spinner.length] as string;
  const actions = [...state.active.values()].sort(
    (a, b) => Number(a.waiting !== null) - Number(b.waiting !== null),
  );
  const most = Math.max(1, canvas.rows - 4);
  const shown = actions.length > most ? actions.slice(0, most - 1) : actions;
  const names = nameColumns(
    shown.map((action) => action.name),
    canvas,
  );
  const lines = shown.map((action) => activeLine(action, names, nowMs, spinner, canvas));
  if (shown.length < actions.length) {
    const hidden = `  and ${actions.length - shown.length} more running`;
    lines.push(canvas.style.dim(truncate(hidden, roomOf(canvas), signs.ellipsis)));
  }
  return [...lines, footer(state, nowMs, canvas)];
}

/** The one line that stays of a finished action; its reason is cut to the width. */
export function finishedLine(action: FinishedAction, names: number, canvas: Canvas): string {
  const { style, signs } = canvas;
  const room = roomOf(canvas);
  const paint = outcomePaint(action, style);
  const name = padEnd(truncate(action.name, names, signs.ellipsis), names);
  const words = truncate(outcomeWords(action), Math.max(0, room - 4 - names), signs.ellipsis);
  const left = `${outcomeSign(action, signs)} ${name}  ${words}`;
  const styled = `${paint(outcomeSign(action, signs))} ${style.bold(name)}  ${paint(words)}`;
  const reason = action.failure === null ? action.reasons.join('; ') : '';
  const reasonRoom = room - displayWidth(left) - 2;
  if (reason === '' || reasonRoom < 8) return styled;
  return `${styled}  ${style.dim(truncate(reason, reasonRoom, signs.ellipsis))}`;
}
