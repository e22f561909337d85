/** Children: what they print, how they end, and that nothing of them is ever left. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ProcessOptions } from '../../src/host/host.ts';
import { processState, signalGroup } from '../../src/host/process-group.ts';
import { realHost } from '../../src/host/real.ts';
import { buildProgram, startChild } from '../cache/child-program.ts';

const { processes } = realHost();
const env = { PATH: process.env['PATH'] ?? '' };

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bake-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function sh(script: string, options: Partial<ProcessOptions> = {}) {
  const ended = await processes.run('sh', ['-c', script], { cwd: '/', env, ...options });
  if (!ended.ok) throw new Error(JSON.stringify(ended.failure));
  return ended.value;
}

function isGone(pid: number): boolean {
  const state = processState(pid);
  return state === null || state.state === 'Z';
}

/** Resolves when a process is gone; the test's own time-out is the limit. */
async function gone(pid: number): Promise<void> {
  while (!isGone(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('both streams come line by line, whole characters, the last one without a break too', async () => {
  const lines: string[] = [];
  const script = String.raw`printf 'eins\nzw\303'; sleep 0.05; printf '\266lf\r\nvier 10%%\rvier 20%%\n\nend'; printf 'err' >&2`;
  const ended = await sh(script, {
    onLine: (line, stream) => lines.push(`${stream} ${line}`),
    capture: true,
  });
  expect(lines.filter((line) => line.startsWith('stdout'))).toEqual(
    ['eins', 'zwölf', 'vier 10%', 'vier 20%', '', 'end'].map((line) => `stdout ${line}`),
  );
  expect(lines).toContain('stderr err');
  expect(ended.stdout).toBe('eins\nzwölf\r\nvier 10%\rvier 20%\n\nend');
});

test('exit status, signal, input, environment and working directory are what they should be', async () => {
  expect(await sh('exit 7')).toMatchObject({ exitCode: 7, signal: null, timedOut: false, stdout: '' });
  expect(await sh('kill -9 $$')).toMatchObject({ exitCode: null, signal: 'SIGKILL' });
  expect(await sh('cat; pwd', { input: 'in\n', capture: true, cwd: '/usr' })).toMatchObject({
    stdout: 'in\n/usr\n',
  });
  expect(await sh('true', { input: 'x'.repeat(1_000_000) })).toMatchObject({ exitCode: 0 });
  const seen = await processes.run('env', [], { cwd: '/', env: { ...env, ONLY: 'this' }, capture: true });
  expect(seen.ok && seen.value.stdout.split('\n').sort().join()).toBe(`,ONLY=this,PATH=${env.PATH}`);
});

test('a program that is not there and a directory that is not there are told apart', async () => {
  const run = (file: string, cwd: string) => processes.run(file, [], { cwd, env });
  expect(await run('no-such-program', '/')).toMatchObject({
    failure: { errno: 'ENOENT', action: 'start', path: 'no-such-program' },
  });
  expect(await run('true', '/no/such/directory')).toMatchObject({
    failure: { errno: 'ENOENT', path: '/no/such/directory' },
  });
  expect(await run('/etc/passwd', '/')).toMatchObject({ failure: { errno: 'EACCES' } });
});

test('nothing is started once the signal has fired', async () => {
  const signal = AbortSignal.abort();
  expect(await processes.run('true', [], { cwd: '/', env, signal })).toMatchObject({
    failure: { errno: 'ECANCELED' },
  });
});

test('silence that is too long ends it; saying something in time does not', async () => {
  const talking = await sh('for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done; exec sleep 1000', {
    idleTimeoutMs: 1_000,
    capture: true,
  });
  expect(talking).toMatchObject({ wentSilent: true, timedOut: false, stdout: '1\n2\n3\n4\n5\n6\n' });
  expect(await sh('sleep 0.1', { idleTimeoutMs: 60_000 })).toMatchObject({ wentSilent: false, exitCode: 0 });
});

test('one that is ended is not waited for because a program of another session holds its output', async () => {
  const pids: number[] = [];
  const script = `setsid sh -c 'echo $$; exec sleep 1000' & wait`;
  const ended = await sh(script, { idleTimeoutMs: 500, onLine: (line) => pids.push(Number(line)) });
  expect(ended).toMatchObject({ wentSilent: true });
  expect(pids).toHaveLength(1);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
});

test('a time-out ends the whole group, also what ignores the polite signal', async () => {
  const pids: number[] = [];
  const script = `trap '' TERM; sh -c 'trap "" TERM; echo $$; while :; do sleep 1000; done' & echo $$; wait; while :; do sleep 1000; done`;
  const ended = await sh(script, { timeoutMs: 300, graceMs: 100, onLine: (line) => pids.push(Number(line)) });
  expect(ended).toMatchObject({ timedOut: true, signal: 'SIGKILL' });
  expect(pids).toHaveLength(2);
  for (const pid of pids) expect(isGone(pid)).toBe(true);
});

test('an abort lets a child end in its own way within the grace', async () => {
  const stop = new AbortController();
  const lines: string[] = [];
  const ended = await sh(`trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.01; done`, {
    signal: stop.signal,
    onLine(line) {
      lines.push(line);
      stop.abort();
    },
  });
  expect(ended).toMatchObject({ exitCode: 4, timedOut: false });
  expect(lines).toContain('bye');
});

test('what a child leaves running when it ends well is ended too, before the end is told', async () => {
  const ended = await sh('sleep 1000 & echo $!', { capture: true });
  expect(ended.exitCode).toBe(0);
  expect(isGone(Number(ended.stdout))).toBe(true);
});

test('what only needs a moment to flush gets it', async () => {
  const ended = await sh(`(sleep 0.03; echo late) & echo early`, { capture: true });
  expect(ended.stdout).toBe('early\nlate\n');
});

test('output goes to a file as it is, and a great deal of it does not stay in memory', async () => {
  const file = join(temporary(), 'log');
  const before = process.memoryUsage().rss;
  let longest = 0;
  await sh('head -c 300000000 /dev/zero', {
    outputFile: file,
    onLine: (line) => {
      longest = Math.max(longest, line.length);
    },
  });
  expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
  expect(longest).toBeLessThanOrEqual(64 * 1024);
  const log = readFileSync(file);
  expect(log.length).toBe(300_000_000);
});

test('programs are found on a PATH, without the working directory', () => {
  expect(processes.find('sh', '/nowhere:/bin')).toBe('/bin/sh');
  expect(processes.find('sh', ':.')).toBeNull();
  expect(processes.find('passwd', '/etc')).toBeNull();
  expect(processes.find('/bin/sh', '')).toBe('/bin/sh');
});

const STARTER = `
import { realHost } from './src/host/real.ts';
const { processes } = realHost();
const [record] = process.argv.slice(2);
if (record) processes.recordIn(record);
const env = { PATH: process.env.PATH };
for (const script of ['trap "" TERM HUP INT; sleep 1000 & echo $$ $!; wait', 'echo $$ $$; exec sleep 1000'])
  await processes.start('sh', ['-c', script], { cwd: '/', env, onLine: (line) => console.log(line) });
await processes.run('true', [], { cwd: '/', env });
setInterval(() => {}, 1000);
`;

/** The watchdog of a process: its child that is a shell in a session of its own. */
async function childrenOf(pid: number): Promise<number[]> {
  const ended = await processes.run('pgrep', ['-P', String(pid)], { cwd: '/', env, capture: true });
  return ended.ok ? ended.value.stdout.split('\n').filter(Boolean).map(Number) : [];
}

test('kill -9 of bake leaves no child, grandchild or watchdog', async () => {
  const program = await buildProgram(temporary(), 'starter', STARTER);
  await using child = startChild(program, []);
  const pids = [await child.nextLine(), await child.nextLine()].flatMap((line) =>
    line.split(' ').map(Number),
  );
  const children = await childrenOf(child.process.pid ?? 0);
  expect(children).toHaveLength(3);
  child.process.kill('SIGKILL');
  for (const pid of [...pids, ...children]) await gone(pid);
});

test('when the watchdog was killed too, a later run ends what was recorded, and nothing else', async () => {
  const directory = temporary();
  const record = join(directory, 'groups');
  const program = await buildProgram(directory, 'starter', STARTER);
  await using child = startChild(program, [record]);
  const pids = [await child.nextLine(), await child.nextLine()].flatMap((line) =>
    line.split(' ').map(Number),
  );
  const children = await childrenOf(child.process.pid ?? 0);
  const watchdog = children.find((pid) => !pids.includes(pid)) ?? 0;
  process.kill(watchdog, 'SIGKILL');
  await gone(watchdog);
  child.process.kill('SIGKILL');
  await child.ended;
  for (const pid of pids) expect(isGone(pid)).toBe(false);
  await processes.killRecorded(record);
  for (const pid of pids) await gone(pid);
});

test('a recorded number that now belongs to another process is left alone', async () => {
  const record = join(temporary(), 'groups');
  const started = await processes.start('sleep', ['1000'], { cwd: '/', env });
  if (!started.ok) throw new Error('not started');
  const { pid, ended } = started.value;
  await realHost().files.writeFile(record, `+ ${pid} 1\n+ ${pid} 1 5\n+ 1 1\n+ 0 1\n+ -1 1 1\n+ x\n`);
  await processes.killRecorded(record);
  expect(isGone(pid)).toBe(false);
  signalGroup(pid, 'SIGKILL');
  expect(await ended).toMatchObject({ signal: 'SIGKILL' });
});

test('what is recorded of a process holds the moment at which it started, and hardly more', async () => {
  const record = join(temporary(), 'groups');
  const { processes: own } = realHost();
  own.recordIn(record);
  const started = [];
  for (let count = 0; count < 5; count++) started.push(await own.start('sleep', ['1000'], { cwd: '/', env }));
  const lines = readFileSync(record, 'utf8').trimEnd().split('\n');
  expect(lines).toHaveLength(started.length);
  for (const line of lines) {
    const [pid, earliest, latest] = line.slice(2).split(' ').map(Number);
    // The 22nd field, counted from the name in brackets (proc(5)).
    const at = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19]);
    expect(at).toBeGreaterThanOrEqual(earliest ?? Number.NaN);
    expect(at).toBeLessThanOrEqual(latest ?? Number.NaN);
    expect((latest ?? Number.NaN) - (earliest ?? Number.NaN)).toBeLessThan(1000);
  }
  await own.killRecorded(record);
  for (const one of started) expect(one.ok && (await one.value.ended)).toMatchObject({ signal: 'SIGKILL' });
  own.recordIn(null);
});

test('a process that has ended normally leaves no watchdog', async () => {
  const program = await buildProgram(
    temporary(),
    'ending',
    `
import { realHost } from './src/host/real.ts';
const { processes } = realHost();
await processes.run('true', [], { cwd: '/', env: { PATH: process.env.PATH } });
process.stdin.resume(); process.on('SIGTERM', () => process.exit(0));
setInterval(() => {}, 1000);
console.log('done');
`,
  );
  await using child = startChild(program, []);
  await child.nextLine();
  const [watchdog] = await childrenOf(child.process.pid ?? 0);
  expect(watchdog).toBeDefined();
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(0);
  await gone(watchdog ?? 0);
});

test('a program with nothing more to do ends by itself, watchdog or not', async () => {
  const program = await buildProgram(
    temporary(),
    'brief',
    `
import { realHost } from './src/host/real.ts';
const host = realHost();
await host.processes.run('true', [], { cwd: '/', env: { PATH: process.env.PATH } });
await host.hashing.digestFile(process.execPath);
console.log('done');
`,
  );
  await using child = startChild(program, []);
  expect(await child.nextLine()).toBe('done');
  expect(await child.ended).toBe(0);
});

test('a question is answered from one stream, whatever came first, and a bad answer is none', async () => {
  const ask = (script: string, timeoutMs = 5_000) => processes.ask('sh', ['-c', script], { env, timeoutMs });
  expect(await ask('echo noise >&2; sleep 0.1; echo version 1')).toBe('version 1');
  expect(await ask('echo version 1; echo noise >&2')).toBe('version 1');
  expect(await ask('echo version 2 >&2')).toBe('version 2');
  expect(await ask('echo no; exit 1')).toBeNull();
  expect(await ask('trap "" TERM; echo $$; sleep 1000', 100)).toBeNull();
  expect(await processes.ask('no-such-program', [], { env, timeoutMs: 100 })).toBeNull();
  expect(await ask('env')).not.toContain('HOME');
});

test('the file that lists running groups is held open only until it is let go of', async () => {
  const record = join(temporary(), 'groups');
  const isOpen = () =>
    readdirSync('/proc/self/fd').some((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === record;
      } catch {
        return false;
      }
    });
  const { processes: own } = realHost();
  const run = () => own.run('true', [], { cwd: '/', env });
  own.recordIn(record);
  await run();
  const written = readFileSync(record, 'utf8');
  expect(written).toMatch(/^\+ (\d+) (\d+) \2\n- \1\n$/);
  expect(isOpen()).toBe(true);
  own.recordIn(null);
  expect(isOpen()).toBe(false);
  await run();
  expect(readFileSync(record, 'utf8')).toBe(written);
});
