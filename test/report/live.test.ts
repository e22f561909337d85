/** The terminal view in a real pseudo-terminal, as tmux sees it. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Event } from '../../src/model/event.ts';
import { without } from '../support/without.ts';
import type { Told } from './live-program.ts';
import { actionStarted, commandFailure, failingRun, finished, runFinished, started } from './story.ts';

const directory = mkdtempSync(join(tmpdir(), 'bake-live-'));
const program = join(directory, 'live-program.mjs');
const closing: (() => void)[] = [];
let opened = 0;

interface Screen {
  tell(...events: readonly Event[]): void;
  tellElse(told: Told): void;
  end(): void;
  interrupt(): void;
  resize(columns: number): void;
  /** What stands on the screen, with what was scrolled away, once it satisfies `is`. */
  shows(is: (text: string) => boolean): Promise<string>;
}

/** Starts the program in a terminal of a server of its own, and connects to it. */
async function open(columns: number, rows = 30): Promise<Screen> {
  const name = `bake-${process.pid}-${++opened}`;
  const tmux = (...args: readonly string[]) =>
    execFileSync('tmux', ['-f', '/dev/null', '-L', name, ...args], { encoding: 'utf8', stdio: 'pipe' });
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const connected = once(server, 'connection') as Promise<[Socket]>;
  tmux(
    'new-session',
    '-d',
    '-x',
    `${columns}`,
    '-y',
    `${rows}`,
    `env LC_ALL=C.UTF-8 '${process.execPath}' '${program}' ${port}; echo "status $?"; cat`,
  );
  closing.push(() => {
    server.close();
    tmux('kill-server');
  });
  const [socket] = await connected;
  return {
    tell: (...events) => {
      for (const event of events) socket.write(`${JSON.stringify({ event } satisfies Told)}\n`);
    },
    tellElse: (told) => socket.write(`${JSON.stringify(told)}\n`),
    end: () => socket.end(),
    interrupt: () => tmux('send-keys', 'C-c'),
    resize: (width) => tmux('resize-window', '-x', `${width}`),
    shows: (is) =>
      vi.waitFor(
        () => {
          const text = tmux('capture-pane', '-p', '-S', '-500').replace(/\n+$/, '\n');
          if (!is(text)) throw new Error(`the screen shows:\n${text}`);
          return text;
        },
        { timeout: 20_000, interval: 50 },
      ),
  };
}

/** Times of this machine do not belong into a golden. */
function masked(text: string): string {
  return text.replace(/\b\d+(\.\d+)?s\b|\b\d+m\d\ds\b/g, 'TIME');
}

beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, 'live-program.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.17',
    banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
    logLevel: 'error',
  });
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(without.tmux)('the view on a terminal', () => {
  it('moves while stages run, and leaves a line for each, the failure and the summary', async () => {
    const screen = await open(80, 40);
    const events = failingRun();
    const half = events.findIndex(
      (event) => event.type === 'action-finished' && event.action.name === 'base',
    );
    screen.tell(...events.slice(0, half));
    await screen.shows(
      (text) => /base\s+installing: hello red {2}tab.*43%/.test(text) && text.includes('1 of 4 done'),
    );
    screen.tell(...events.slice(half));
    screen.end();
    const last = await screen.shows((text) => text.includes('status 0'));
    expect(masked(last)).toMatchInlineSnapshot(`
      "↓ installer  restored, saved TIME  the cache has this result
      ✔ base       built in TIME  input base.yml changed (3f2a → 91bc)
      ↻ disk: attempt 1 of 2 failed: a command ended with exit status 2; trying again
      ✖ disk       failed after TIME
      - ova        blocked  disk failed

      ✖ disk failed after TIME: a command ended with exit status 2 [command-failed]

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

      failed: disk (failed 1, blocked 1, built 1, restored 1 in TIME)
        dist/base.qcow2  44.1 MiB
      status 0
      "
    `);
  });

  it.each([40, 200])('leaves nothing behind on %d columns, however often it draws', async (columns) => {
    const screen = await open(columns);
    screen.tell(
      started(['a-stage-with-quite-a-long-name', 'ビルド']),
      actionStarted('a-stage-with-quite-a-long-name'),
      actionStarted('ビルド'),
    );
    for (let part = 0; part < 5; part++) {
      screen.tell({ type: 'action-output', name: 'ビルド', line: `第${part}部 ${'長い'.repeat(80)}` });
      await screen.shows((text) => text.includes(`第${part}部`));
    }
    const actions = [finished('a-stage-with-quite-a-long-name', 'built'), finished('ビルド', 'built')];
    screen.tell(
      ...actions.map((action) => ({ type: 'action-finished', action }) as const),
      runFinished(actions),
    );
    screen.end();
    const text = await screen.shows((shown) => shown.includes('status 0'));
    expect(text.trimEnd().split('\n')).toHaveLength(4);
    expect(text).not.toContain('長い');
  });

  it('keeps what others write to the terminal until it is done', async () => {
    const screen = await open(80);
    screen.tell(started(['a']), actionStarted('a'));
    screen.tellElse({ stray: 'a stray warning' });
    await screen.shows((text) => text.includes('1 running'));
    const action = finished('a', 'built');
    screen.tell({ type: 'action-finished', action }, runFinished([action]));
    screen.end();
    const lines = (await screen.shows((text) => text.includes('status 0'))).split('\n');
    expect(lines.slice(1)).toEqual(['done in 1m05s: built 1', 'a stray warning', 'status 0', '']);
  });

  it('says one line when there was nothing to do', async () => {
    const screen = await open(80);
    const actions = [finished('a', 'fresh'), finished('b', 'fresh')];
    screen.tell(
      started(['a', 'b']),
      ...actions.map((action) => ({ type: 'action-finished', action }) as const),
      runFinished(actions),
    );
    screen.end();
    expect(await screen.shows((text) => text.includes('status 0'))).toBe(
      'nothing to do: 2 stages fresh (1m05s)\nstatus 0\n',
    );
  });

  it('gives only failures a line when there are hundreds of stages', async () => {
    const screen = await open(80);
    const names = Array.from({ length: 300 }, (_, index) => `s${index}`);
    const actions = names.map((name) =>
      name === 's9' ? finished(name, 'failed', { failure: commandFailure(0) }) : finished(name, 'built'),
    );
    screen.tell(started(names), ...actions.map((action) => ({ type: 'action-finished', action }) as const));
    await screen.shows((text) => text.includes('300 of 300 done'));
    screen.tell(runFinished(actions));
    screen.end();
    const text = await screen.shows((shown) => shown.includes('status 0'));
    expect(text.split('\n').filter((line) => /^\S s\d+ /.test(line))).toEqual([
      '✖ s9    failed after 12s',
      '✖ s9 failed after 12s: a command ended with exit status 2 [command-failed]',
    ]);
  });

  it('says that it stops, and gives the cursor back when bake ends without a word', async () => {
    const screen = await open(80);
    screen.tell(started(['a']), actionStarted('a'));
    await screen.shows((text) => text.includes('1 running'));
    screen.interrupt();
    await screen.shows((text) => text.includes('stopping; Ctrl-C again ends at once'));
    screen.tellElse({ crash: true });
    const text = await screen.shows((shown) => shown.includes('status 70'));
    expect(text).not.toContain('1 running');
  });

  it('stays tidy when the terminal becomes narrow under it', async () => {
    const screen = await open(100);
    screen.tell(started(['a', 'b']), actionStarted('a'), actionStarted('b', { lastDurationMs: 60_000 }));
    await screen.shows((text) => text.includes('last time 1m00s'));
    screen.resize(50);
    await screen.shows((text) => !text.includes('last time'));
    const actions = [finished('a', 'built'), finished('b', 'built')];
    screen.tell(
      ...actions.map((action) => ({ type: 'action-finished', action }) as const),
      runFinished(actions),
    );
    screen.end();
    const text = await screen.shows((shown) => shown.includes('status 0'));
    expect(text.match(/built in/g)).toHaveLength(2);
    expect(text).not.toContain('running');
  });
});
