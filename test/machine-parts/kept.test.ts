/** Records of kept machines, over real processes that play them. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { realHost } from '../../src/host/real.ts';
import { endKept, type KeptMachine, keptMachines } from '../../src/machine/kept.ts';

const host = realHost();
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-kept-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function record(id: string, process: KeptMachine['process']): KeptMachine {
  const kept = { id, action: 'install', process, keptAtMs: 1, login: null, vnc: null };
  mkdirSync(join(directory, id));
  writeFileSync(join(directory, id, 'machine.json'), JSON.stringify(kept));
  return kept;
}

async function sleeping() {
  const started = await host.processes.start('sleep', ['100'], { cwd: '/', env: { PATH: '/usr/bin:/bin' } });
  if (!started.ok) throw new Error(started.failure.errno);
  return started.value;
}

test('a released process outlives the signal that would have ended it, and is ended as the very one it was', async () => {
  const stop = new AbortController();
  const options = { cwd: '/', env: { PATH: '/usr/bin:/bin' }, signal: stop.signal, graceMs: 10 };
  const started = await host.processes.start('sleep', ['100'], options);
  if (!started.ok) throw new Error(started.failure.errno);
  const identity = started.value.release();
  stop.abort();
  const kept = record('one', identity);
  expect(await keptMachines(host, directory)).toEqual([kept]);
  expect(host.isAlive(identity)).toBe(true);
  await endKept(host, directory, kept);
  expect((await started.value.ended).signal).toBe('SIGKILL');
  expect(existsSync(join(directory, 'one'))).toBe(false);
});

test('a process that only has the number of a recorded one is never signalled', async () => {
  const other = await sleeping();
  const kept = record('two', { ...host.identity, pid: other.pid, startedAt: '1' });
  await endKept(host, directory, kept);
  expect(host.isAlive({ ...host.identity, pid: other.pid, startedAt: startOf(other.pid) })).toBe(true);
  record('three', kept.process);
  expect(await keptMachines(host, directory)).toEqual([]);
  expect(existsSync(join(directory, 'three'))).toBe(false);
  other.kill('SIGKILL');
  await other.ended;
});

test('a record of another host is left alone', async () => {
  record('far', { pid: 2, startedAt: '1', realm: 'elsewhere' });
  expect(await keptMachines(host, directory)).toEqual([]);
  expect(existsSync(join(directory, 'far', 'machine.json'))).toBe(true);
});

test('a record that cannot be read for a moment is left, and its machine is found again', async () => {
  const kept = record('busy', host.identity);
  const readText: typeof host.files.readText = async (path) => ({
    ok: false,
    failure: { code: 'file-trouble', action: 'read', path, errno: 'EMFILE' },
  });
  expect(await keptMachines({ ...host, files: { ...host.files, readText } }, directory)).toEqual([]);
  expect(await keptMachines(host, directory)).toEqual([kept]);
});

test('what is no record is removed', async () => {
  mkdirSync(join(directory, 'half'));
  writeFileSync(join(directory, 'half', 'machine.json'), '{');
  expect(await keptMachines(host, directory)).toEqual([]);
  expect(existsSync(join(directory, 'half'))).toBe(false);
});

test('a terminal program gets its exit status through', async () => {
  const ended = await host.processes.interact('sh', ['-c', 'exit 7'], { cwd: '/', env: { PATH: '/bin' } });
  expect(ended).toEqual({ ok: true, value: { exitCode: 7, signal: null } });
  const absent = await host.processes.interact('no-such-program', [], { cwd: '/', env: { PATH: '/bin' } });
  expect(absent).toMatchObject({ ok: false, failure: { errno: 'ENOENT' } });
});

/** The 22nd field of proc(5)'s stat. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
