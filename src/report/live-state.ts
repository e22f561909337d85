/** What a terminal view knows of a run, gathered from its events: which actions run, what each is doing, how many are done. */
import type { FinishedAction } from '../model/event.ts';
import { waitWords } from './action-words.ts';
import { cleanLine } from './ansi.ts';
import type { EventOf } from './dispatch.ts';

export interface LiveAction {
  readonly name: string;
  startedAtMs: number;
  lastDurationMs: number | null;
  attempt: number;
  activity: string | null;
  fraction: number | null;
  /** The last line it wrote since its activity was named; null when none. */
  line: string | null;
  /** For whom or what it waits; null when it runs. */
  waiting: string | null;
}

export interface LiveState {
  run: EventOf<'run-started'> | null;
  /** Running and waiting actions in the order in which they began. */
  readonly active: Map<string, LiveAction>;
  readonly finished: FinishedAction[];
  /** Whether the user asked to stop. */
  stopping: boolean;
}

/** The state before the first event. */
export function emptyLiveState(): LiveState {
  return { run: null, active: new Map(), finished: [], stopping: false };
}

function activeAction(state: LiveState, name: string, nowMs: number): LiveAction {
  const known = state.active.get(name);
  if (known) return known;
  const action: LiveAction = {
    name,
    startedAtMs: nowMs,
    lastDurationMs: null,
    attempt: 1,
    activity: null,
    fraction: null,
    line: null,
    waiting: null,
  };
  state.active.set(name, action);
  return action;
}

export function noteStarted(state: LiveState, event: EventOf<'action-started'>): void {
  const action = activeAction(state, event.name, event.startedAtMs);
  // A second attempt goes on with the clock of the first: the reader asks how long the stage takes.
  if (event.attempt === 1) action.startedAtMs = event.startedAtMs;
  action.attempt = event.attempt;
  action.lastDurationMs = event.lastDurationMs;
  action.waiting = null;
  action.activity = null;
  action.fraction = null;
  action.line = null;
}

export function noteWaiting(state: LiveState, event: EventOf<'action-waiting'>, nowMs: number): void {
  activeAction(state, event.name, nowMs).waiting = waitWords(event.for);
}

export function noteProgress(state: LiveState, event: EventOf<'action-progress'>, nowMs: number): void {
  const action = activeAction(state, event.name, nowMs);
  const activity = cleanLine(event.activity);
  if (action.activity !== activity) action.line = null;
  action.waiting = null;
  action.activity = activity;
  action.fraction = event.fraction === null ? null : Math.min(1, Math.max(0, event.fraction));
}

export function noteOutput(state: LiveState, event: EventOf<'action-output'>): void {
  const action = state.active.get(event.name);
  const line = cleanLine(event.line).trim();
  if (action && line !== '') action.line = line;
}

export function noteFinished(state: LiveState, action: FinishedAction): void {
  state.active.delete(action.name);
  state.finished.push(action);
}
