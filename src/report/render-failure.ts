/** Failures as a person reads them: one place in a file with a caret under the word, or one screen about a stage. */
import type { Failure } from '../model/failure.ts';
import type { Location } from '../model/location.ts';
import type { Style } from './ansi.ts';
import { cleanLine, styleFor } from './ansi.ts';
import type { FailureText } from './failure-text.ts';
import { textOf } from './failures.ts';
import { displayWidth, truncate, wrap } from './width.ts';

export interface RenderSettings {
  readonly style: Style;
  /** Columns to fold prose to; quoted material is cut instead. 80 when nobody knows. */
  readonly columns: number;
  readonly unicode: boolean;
  /** Lines of each excerpt that are shown, the last ones; 20 by default. */
  readonly excerptLines?: number;
}

/** What a stage's failure is told with besides its own words. */
export interface FailedStage {
  readonly name: string;
  readonly after: string;
  readonly logFile: string | null;
  /** What to type to go on from here. */
  readonly next: string | null;
}

const PLAIN_SETTINGS: RenderSettings = { style: styleFor(false), columns: 100, unicode: true };

/** Where a failure was found in a file, or null. */
export function locationOf(failure: Failure): Location | null {
  return 'location' in failure && failure.location ? failure.location : null;
}

/** A failure outside of any stage; with a location `file:line:column: error: …` and the source line. Ends with a line break. */
export function renderFailure(failure: Failure, settings: RenderSettings = PLAIN_SETTINGS): string {
  const { style } = settings;
  const text = textOf(failure);
  const location = locationOf(failure);
  const where = location === null ? '' : `${positionOf(location, style)}: `;
  const head = `${where}${style.red(style.bold('error'))}: ${text.summary} ${style.dim(`[${failure.code}]`)}`;
  const related = (text.related ?? []).flatMap((place) => [
    `${positionOf(place.location, style)}: ${style.cyan('note')}: ${place.label}`,
    ...sourceLines(place.location, settings, style.cyan),
  ]);
  return finish([
    head,
    ...(location === null ? [] : sourceLines(location, settings, style.red)),
    ...bodyLines(text, settings),
    ...related,
  ]);
}

/** All failures of a file, one after the other, with a count when there are several. */
export function renderFailures(
  failures: readonly Failure[],
  settings: RenderSettings = PLAIN_SETTINGS,
): string {
  const all = failures.map((failure) => renderFailure(failure, settings)).join('\n');
  return failures.length < 2 ? all : `${all}\n${settings.style.red(`${failures.length} errors`)}\n`;
}

/** The one screen in which a failing stage ends. Ends with a line break. */
export function renderStageFailure(
  failure: Failure,
  stage: FailedStage,
  settings: RenderSettings = PLAIN_SETTINGS,
): string {
  const { style } = settings;
  const text = textOf(failure);
  const sign = settings.unicode ? '✖' : 'x';
  const location = locationOf(failure);
  return finish([
    ...wrap(
      `${stage.name} failed after ${stage.after}: ${text.summary} [${failure.code}]`,
      settings.columns - 2,
    ).map((line, index) => style.bold(`${index === 0 ? style.red(`${sign} `) : '  '}${line}`)),
    ...(location === null
      ? []
      : [`  ${positionOf(location, style)}`, ...sourceLines(location, settings, style.red)]),
    ...bodyLines(text, settings),
    ...(stage.logFile === null
      ? []
      : // A path is never folded: it must stay one piece to be copied.
        [`  ${style.cyan('log')}: ${stage.logFile}`]),
    ...(stage.next === null ? [] : labelled('next', stage.next, settings)),
  ]);
}

/** What went wrong in a stage, while nobody knows yet what becomes of it. Ends with a line break. */
export function renderSoFar(
  name: string,
  failure: Failure,
  settings: RenderSettings = PLAIN_SETTINGS,
): string {
  const text = { ...textOf(failure), hint: null, state: null };
  const head = wrap(`${name}: ${text.summary}`, settings.columns).map((line) => settings.style.bold(line));
  return finish([...head, ...bodyLines(text, settings)]);
}

/** A failure that fails nothing: one line, and its hint. Ends with a line break. */
export function renderWarning(failure: Failure, settings: RenderSettings = PLAIN_SETTINGS): string {
  const { style } = settings;
  const text = textOf(failure);
  const location = locationOf(failure);
  const where = location === null ? '' : `${positionOf(location, style)}: `;
  return finish([
    `${where}${style.yellow(style.bold('warning'))}: ${text.summary} ${style.dim(`[${failure.code}]`)}`,
    ...(location === null ? [] : sourceLines(location, settings, style.yellow)),
    ...(text.hint ? labelled('hint', text.hint, settings) : []),
  ]);
}

function finish(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}

function positionOf(location: Location, style: Style): string {
  return style.bold(`${location.file}:${location.line}:${location.column}`);
}

/** Command, quoted output, reasons, hint, state: in that order, so that what to do stands last, next to the prompt. */
function bodyLines(text: FailureText, settings: RenderSettings): readonly string[] {
  const { style } = settings;
  const lines: string[] = [];
  if (text.command) lines.push('', `  ${style.bold('$')} ${text.command.replaceAll('\n', '\n    ')}`);
  const excerpts = (text.excerpts ?? []).filter(({ lines: quoted }) => quoted.length > 0);
  for (const { title, lines: quoted } of excerpts) lines.push('', ...excerptLines(title, quoted, settings));
  if (text.command || excerpts.length > 0) lines.push('');
  for (const detail of text.details ?? []) lines.push(...indented(detail, settings));
  for (const { label, text: copied } of text.copied ?? []) lines.push(`  ${style.cyan(label)}: ${copied}`);
  if (text.hint) lines.push(...labelled('hint', text.hint, settings));
  if (text.state) lines.push(...indented(text.state, settings));
  return lines;
}

function excerptLines(title: string, quoted: readonly string[], settings: RenderSettings): readonly string[] {
  const { style } = settings;
  const most = settings.excerptLines ?? 20;
  const shown = quoted.slice(-most);
  const left = quoted.length - shown.length;
  const bar = settings.unicode ? '│' : '|';
  const before = left > 0 ? ` (${left} more before them)` : '';
  return [
    ...wrap(`${title}${before}:`, settings.columns - 2).map((line) => `  ${style.cyan(line)}`),
    ...shown.map((line) => `  ${style.dim(bar)} ${cleanLine(line)}`),
  ];
}

function indented(text: string, settings: RenderSettings): readonly string[] {
  return wrap(text, settings.columns - 2).map((line) => `  ${line}`);
}

function labelled(label: string, text: string, settings: RenderSettings): readonly string[] {
  return wrap(`${label}: ${text}`, settings.columns - 2).map((line, index) =>
    index === 0 ? `  ${settings.style.cyan(label)}${line.slice(label.length)}` : `  ${line}`,
  );
}

/** The source line with a caret line below it; a long line is cut to a window around the caret. */
function sourceLines(
  location: Location,
  settings: RenderSettings,
  paint: (text: string) => string,
): readonly string[] {
  const gutter = `${String(location.line).padStart(5)} | `;
  const blank = `${' '.repeat(gutter.length - 2)}| `;
  const start = location.column - 1;
  const room = Math.max(20, settings.columns - gutter.length);
  const shift = displayWidth(cleanLine(location.text)) > room ? Math.max(0, start - Math.floor(room / 3)) : 0;
  const dots = shift > 0 ? (settings.unicode ? '…' : '~') : '';
  const before = dots + visible(location.text.slice(shift, start));
  const marked = visible(location.text.slice(start, start + location.length));
  const after = visible(location.text.slice(start + location.length));
  const carets = Math.min(Math.max(1, displayWidth(marked)), Math.max(1, room - displayWidth(before)));
  return [
    `${settings.style.dim(gutter)}${truncate(before + marked + after, room, settings.unicode ? '…' : '~')}`,
    `${settings.style.dim(blank)}${' '.repeat(displayWidth(before))}${paint('^'.repeat(carets))}`,
  ];
}

/** Source text with tabs as two spaces and every other control character as one visible sign, so that the caret stays below its word. */
function visible(text: string): string {
  return text
    .replace(/\t/g, '  ')
    .replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, '·');
}
