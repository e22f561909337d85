/** A run as events, made by hand, and a terminal that remembers what was written to it. */

import type { Artifact } from '../../src/model/artifact.ts';
import { digestOfHex } from '../../src/model/digest.ts';
import type { Event, FinishedAction } from '../../src/model/event.ts';
import type { Failure } from '../../src/model/failure.ts';
import type { Outcome } from '../../src/model/outcome.ts';
import { styleFor } from '../../src/report/ansi.ts';
import { printable } from '../../src/report/printable.ts';
import type { Terminal } from '../../src/report/terminal.ts';

export const START_MS = 1_700_000_000_000;

/** An artifact of a given size. */
export function artifact(name: string, path: string, sizeBytes: number): Artifact {
  return {
    name,
    path,
    content: { type: 'file', digest: digestOfHex('0'.repeat(64)), sizeBytes, executable: false },
  };
}

/** A finished action; what does not matter to a test has a default. */
export function finished(name: string, outcome: Outcome, over: Partial<FinishedAction> = {}): FinishedAction {
  return {
    name,
    stage: name,
    stageKind: 'run',
    step: null,
    kind: 'run',
    outcome,
    fingerprint: null,
    reasons: [],
    startedAtMs: START_MS,
    durationMs: outcome === 'built' || outcome === 'failed' ? 12_345 : 20,
    storedDurationMs: outcome === 'restored' || outcome === 'fresh' ? 100_000 : null,
    outputs: [],
    logFile: null,
    failure: null,
    ...over,
  };
}

/** A command that failed, with as many lines of output as asked for. */
export function commandFailure(lines: number, undeclared: readonly string[] = []): Failure {
  return {
    code: 'command-failed',
    command: 'qemu-img convert -O qcow2 in.img out.qcow2',
    exitCode: 2,
    signal: null,
    tail: Array.from({ length: lines }, (_, index) => `output line ${index + 1}`),
    undeclared,
  };
}

export function started(names: readonly string[]): Event {
  return {
    type: 'run-started',
    pipeline: 'tiny',
    file: 'pipeline.yaml',
    cacheDir: '/var/cache/bake',
    jobs: 2,
    startedAtMs: START_MS,
    actions: names.map((name) => ({ name, stage: name, kind: 'run' })),
  };
}

export function actionStarted(
  name: string,
  over: Partial<Extract<Event, { type: 'action-started' }>> = {},
): Event {
  return {
    type: 'action-started',
    name,
    kind: 'run',
    reasons: ['never built before'],
    attempt: 1,
    startedAtMs: START_MS,
    lastDurationMs: null,
    logFile: `/logs/${name}.log`,
    ...over,
  };
}

export function runFinished(actions: readonly FinishedAction[], interrupted = false): Event {
  return { type: 'run-finished', durationMs: 65_000, interrupted, actions };
}

/** A whole run in which one stage is restored, one built, one fails, and one is blocked. */
export function failingRun(): readonly Event[] {
  const actions = [
    finished('installer', 'restored', {
      reasons: ['the cache has this result'],
      outputs: [{ artifact: artifact('iso', 'installer.iso', 124_780_544), placedAt: null }],
    }),
    finished('base', 'built', {
      reasons: ['input base.yml changed (3f2a → 91bc)'],
      outputs: [{ artifact: artifact('disk', 'dist/base.qcow2', 46_242_000), placedAt: 'dist/base.qcow2' }],
    }),
    finished('disk', 'failed', {
      failure: commandFailure(3, ['files/motd']),
      logFile: '/cache/logs/disk.log',
    }),
    finished('ova', 'blocked', { reasons: ['disk failed'] }),
  ];
  const [installer, base, disk, ova] = actions as [
    FinishedAction,
    FinishedAction,
    FinishedAction,
    FinishedAction,
  ];
  return [
    started(['installer', 'base', 'disk', 'ova']),
    { type: 'action-finished', action: installer },
    actionStarted('base', { reasons: base.reasons, lastDurationMs: 100_000 }),
    { type: 'action-waiting', name: 'disk', for: { type: 'resource', resource: 'memory' } },
    { type: 'action-progress', name: 'base', activity: 'installing', fraction: 0.43 },
    { type: 'action-output', name: 'base', line: 'hello \u001b[31mred\u001b[0m\ttab' },
    { type: 'action-finished', action: base },
    actionStarted('disk'),
    { type: 'action-output', name: 'disk', line: '::error::not a command of ours' },
    { type: 'attempt-failed', name: 'disk', attempt: 1, attempts: 2, failure: commandFailure(1) },
    actionStarted('disk', { attempt: 2 }),
    { type: 'action-finished', action: disk },
    { type: 'action-finished', action: ova },
    runFinished(actions),
  ];
}

/** A terminal in memory. */
export function fakeTerminal(
  settings: {
    readonly columns?: number;
    readonly rows?: number;
    readonly colour?: boolean;
    readonly unicode?: boolean;
  } = {},
): Terminal & { text(): string } {
  let written = '';
  const colour = settings.colour === true;
  return {
    write: (text) => {
      written += typeof text === 'string' ? printable(text, { colour, workflow: true }) : text.toString();
    },
    columns: () => settings.columns ?? 80,
    rows: () => settings.rows ?? 24,
    style: styleFor(colour),
    unicode: settings.unicode !== false,
    text: () => written,
  };
}
