/** The last words of a run. */
import { describe, expect, it } from 'vitest';
import type { FinishedAction } from '../../src/model/event.ts';
import { styleFor } from '../../src/report/ansi.ts';
import { nothingToDoLines, summaryLines } from '../../src/report/summary.ts';
import { artifact, commandFailure, finished } from './story.ts';

function summary(actions: readonly FinishedAction[], interrupted = false, file = 'pipeline.yaml'): string {
  return summaryLines({ file, durationMs: 65_000, interrupted, actions }, styleFor(false)).join('\n');
}

const OVA = [{ artifact: artifact('ova', 'dist/tiny.ova', 46_242_000), placedAt: 'dist/tiny.ova' }];

describe('the summary of a run', () => {
  it('counts what ran and what was saved, and says where the outputs are', () => {
    const actions = [
      finished('a', 'fresh'),
      finished('b', 'restored'),
      finished('c', 'built', { outputs: OVA }),
    ];
    expect(summary(actions)).toMatchInlineSnapshot(`
      "done in 1m05s: built 1, restored 1, fresh 1; saved 3m20s
        dist/tiny.ova  44.1 MiB"
    `);
  });

  it('is as short when there was nothing to do, and the same from the quick way', () => {
    const actions = [finished('a', 'fresh'), finished('b', 'fresh', { outputs: OVA })];
    expect(summary(actions)).toMatchInlineSnapshot(`
      "nothing to do: 2 stages fresh (1m05s)
        dist/tiny.ova  44.1 MiB"
    `);
    const quick = nothingToDoLines(
      {
        file: 'pipeline.yaml',
        durationMs: 65_000,
        stages: 2,
        outputs: [{ path: 'dist/tiny.ova', sizeBytes: 46_242_000 }],
      },
      styleFor(false),
    );
    expect(quick.join('\n')).toBe(summary(actions));
  });

  it('names what failed before all else', () => {
    const actions = [
      finished('a', 'built'),
      finished('b', 'failed', { failure: commandFailure(0) }),
      finished('c', 'blocked'),
    ];
    expect(summary(actions)).toMatchInlineSnapshot(`"failed: b (failed 1, blocked 1, built 1 in 1m05s)"`);
  });

  it('says that it was interrupted', () => {
    expect(summary([finished('a', 'built'), finished('b', 'cancelled')], true)).toMatchInlineSnapshot(
      `"interrupted after 1m05s: cancelled 1, built 1"`,
    );
    expect(summary([], true)).toBe('interrupted after 1m05s: nothing had started');
  });

  it('counts the steps of one stage as one stage', () => {
    const steps = ['base', 'app'].map((step) => finished(`p@${step}`, 'fresh', { stage: 'p' }));
    expect(summary(steps)).toBe('nothing to do: 1 stage fresh (1m05s)');
  });

  it('shows outputs from where the user is', () => {
    const actions = [finished('a', 'built', { outputs: OVA })];
    expect(summary(actions, false, 'images/pipeline.yaml')).toContain('  images/dist/tiny.ova  44.1 MiB');
    expect(summary(actions, false, './pipeline.yaml')).toContain('  dist/tiny.ova  44.1 MiB');
  });

  it('does not list hundreds of outputs', () => {
    const outputs = Array.from({ length: 300 }, (_, index) => ({
      artifact: artifact(`o${index}`, `o${index}`, 1),
      placedAt: `o${index}`,
    }));
    const lines = summary([finished('a', 'built', { outputs })]).split('\n');
    expect(lines).toHaveLength(14);
    expect(lines.at(-1)).toBe('  and 288 more');
  });
});
