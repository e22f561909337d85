/** Plain lines: whole outputs for pipes, continuous integration and GitHub. */
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/model/event.ts';
import type { PlainSettings } from '../../src/report/plain.ts';
import { plainReporter } from '../../src/report/plain.ts';
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

async function told(events: readonly Event[], settings: Partial<PlainSettings> = {}): Promise<string> {
  const terminal = fakeTerminal();
  const reporter = plainReporter({
    terminal,
    verbosity: 'normal',
    github: false,
    now: () => START_MS,
    appendStepSummary: null,
    ...settings,
  });
  for (const event of events) reporter.on(event);
  await reporter.close();
  return terminal.text();
}

describe('a run in plain lines', () => {
  it('tells what starts, what ends, and a failure in one screen', async () => {
    expect(await told(failingRun())).toMatchInlineSnapshot(`
      "tiny: 4 stages, 2 at a time, cache /var/cache/bake
      installer: restored, saved 1m40s (the cache has this result)
      base: started (input base.yml changed (3f2a → 91bc)), last time 1m40s
      disk: waiting for memory
      base: built in 12s
      disk: started (never built before)
      disk: attempt 1 of 2 failed: a command ended with exit status 2; trying again
      disk: attempt 2
      ✖ disk failed after 12s: a command ended with exit status 2 [command-failed]

        $ qemu-img convert -O qcow2 in.img out.qcow2

        the last lines of its output:
        │ output line 1
        │ output line 2
        │ output line 3

        its output names files of the checkout that the stage does not declare, so it
        could not see them: files/motd
        hint: declare what it needs: \`inputs: [files/motd]\`
        nothing was stored for this stage
        log: /cache/logs/disk.log
        next: \`bake log disk\` shows its whole output; \`bake run\` goes on from here
      ova: blocked (disk failed)
      failed: disk (failed 1, blocked 1, built 1, restored 1 in 1m05s)
        dist/base.qcow2  44.1 MiB
      "
    `);
  });

  it('shows every line of output when verbose', async () => {
    expect(await told(failingRun(), { verbosity: 'verbose' })).toContain('\nbase | hello red  tab\n');
  });

  it('says only failures and the last line when quiet', async () => {
    const text = await told(failingRun(), { verbosity: 'quiet' });
    expect(text.split('\n')[0]).toMatch(/^✖ disk failed after 12s/);
    expect(text.trimEnd().split('\n').at(-1)).toBe(
      'failed: disk (failed 1, blocked 1, built 1, restored 1 in 1m05s)',
    );
    expect(text).not.toContain('base');
  });

  it('writes no escapes, whatever stages write', async () => {
    expect(await told(failingRun(), { verbosity: 'verbose' })).not.toContain('\u001b');
  });

  it('is one line when there is nothing to do', async () => {
    const actions = [finished('a', 'fresh'), finished('b', 'fresh')];
    const events: Event[] = [
      started(['a', 'b']),
      ...actions.map((action) => ({ type: 'action-finished', action }) as const),
      runFinished(actions),
    ];
    expect(await told(events)).toBe('nothing to do: 2 stages fresh (1m05s)\n');
  });

  it('gives no line to hundreds of stages that came from the cache', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `s${index}`);
    const actions = names.map((name) => finished(name, name === 's7' ? 'built' : 'restored'));
    const events: Event[] = [
      started(names),
      ...actions.map((action) => ({ type: 'action-finished', action }) as const),
      runFinished(actions),
    ];
    expect((await told(events)).split('\n').map((line) => line.split(' ')[0])).toEqual([
      'tiny:',
      's7:',
      'done',
      '',
    ]);
  });

  it('says that a silent stage lives, twice a minute and no more', async () => {
    let nowMs = START_MS;
    const terminal = fakeTerminal();
    const reporter = plainReporter({
      terminal,
      verbosity: 'normal',
      github: false,
      now: () => nowMs,
      appendStepSummary: null,
    });
    reporter.on(started(['a']));
    reporter.on(actionStarted('a'));
    for (let second = 1; second <= 70; second++) {
      nowMs += 1000;
      reporter.on({ type: 'action-progress', name: 'a', activity: 'installing', fraction: second / 100 });
    }
    expect(terminal.text().split('\n').slice(2)).toEqual([
      'a: installing 30% (30s)',
      'a: installing 60% (1m00s)',
      '',
    ]);
  });

  it('says for whom it waits', async () => {
    const text = await told([
      started(['a']),
      {
        type: 'action-waiting',
        name: 'a',
        for: {
          type: 'other-builder',
          pid: 42,
          host: 'box',
          directory: '/home/u/x',
          activity: 'installing 40%',
        },
      },
    ]);
    expect(text).toContain(
      'a: waiting for process 42 on box, which builds the same in /home/u/x: installing 40%\n',
    );
  });
});

describe('a run in plain lines for GitHub Actions', () => {
  it('folds the output of a stage, and disarms commands in it', async () => {
    const text = await told(failingRun(), { github: true });
    expect(text).toContain('::group::base: built in 12s\nhello red  tab\n::endgroup::\n');
    expect(text).toContain('\n\\::error::not a command of ours\n');
  });

  it('annotates the run with the failure', async () => {
    const annotations = (await told(failingRun(), { github: true }))
      .split('\n')
      .filter((line) => line.startsWith('::error'));
    expect(annotations).toHaveLength(1);
    expect(annotations[0]).toMatch(
      /^::error title=disk%3A command-failed::a command ended with exit status 2%0A/,
    );
  });

  it('writes the page of the step', async () => {
    let page = '';
    await told(failingRun(), {
      github: true,
      appendStepSummary: async (markdown) => {
        page += markdown;
      },
    });
    expect(page).toMatchInlineSnapshot(`
      "### tiny

      failed: disk (failed 1, blocked 1, built 1, restored 1 in 1m05s)

      | Stage | Outcome | Time | Why | Outputs |
      |---|---|---|---|---|
      | installer | restored |  | the cache has this result |  |
      | base | built | 12s | input base.yml changed (3f2a → 91bc) | dist/base.qcow2 (44.1 MiB) |
      | disk | failed | 12s | a command ended with exit status 2 |  |
      | ova | blocked |  | disk failed |  |

      "
    `);
  });

  it('keeps no more of an output than a group may show', async () => {
    const lines = Array.from(
      { length: 3000 },
      (_, index) => ({ type: 'action-output', name: 'a', line: `line ${index}` }) as const,
    );
    const text = await told(
      [
        started(['a']),
        actionStarted('a'),
        ...lines,
        { type: 'action-finished', action: finished('a', 'built') },
      ],
      { github: true },
    );
    expect(text).toContain('(1000 lines before these are in the log)\nline 1000\n');
  });

  it('tells an attempt that failed', async () => {
    const text = await told([
      started(['a']),
      actionStarted('a'),
      { type: 'attempt-failed', name: 'a', attempt: 1, attempts: 3, failure: commandFailure(0) },
    ]);
    expect(text).toContain('a: attempt 1 of 3 failed: a command ended with exit status 2; trying again\n');
  });
});
