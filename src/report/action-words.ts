/** Short words about one action, the same in every reporter. */
import type { FinishedAction, WaitCause } from '../model/event.ts';
import type { Style } from './ansi.ts';
import type { EventOf } from './dispatch.ts';
import { textOf } from './failures.ts';
import { formatDuration } from './format.ts';
import type { FailedStage } from './render-failure.ts';
import type { Signs } from './terminal.ts';

/** `built in 12s`, `restored, saved 3m20s`, `failed after 4.0s`. */
export function outcomeWords(action: FinishedAction): string {
  switch (action.outcome) {
    case 'built':
      return `built in ${formatDuration(action.durationMs)}`;
    case 'restored': {
      const savedMs = (action.storedDurationMs ?? 0) - action.durationMs;
      return savedMs >= 100 ? `restored, saved ${formatDuration(savedMs)}` : 'restored';
    }
    case 'failed':
      return `failed after ${formatDuration(action.durationMs)}`;
    case 'fresh':
    case 'blocked':
    case 'cancelled':
      return action.outcome;
  }
}

/** The colour of an outcome. */
export function outcomePaint(action: FinishedAction, style: Style): (text: string) => string {
  switch (action.outcome) {
    case 'built':
      return style.green;
    case 'restored':
      return style.cyan;
    case 'failed':
      return style.red;
    case 'cancelled':
      return style.yellow;
    case 'fresh':
    case 'blocked':
      return style.dim;
  }
}

/** The sign of an outcome. */
export function outcomeSign(action: FinishedAction, signs: Signs): string {
  return signs[action.outcome];
}

/** Whom or what an action waits for. */
export function waitWords(cause: WaitCause): string {
  if (cause.type === 'resource') return `waiting for ${cause.resource}`;
  const doing = cause.activity === null ? '' : `: ${cause.activity}`;
  return `waiting for process ${cause.pid} on ${cause.host}, which builds the same in ${cause.directory}${doing}`;
}

/** That an attempt failed and another comes. */
export function attemptWords(event: EventOf<'attempt-failed'>): string {
  return `attempt ${event.attempt} of ${event.attempts} failed: ${textOf(event.failure).summary}; trying again`;
}

/** What the screen of a failed stage says besides the failure. */
export function failedStage(action: FinishedAction, file: string): FailedStage {
  const pipeline = file === 'pipeline.yaml' || file === '' ? '' : ` ${file}`;
  const log =
    action.logFile === null ? '' : `\`bake log${pipeline} ${action.name}\` shows its whole output; `;
  return {
    name: action.name,
    after: formatDuration(action.durationMs),
    logFile: action.logFile,
    next: `${log}\`bake run${pipeline}\` goes on from here`,
  };
}
