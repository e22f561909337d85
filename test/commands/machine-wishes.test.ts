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
      const signal = new AbortController();
      process.on('SIGINT', () => signal.abort());
      const ask = afterFailureBy({ flags: { 'on-error': 'ask' }, signal: signal.signal } as never);
      const failure = ${JSON.stringify(FAILURE)} as const;
      const answers = await Promise.all([ask('one', failure), ask('two', failure)]);
      console.log('answers: ' + answers.join());`,
    );
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const byFlag = (value?: string) =>
    afterFailureBy({ flags: { 'on-error': value }, signal: new AbortController().signal })('a', FAILURE);

  /** Runs the program at a terminal, and types the next answer at each question. */
  function answered(...answers: readonly string[]): Promise<string> {
    const command = `'${process.execPath}' '${program}'`;
    const child = spawn('script', ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
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

  it('is ended at Ctrl-C, which ends the questions too', async () => {
    expect(await answered('\u0003')).toContain('answers: end,end');
  });
});
