/** Stories about what goes wrong: the right status, the right words, nothing wrong stored, nothing left behind. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ownPath } from '../support/own-place.ts';
import type { Checkout } from '../support/rig.ts';
import { Rig } from '../support/rig.ts';

/** A pipeline of `run` stages out of `name: lines of YAML`. */
function pipeline(stages: Readonly<Record<string, string>>): string {
  const parts = Object.entries(stages).map(([name, body]) => `  ${name}:\n${body.replace(/^/gm, '    ')}`);
  return `bake: 1\nname: story\nstages:\n${parts.join('\n')}\n`;
}

/** Whether a process still runs: one that has ended but that nobody has asked about is not alive. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

/** Waits until a process is gone: it is killed from elsewhere, so there is no event to wait for. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((done) => setTimeout(done, 10));
}

/** Workspaces that are left in the default cache of a checkout. */
function workspaces(here: Checkout): readonly string[] {
  const directory = ownPath(here.path('cache'), 'work');
  return existsSync(directory) ? readdirSync(directory) : [];
}

it('tells of a failed command: status, words, the last lines; stores nothing', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({ bad: 'run: echo about to fail; exit 7\noutputs: { x: x }' }),
  });
  const run = await here.run();
  expect(run.code).toBe(1);
  expect(run.stages['bad']?.failure).toMatchObject({ code: 'command-failed', exitCode: 7 });
  expect(run.stdout).toContain('about to fail');
  expect(run.stdout).toContain('exit status 7');
  expect(run.stdout).toContain('nothing was stored');
  expect((await here.run()).outcomes).toEqual({ bad: 'failed' });
  expect(workspaces(here)).toEqual([]);
});

it('names the input that was not declared, and the line that declares it', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({ peek: 'run: cat data/secret.txt > x\noutputs: { x: x }' }),
    'data/secret.txt': 'x',
  });
  const run = await here.run();
  expect(run.stages['peek']?.failure).toMatchObject({ undeclared: ['data/secret.txt'] });
  expect(run.stdout).toContain('inputs: [data/secret.txt]');
});

it('blocks what comes after a failure, and goes on with the rest only when told to', async () => {
  await using rig = await Rig.make();
  const stages = {
    bad: 'run: exit 1\noutputs: { x: x }',
    after: 'run: cat ${{ stages.bad.outputs.x }}',
    other: 'run: "true"\nneeds: [slow]',
    slow: 'run: wait-here',
  };
  rig.tools.make('wait-here');
  const here = rig.checkout('here', { 'pipeline.yaml': pipeline(stages) });
  const stopping = here.startRun(['-j2', '--reporter', 'plain']);
  const call = await rig.tools.next('wait-here');
  await stopping.running.says(/bad failed/);
  await call.exit(0);
  const stopped = await stopping.run;
  // What runs is let finish; nothing new is begun.
  expect(stopped.outcomes).toEqual({ bad: 'failed', after: 'blocked', slow: 'built', other: 'cancelled' });
  expect(stopped.code).toBe(1);
  const going = await here.run(['--keep-going']);
  expect(going.outcomes).toEqual({ bad: 'failed', after: 'blocked', slow: 'fresh', other: 'built' });
});

it('says which output is missing, and what was left instead', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({ a: 'run: touch result.imag\noutputs: { image: result.img }' }),
  });
  const run = await here.run();
  expect(run.stages['a']?.failure).toMatchObject({ code: 'output-missing', found: ['result.imag'] });
  expect(run.code).toBe(1);
});

it('refuses an output that is a link, or lies behind one', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({
      link: 'run: ln -s /etc/hostname out1\noutputs: { out: out1 }',
      behind: 'run: rmdir dir; ln -s /etc dir\noutputs: { out: dir/hostname }',
      pipe: 'run: mkfifo out2\noutputs: { out: out2 }',
    }),
  });
  const run = await here.run(['--keep-going']);
  expect(run.stages['link']?.failure?.code).toBe('output-is-symlink');
  expect(run.stages['behind']?.failure?.code).toBe('output-is-symlink');
  expect(run.stages['pipe']?.failure?.code).toBe('output-not-a-file');
});

it('stores nothing when an input is edited while the stage runs', async () => {
  await using rig = await Rig.make();
  rig.tools.make('compile');
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({ a: 'run: compile\ninputs: [in.txt]\noutputs: { out: out.txt }' }),
    'in.txt': 'before',
  });
  const { run } = here.startRun();
  const call = await rig.tools.next('compile');
  here.write({ 'in.txt': 'after!' });
  await call.write('out.txt', 'made of what?');
  await call.exit(0);
  const raced = await run;
  expect(raced.stages['a']?.failure).toMatchObject({ code: 'input-changed', files: ['in.txt'] });
  expect(here.has('out.txt')).toBe(false);
  here.write({ 'in.txt': 'before' });
  const again = here.startRun();
  const second = await rig.tools.next('compile');
  await second.write('out.txt', 'clean');
  await second.exit(0);
  expect((await again.run).outcomes).toEqual({ a: 'built' });
});

it('ends a stage at its time limit, with everything it had started', async () => {
  await using rig = await Rig.make();
  rig.tools.make('linger');
  const here = rig.checkout('here', { 'pipeline.yaml': pipeline({ a: 'run: linger\ntimeout: 2s' }) });
  const { run } = here.startRun();
  const call = await rig.tools.next('linger');
  await call.print('still here\n');
  const grandchild = await call.grandchild();
  await call.ignore('SIGTERM');
  const ended = await run;
  expect(ended.stages['a']?.failure).toMatchObject({ code: 'stage-timeout', timeoutMs: 2000 });
  expect(ended.code).toBe(1);
  expect(isAlive(grandchild)).toBe(false);
});

it('tries again as often as it is told, each time in an empty workspace', async () => {
  await using rig = await Rig.make();
  rig.tools.make('flaky');
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({ a: 'run: test ! -e left && flaky\nretries: 1\noutputs: { out: out }' }),
  });
  const { run } = here.startRun();
  const first = await rig.tools.next('flaky');
  await first.write('left', 'x');
  await first.exit(1);
  const second = await rig.tools.next('flaky');
  await second.write('out', 'x');
  await second.exit(0);
  expect((await run).outcomes).toEqual({ a: 'built' });
  expect(rig.tools.count('flaky')).toBe(2);
});

it('stops cleanly at Ctrl-C: children ended, nothing stored, status 130, summary written', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({
      a: 'run: work\noutputs: { out: out }',
      b: 'run: cat ${{ stages.a.outputs.out }}',
    }),
  });
  const { running, run } = here.startRun();
  const call = await rig.tools.next('work');
  const grandchild = await call.grandchild();
  await call.write('out', 'half');
  running.kill('SIGINT');
  const ended = await run;
  expect(ended.code).toBe(130);
  expect(ended.outcomes).toEqual({ a: 'cancelled', b: 'cancelled' });
  expect([isAlive(call.pid), isAlive(grandchild)]).toEqual([false, false]);
  expect(workspaces(here)).toEqual([]);
  const again = here.startRun();
  const second = await rig.tools.next('work');
  await second.write('out', 'whole');
  await second.exit(0);
  expect((await again.run).outcomes).toEqual({ a: 'built', b: 'built' });
});

it('leaves no process and nothing wrong behind when it is killed outright; the next run just works', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  const here = rig.checkout('here', { 'pipeline.yaml': pipeline({ a: 'run: work\noutputs: { out: out }' }) });
  const { running, run } = here.startRun();
  const call = await rig.tools.next('work');
  await call.write('out', 'half');
  const grandchild = await call.grandchild();
  running.kill('SIGKILL');
  await run;
  await gone(call.pid);
  await gone(grandchild);
  const again = here.startRun();
  const second = await rig.tools.next('work');
  await second.write('out', 'whole');
  await second.exit(0);
  const ended = await again.run;
  expect(ended.outcomes).toEqual({ a: 'built' });
  expect(here.read('out')).toBe('whole');
  expect(workspaces(here)).toEqual([]);
});

it('notices a stage that writes into what it was given, and saves the cache from it', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({
      a: 'run: echo good > out\noutputs: { out: out }',
      b: 'run: |\n  chmod u+w ${{ stages.a.outputs.out }}\n  echo evil > ${{ stages.a.outputs.out }}',
      c: 'run: cat ${{ stages.a.outputs.out }} > c\nneeds: [b]\noutputs: { c: c }',
    }),
  });
  const run = await here.run();
  expect(run.stages['b']?.failure?.code).toBe('upstream-damaged');
  here.write({
    'pipeline.yaml': pipeline({
      a: 'run: echo good > out\noutputs: { out: out }',
      c: 'run: cat ${{ stages.a.outputs.out }} > c\noutputs: { c: c }',
    }),
  });
  const mended = await here.run();
  expect(mended.outcomes).toEqual({ a: 'built', c: 'built' });
  expect(here.read('c')).toBe('good\n');
});

it('finds everything that is missing before anything runs', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', {
    'pipeline.yaml': pipeline({
      a: 'run: touch ran; touch x\noutputs: { x: x }\ninputs: [nothing.txt]',
      b: 'run: "true"\ninputs: [realy.txt]',
      c: 'run: "true"\ntools: [no-such-tool]',
    }),
    'really.txt': '',
  });
  const run = await here.run();
  expect(run.code).toBe(3);
  expect(run.stderr).toContain('`nothing.txt` matches no file');
  expect(run.stderr).toContain('really.txt');
  expect(run.stderr).toContain('no-such-tool');
  expect(run.outcomes).toEqual({});
  expect(here.has('cache')).toBe(false);
});
