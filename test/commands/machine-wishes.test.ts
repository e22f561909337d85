/** What the user wants of machines: by flag, by variable, and by an answer at a real terminal. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { afterFailureBy, wantsCheckpoints } from '../../src/commands/machine-wishes.ts';
import type { Failure } from '../../src/model/failure.ts';
import { buildProgram } from '../cache/child-program.ts';

const FAILURE: Failure = { code: 'stage-refused', problem: 'the playbook failed', hint: null };

describe('checkpoints', () => {
  it.each([
    [{}, {}, true],
    [{ 'no-checkpoint': true }, {}, false],
    [{}, { BAKE_CHECKPOINT: '0' }, false],
    [{}, { BAKE_CHECKPOINT: 'false' }, false],
    [{}, { BAKE_CHECKPOINT: '1' }, true],
    [{}, { BAKE_CHECKPOINT: '' }, true],
  ])('are wanted with %j and %j: %s', (flags, env, wanted) =>
    expect(wantsCheckpoints({ flags, env })).toBe(wanted),
  );
});

describe('a machine whose work failed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bake-wishes-'));
  let program = '';
  beforeAll(async () => {
    program = await buildProgram(
      directory,
      'ask',
      `import { afterFailureBy } from './src/commands/machine-wishes.ts';
      import { aboveQuestion } from './src/commands/question.ts';
      const signal = new AbortController();
      process.on('SIGINT', () => signal.abort());
      const ask = afterFailureBy({ flags: { 'on-error': 'ask' }, env: process.env, signal: signal.signal } as never);
      const failure = ${JSON.stringify(FAILURE)} as const;
      if (process.argv[2] === 'early') {
        // Signals alone keep no process alive.
        const waiting = setInterval(() => undefined, 60_000);
        const told = new Promise((done) => process.once('SIGUSR2', done));
        console.log('pid ' + process.pid + ':');
        await told;
        clearInterval(waiting);
        process.once('SIGUSR2', () => aboveQuestion(() => console.log('news')));
      }
      const answers = await Promise.all([ask('one', failure), ask('two', failure)]);
      console.log('answers: ' + answers.join());`,
    );
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const byFlag = (value?: string) =>
    afterFailureBy({ flags: { 'on-error': value }, env: {}, signal: new AbortController().signal })(
      'a',
      FAILURE,
    );

  function atTerminal(...words: readonly string[]) {
    const command = [process.execPath, program, ...words].map((word) => `'${word}'`).join(' ');
    return spawn('script', ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** Runs the program at a terminal, and types the next answer at each question. */
  function answered(...answers: readonly string[]): Promise<string> {
    const child = atTerminal();
    const left = [...answers];
    let shown = '';
    let seen = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
      for (const questions = shown.split('[y/N]').length - 1; seen < questions; seen++)
        child.stdin.write(left.shift() ?? '');
    });
    return new Promise((resolve) => child.on('close', () => resolve(shown)));
  }

  it('is ended unless something else was said', async () => {
    expect(await byFlag()).toBe('end');
    expect(await byFlag('stop')).toBe('end');
    expect(await byFlag('keep-vm')).toBe('keep');
  });

  it('is asked about at a terminal, one after the other', async () => {
    const shown = await answered('y\r', '\r');
    expect(shown).toContain('one: the playbook failed');
    expect(shown).toContain('answers: keep,end');
  });

  it('is asked about again after an answer that says neither yes nor no', async () => {
    expect(await answered('keep\r', 'yes\r', 'n\r')).toContain('answers: keep,end');
  });

  it('is asked about whatever was typed before and is written meanwhile', async () => {
    const child = atTerminal('early');
    const toDo: [RegExp, (match: RegExpExecArray) => void][] = [
      [/pid \d+:/, () => child.stdin.write('y\r')],
      // The terminal has taken what was typed: it repeats it.
      [/pid (\d+):\s+y/, ([, pid]) => process.kill(Number(pid), 'SIGUSR2')],
      [/pid (\d+):[\s\S]*one: [\s\S]*\[y\/N\]/, ([, pid]) => process.kill(Number(pid), 'SIGUSR2')],
      [/news\r\n.*Keep its machine\? \[y\/N\]/, () => child.stdin.write('n\r')],
      [/two: [\s\S]*\[y\/N\]/, () => child.stdin.write('n\r')],
    ];
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
      const match = toDo[0]?.[0].exec(shown);
      if (match) toDo.shift()?.[1](match);
    });
    await new Promise((resolve) => child.on('close', resolve));
    expect(shown).toContain('answers: end,end');
  });

  it('is ended at Ctrl-D, which answers one question alone', async () => {
    expect(await answered('\u0004', 'y\r')).toContain('answers: end,keep');
  });

  it('is ended at Ctrl-C, which ends the questions too', async () => {
    expect(await answered('\u0003')).toContain('answers: end,end');
  });
});
