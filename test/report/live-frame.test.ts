/** Frames of the terminal view in every width: nothing may wrap. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { styleFor } from '../../src/report/ansi.ts';
import type { Canvas } from '../../src/report/live-frame.ts';
import { finishedLine, frameLines, nameColumns } from '../../src/report/live-frame.ts';
import type { LiveState } from '../../src/report/live-state.ts';
import {
  emptyLiveState,
  noteFinished,
  noteOutput,
  noteProgress,
  noteStarted,
  noteWaiting,
} from '../../src/report/live-state.ts';
import { signsFor } from '../../src/report/terminal.ts';
import { displayWidth } from '../../src/report/width.ts';
import { commandFailure, finished, START_MS, started } from './story.ts';

function canvas(columns: number, rows = 24, unicode = true): Canvas {
  return { columns, rows, style: styleFor(false), signs: signsFor({ unicode }) };
}

function start(
  state: LiveState,
  name: string,
  startedAtMs: number,
  lastDurationMs: number | null = null,
): void {
  noteStarted(state, {
    type: 'action-started',
    name,
    kind: 'run',
    reasons: [],
    attempt: 1,
    startedAtMs,
    lastDurationMs,
    logFile: '/x',
  });
}

/** Half-way through a run: one stage with progress, one with output only, one that waits, one that failed. */
function midRun(): LiveState {
  const state = emptyLiveState();
  const run = started(['installer', 'qemu-install', 'ansible-provision', 'イメージ', 'ova', 'box']);
  if (run.type === 'run-started') state.run = run;
  noteFinished(state, finished('installer', 'built'));
  noteFinished(state, finished('box', 'failed', { failure: commandFailure(0) }));
  start(state, 'qemu-install', START_MS, 100_000);
  noteProgress(
    state,
    { type: 'action-progress', name: 'qemu-install', activity: 'installing', fraction: 0.43 },
    START_MS,
  );
  noteOutput(state, {
    type: 'action-output',
    name: 'qemu-install',
    line: '[   12.3] \u001b[32msystemd\u001b[0m: started',
  });
  start(state, 'イメージ', START_MS + 60_000);
  noteOutput(state, { type: 'action-output', name: 'イメージ', line: '日本語の出力' });
  noteWaiting(
    state,
    {
      type: 'action-waiting',
      name: 'ova',
      for: {
        type: 'other-builder',
        pid: 42,
        host: 'box',
        directory: '/home/u/checkout',
        activity: 'packing 12%',
      },
    },
    START_MS + 30_000,
  );
  return state;
}

const NOW_MS = START_MS + 72_000;

describe('a frame', () => {
  it('on 80 columns shows activity, progress, elapsed and last time', () => {
    expect(frameLines(midRun(), NOW_MS, 0, canvas(80)).join('\n')).toMatchInlineSnapshot(`
      "⠋ qemu-install  installing: [   12.3]…   ████░░░░░░ 43%  1m12s, last time 1m40s
      ⠋ イメージ      日本語の出力                                                12s
      ◌ ova           waiting for process 42 on box, which builds the same in /…  42s
        2 of 6 done · 1m12s · 1 failed · 2 running · 1 waiting"
    `);
  });

  it('on 40 columns keeps names, progress and time', () => {
    expect(frameLines(midRun(), NOW_MS, 0, canvas(40)).join('\n')).toMatchInlineSnapshot(`
      "⠋ qemu-install  installing…  43%  1m12s
      ⠋ イメージ      日本語の出力        12s
      ◌ ova           waiting for proce…  42s
        2 of 6 done · 1m12s · 1 failed · 2 r…"
    `);
  });

  it('on 200 columns stays together', () => {
    expect(frameLines(midRun(), NOW_MS, 0, canvas(200)).join('\n')).toMatchInlineSnapshot(`
      "⠋ qemu-install  installing: [   12.3] systemd: started                            ████░░░░░░ 43%  1m12s, last time 1m40s
      ⠋ イメージ      日本語の出力                                                                                         12s
      ◌ ova           waiting for process 42 on box, which builds the same in /home/u/checkout: packing 12%                42s
        2 of 6 done · 1m12s · 1 failed · 2 running · 1 waiting"
    `);
  });

  it('is ASCII where nothing else can be shown', () => {
    const state = emptyLiveState();
    start(state, 'disk', START_MS);
    noteProgress(
      state,
      { type: 'action-progress', name: 'disk', activity: 'copying', fraction: 0.5 },
      START_MS,
    );
    expect(frameLines(state, NOW_MS, 1, canvas(80, 24, false)).join('\n')).toMatch(/^[\n -~]*$/);
  });

  it('never reaches the last column, nor the height of the terminal', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 60 });
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 220 }),
        fc.integer({ min: 6, max: 60 }),
        fc.array(fc.tuple(text, text, fc.option(fc.double({ min: -1, max: 2, noNaN: true }))), {
          maxLength: 80,
        }),
        (columns, rows, actions) => {
          const state = emptyLiveState();
          for (const [index, [name, activity, fraction]] of actions.entries()) {
            start(state, `${index}${name.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '')}`, START_MS, index * 1000);
            const key = [...state.active.keys()].at(-1) as string;
            noteProgress(state, { type: 'action-progress', name: key, activity, fraction }, START_MS);
          }
          const lines = frameLines(state, NOW_MS, 3, canvas(columns, rows));
          expect(lines.length).toBeLessThan(rows);
          for (const line of lines) expect(displayWidth(line)).toBeLessThan(columns);
        },
      ),
    );
  });

  it('says what is hidden when more run than fit', () => {
    const state = emptyLiveState();
    for (let index = 0; index < 40; index++) start(state, `stage-${index}`, START_MS);
    const lines = frameLines(state, NOW_MS, 0, canvas(80, 12));
    expect(lines).toHaveLength(9);
    expect(lines.at(-2)).toBe('  and 33 more running');
    expect(lines.at(-1)).toContain('40 running');
  });

  it('says that it is stopping', () => {
    const state = midRun();
    state.stopping = true;
    expect(frameLines(state, NOW_MS, 0, canvas(80)).at(-1)).toContain('stopping; Ctrl-C again ends at once');
  });

  it('keeps the clock of the first attempt', () => {
    const state = emptyLiveState();
    start(state, 'a', START_MS);
    noteStarted(state, {
      type: 'action-started',
      name: 'a',
      kind: 'run',
      reasons: [],
      attempt: 2,
      startedAtMs: START_MS + 60_000,
      lastDurationMs: null,
      logFile: '/x',
    });
    expect(frameLines(state, NOW_MS, 0, canvas(80))[0]).toMatch(/attempt 2:.*1m12s$/);
  });
});

describe('the line of a finished stage', () => {
  const action = finished('disk', 'restored', {
    reasons: ['input a/very/long/name.yml changed', 'and more'],
  });

  it('has sign, name, outcome, and as much of the reason as fits', () => {
    expect(finishedLine(action, 10, canvas(200))).toMatchInlineSnapshot(
      `"↓ disk        restored, saved 1m40s  input a/very/long/name.yml changed; and more"`,
    );
    expect(finishedLine(action, 10, canvas(60))).toMatchInlineSnapshot(
      `"↓ disk        restored, saved 1m40s  input a/very/long/nam…"`,
    );
    expect(finishedLine(action, 10, canvas(40))).toMatchInlineSnapshot(
      `"↓ disk        restored, saved 1m40s"`,
    );
  });

  it('gives names at most two fifths of the width', () => {
    expect(nameColumns(['a'.repeat(100)], canvas(81))).toBe(32);
    expect(nameColumns(['disk', 'ova'], canvas(81))).toBe(4);
  });
});
