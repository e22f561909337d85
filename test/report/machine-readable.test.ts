/** What programs read of a run: JSON lines, GitHub's commands, Chrome's trace. */
import { describe, expect, it } from 'vitest';
import type { Location } from '../../src/model/location.ts';
import { annotation, group } from '../../src/report/github.ts';
import { jsonReporter } from '../../src/report/json.ts';
import { traceReporter } from '../../src/report/trace.ts';
import {
  actionStarted,
  commandFailure,
  failingRun,
  fakeTerminal,
  finished,
  runFinished,
  START_MS,
  started,
} from './story.ts';

describe('JSON lines', () => {
  async function lines() {
    let text = '';
    const reporter = jsonReporter((written) => {
      text += written;
    });
    for (const event of failingRun()) reporter.on(event);
    await reporter.close();
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('are one event each, with the version in the first', async () => {
    const all = await lines();
    expect(all.map((line) => line['type'])).toEqual(failingRun().map((event) => event.type));
    expect(all[0]).toMatchObject({ schemaVersion: 1, type: 'run-started', pipeline: 'tiny' });
    expect(all.slice(1).filter((line) => 'schemaVersion' in line)).toEqual([]);
  });

  it('carry failures with their code, facts and words', async () => {
    const failure = {
      code: 'command-failed',
      exitCode: 2,
      message: 'a command ended with exit status 2',
      hint: 'declare what it needs: `inputs: [files/motd]`',
    };
    const all = await lines();
    expect(all.find((line) => line['type'] === 'attempt-failed')).toMatchObject({
      failure: { code: 'command-failed' },
    });
    expect(all.at(-1)).toMatchObject({
      type: 'run-finished',
      actions: [{}, {}, { failure }, { failure: null }],
    });
  });
});

describe('an annotation for GitHub', () => {
  const location: Location = { file: 'a,b:c%.yaml', line: 3, column: 5, length: 4, text: 'x' };

  it('escapes what its syntax would eat', () => {
    const failure = {
      code: 'yaml-syntax',
      location,
      problem: '100% wrong:\nreally, yes',
      hint: null,
    } as const;
    expect(String(annotation('error', failure, null))).toBe(
      '::error file=a%2Cb%3Ac%25.yaml,line=3,col=5,endColumn=9,title=yaml-syntax::100%25 wrong:%0Areally, yes\n',
    );
  });

  it('has the end of the output of a command', () => {
    expect(String(annotation('error', commandFailure(9), 'disk'))).toContain('%0Aoutput line 5%0A');
    expect(String(annotation('error', commandFailure(9), 'disk'))).not.toContain('output line 4');
  });
});

describe('a group for GitHub', () => {
  it('has nothing between its two commands that is one', () => {
    const terminal = fakeTerminal();
    for (const text of group('a\nb', ['  ::stop-commands::x', '##[error]y', 'fine ::error::']))
      terminal.write(text);
    expect(terminal.text()).toBe(
      '::group::a%0Ab\n  \\::stop-commands::x\n##\\[error]y\nfine ::error::\n::endgroup::\n',
    );
  });
});

describe('a trace', () => {
  it('gives every action that ran at the same time a lane of its own, with its activities inside', async () => {
    let nowMs = START_MS;
    let saved = '';
    const trace = traceReporter(
      () => nowMs,
      async (json) => {
        saved = json;
      },
    );
    const actions = [
      finished('a', 'built', { startedAtMs: START_MS, durationMs: 1000 }),
      finished('b', 'built', { startedAtMs: START_MS + 500, durationMs: 1000 }),
      finished('c', 'built', { startedAtMs: START_MS + 1000, durationMs: 1000 }),
      finished('d', 'blocked', { startedAtMs: START_MS + 1000, durationMs: 0 }),
    ];
    trace.on(started(['a', 'b', 'c', 'd']));
    trace.on(actionStarted('a'));
    trace.on({ type: 'action-progress', name: 'a', activity: 'download', fraction: 0.1 });
    nowMs += 400;
    trace.on({ type: 'action-progress', name: 'a', activity: 'download', fraction: 0.9 });
    trace.on({ type: 'action-progress', name: 'a', activity: 'verify', fraction: null });
    nowMs += 600;
    for (const action of actions) trace.on({ type: 'action-finished', action });
    trace.on(runFinished(actions));
    await trace.close();
    const events = (JSON.parse(saved) as { traceEvents: Record<string, unknown>[] }).traceEvents;
    const spans = events
      .filter((event) => event['ph'] === 'X')
      .map(({ name, tid, ts, dur }) => [name, tid, ts, dur]);
    expect(spans).toEqual([
      ['a', 1, 0, 1_000_000],
      ['download', 1, 0, 400_000],
      ['verify', 1, 400_000, 600_000],
      ['b', 2, 500_000, 1_000_000],
      ['c', 1, 1_000_000, 1_000_000],
    ]);
  });
});
