/** A run as Chrome trace events, for chrome://tracing or ui.perfetto.dev: one lane per action that ran at the same time. */
import type { Event, FinishedAction, Reporter } from '../model/event.ts';
import { jsonText } from './printable.ts';

interface TraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: 'X' | 'M' | 'i';
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  readonly s?: 'g';
  readonly args: object;
}

interface Span {
  readonly name: string;
  readonly category: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly args: object;
}

interface Activity {
  readonly name: string;
  readonly fromMs: number;
}

/** A reporter that remembers a run and hands its trace to `save` when it closes. */
export function traceReporter(now: () => number, save: (json: string) => Promise<void>): Reporter {
  let startedAtMs = 0;
  let pipeline = '';
  const actions: FinishedAction[] = [];
  const parts = new Map<string, Span[]>();
  const current = new Map<string, Activity>();

  /** What an action did until now becomes a span inside its own. */
  function turn(action: string, next: string | null): void {
    const before = current.get(action);
    if (before?.name === next) return;
    const atMs = now();
    if (before)
      parts.set(action, [
        ...(parts.get(action) ?? []),
        { name: before.name, category: 'activity', fromMs: before.fromMs, toMs: atMs, args: {} },
      ]);
    if (next === null) current.delete(action);
    else current.set(action, { name: next, fromMs: atMs });
  }

  return {
    on(event: Event) {
      switch (event.type) {
        case 'run-started':
          startedAtMs = event.startedAtMs;
          pipeline = event.pipeline;
          return;
        case 'action-progress':
          turn(event.name, event.activity);
          return;
        case 'action-waiting':
          turn(event.name, 'waiting');
          return;
        case 'action-started':
          turn(event.name, null);
          return;
        case 'action-finished':
          turn(event.action.name, null);
          actions.push(event.action);
          return;
        case 'action-output':
        case 'attempt-failed':
        case 'warning':
        case 'run-finished':
      }
    },
    close: () => save(traceText(pipeline, startedAtMs, actions, parts)),
  };
}

function traceText(
  pipeline: string,
  startedAtMs: number,
  actions: readonly FinishedAction[],
  parts: ReadonlyMap<string, readonly Span[]>,
): string {
  const ran = actions
    .filter((action) => action.outcome !== 'blocked')
    .sort((a, b) => a.startedAtMs - b.startedAtMs);
  const laneEnds: number[] = [];
  const events: TraceEvent[] = [
    { name: 'process_name', cat: '', ph: 'M', pid: 1, tid: 0, ts: 0, args: { name: `bake ${pipeline}` } },
  ];
  for (const action of ran) {
    const endMs = action.startedAtMs + action.durationMs;
    const free = laneEnds.findIndex((laneEndMs) => laneEndMs <= action.startedAtMs);
    const lane = free === -1 ? laneEnds.length : free;
    laneEnds[lane] = endMs;
    const whole: Span = {
      name: action.name,
      category: action.outcome,
      fromMs: action.startedAtMs,
      toMs: endMs,
      args: {
        kind: action.kind,
        outcome: action.outcome,
        fingerprint: action.fingerprint,
        reasons: action.reasons,
      },
    };
    for (const span of [whole, ...(parts.get(action.name) ?? [])])
      events.push({
        name: span.name,
        cat: span.category,
        ph: 'X',
        pid: 1,
        tid: lane + 1,
        ts: Math.round((span.fromMs - startedAtMs) * 1000),
        dur: Math.max(0, Math.round((span.toMs - span.fromMs) * 1000)),
        args: span.args,
      });
  }
  return `${jsonText({ traceEvents: events, displayTimeUnit: 'ms' })}\n`;
}
