/** JSON lines: every event on a line of its own, for programs that follow a run. */
import type { Event, FinishedAction, Reporter } from '../model/event.ts';
import { failureJson } from './failure-json.ts';
import { jsonText } from './printable.ts';

const SCHEMA_VERSION = 1;

function finishedJson(action: FinishedAction): object {
  return { ...action, failure: action.failure === null ? null : failureJson(action.failure) };
}

function eventJson(event: Event): object {
  switch (event.type) {
    case 'attempt-failed':
      return { ...event, failure: failureJson(event.failure) };
    case 'warning':
      return { ...event, warning: failureJson(event.warning) };
    case 'action-finished':
      return { ...event, action: finishedJson(event.action) };
    case 'run-finished':
      return { ...event, actions: event.actions.map(finishedJson) };
    default:
      return event;
  }
}

/** A reporter that writes one event per line; the first line carries `schemaVersion`. */
export function jsonReporter(write: (text: string) => void): Reporter {
  let first = true;
  return {
    on(event) {
      const line = first ? { schemaVersion: SCHEMA_VERSION, ...eventJson(event) } : eventJson(event);
      first = false;
      write(`${jsonText(line)}\n`);
    },
    async close() {},
  };
}
