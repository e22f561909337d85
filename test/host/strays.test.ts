/** What leaves the group of its command: found by its directory, ended before the end is told, and nothing else with it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ProcessOptions } from '../../src/host/host.ts';
import { processState } from '../../src/host/process-group.ts';
import { realHost } from '../../src/host/real.ts';
import { buildProgram, startChild } from '../cache/child-program.ts';

const { processes } = realHost();
const PATH = process.env['PATH'] ?? '';

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bake-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function isGone(pid: number): boolean {
  const state = processState(pid);
  return state === null || state.state === 'Z';
}

/** Resolves when a process is gone; the test's own time-out is the limit. */
async function gone(pid: number): Promise<void> {
  while (!isGone(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The directory of a command, with the places in it that every stage has. */
function ownDirectory(): string {
  const own = temporary();
  for (const name of ['home', 'tmp', 'work']) mkdirSync(join(own, name));
  return own;
}

function optionsFor(own: string): ProcessOptions {
  return {
    cwd: join(own, 'work'),
    env: { PATH, HOME: join(own, 'home'), TMPDIR: join(own, 'tmp') },
    ownDirectory: own,
  };
}

async function sh(script: string, own = ownDirectory(), options: Partial<ProcessOptions> = {}) {
  const ended = await processes.run('sh', ['-c', script], { ...optionsFor(own), ...options });
  if (!ended.ok) throw new Error(JSON.stringify(ended.failure));
  return ended.value;
}

/** Waits until the process that the script starts has written its number, so that it is what it is going to be. */
const UNTIL_THERE = 'until [ -s "$TMPDIR/pid" ]; do sleep 0.01; done; cat "$TMPDIR/pid"';

const MMAP = { x64: 9, arm64: 222 }[process.arch as 'x64' | 'arm64'];
const MAPS = `open(F, "+>", "mapped"); print F "x" x 4096; F->flush; syscall(${MMAP}, 0, 4096, 3, 1, fileno(F), 0); close F`;

const LEAVES: { readonly [how: string]: string } = {
  'a session of its own': `setsid sh -c 'echo $$ > "$TMPDIR/pid"; exec sleep 1000' &`,
  'a session of its own and closed streams': `setsid sh -c 'echo $$ > "$TMPDIR/pid"; exec sleep 1000' < /dev/null > /dev/null 2>&1 &`,
  'a parent that ended first': `(setsid sh -c 'sh -c "echo \\$\\$ > $TMPDIR/pid; exec sleep 1000" &')`,
  'a group of its own in the same session': `perl -e 'setpgrp(0, 0); open(P, ">", "../tmp/pid"); print P "$$\\n"; close P; sleep 1000' &`,
  'a deaf ear to requests': `setsid sh -c 'trap "" TERM HUP INT; echo $$ > "$TMPDIR/pid"; while :; do sleep 1000; done' &`,
  'a stop': `setsid sh -c 'echo $$ > "$TMPDIR/pid"; kill -STOP $$' &`,
  'an empty environment, at work in the directory': `env -i "$(command -v setsid)" sh -c 'echo $$ > ../tmp/pid; exec sleep 1000' > /dev/null 2>&1 &`,
  'an empty environment and a file open for writing': `env -i "$(command -v setsid)" sh -c 'exec 5>> ../work/out; echo $$ > ../tmp/pid; cd /; exec sleep 1000' > /dev/null 2>&1 &`,
  'an empty environment and a mapped file': `env -i "$(command -v setsid)" perl -e 'use IO::Handle; ${MAPS}; open(P, ">", "../tmp/pid"); print P "$$\\n"; close P; chdir "/"; sleep 1000' > /dev/null 2>&1 &`,
};

describe('one that goes on when its command has ended, with', () => {
  test.each(Object.keys(LEAVES))('%s', async (how) => {
    const ended = await sh(`${LEAVES[how]}\n${UNTIL_THERE}`, ownDirectory(), { capture: true });
    expect(ended.exitCode).toBe(0);
    const pid = Number(ended.stdout);
    expect(pid).toBeGreaterThan(1);
    expect(isGone(pid)).toBe(true);
    expect(ended.strays.map((stray) => stray.ended)).toEqual(ended.strays.map(() => true));
    const stray = ended.strays.find((one) => one.pid === pid);
    expect(stray?.command).toMatch(/sleep|sh|perl/);
  });
});

test('one that starts another when it is asked to end leaves neither', async () => {
  const own = ownDirectory();
  const program = `use POSIX; $SIG{TERM} = sub { if (!fork) { POSIX::setsid(); sleep 1000 } exit };
    POSIX::setsid(); open(P, ">", "$ENV{TMPDIR}/pid"); print P "$$\\n"; close P; sleep 1000`;
  const ended = await sh(`perl -e '${program}' &\n${UNTIL_THERE}`, own, { capture: true });
  const pids = ended.strays.map(({ pid }) => pid);
  expect(pids).toContain(Number(ended.stdout));
  expect(pids).toHaveLength(2);
  for (const pid of pids) expect(isGone(pid)).toBe(true);
});

test('a command that leaves nothing has no strays, and a long sequence of numbers between is no matter', async () => {
  expect((await sh('true')).strays).toEqual([]);
  const script = `i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done; ${LEAVES['a session of its own']} ${UNTIL_THERE}`;
  const ended = await sh(script, ownDirectory(), { capture: true });
  expect(ended.strays.map(({ pid }) => pid)).toEqual([Number(ended.stdout)]);
});

test('whoever else is there is left alone: readers, other commands and what they wait for, machines that were let go of', async () => {
  const own = ownDirectory();
  const released = await processes.start('sleep', ['1000'], optionsFor(own));
  const running = await processes.start(
    'sh',
    ['-c', `setsid sh -c 'echo $$ > "$TMPDIR/pid"; sleep 1000; true'; true`],
    optionsFor(own),
  );
  if (!released.ok || !running.ok) throw new Error('not started');
  const identity = released.value.release();
  // A reader: another's environment, and a file of the directory open for reading.
  const reader = await processes.start(
    'sh',
    ['-c', 'exec 5< "$1"; echo ready; exec sleep 1000', 'sh', join(own, 'home')],
    { cwd: '/', env: { PATH, PWD: join(own, 'work') } },
  );
  if (!reader.ok) throw new Error('not started');
  const ended = await sh(UNTIL_THERE, own, { capture: true });
  const waitedFor = Number(ended.stdout);
  expect(ended.strays).toEqual([]);
  for (const pid of [identity.pid, running.value.pid, waitedFor, reader.value.pid])
    expect(isGone(pid)).toBe(false);
  await processes.killReleased(identity);
  for (const one of [running, reader]) one.value.kill('SIGKILL');
  await Promise.all([running.value.ended, reader.value.ended]);
  // Once its command is gone, so is what that waited for.
  await gone(waitedFor);
});

test('output that somebody unknown holds is not waited for', async () => {
  const lines: string[] = [];
  const script = `cd /; env -i ${'$(command -v setsid)'} sh -c 'echo $$; exec sleep 1000' & sleep 0.1; echo done`;
  const startedAtMs = performance.now();
  const ended = await sh(script, ownDirectory(), { cwd: '/', onLine: (line) => lines.push(line) });
  expect(performance.now() - startedAtMs).toBeLessThan(4_000);
  expect(ended.exitCode).toBe(0);
  expect(lines).toContain('done');
  const pid = Number(lines.find((line) => line !== 'done'));
  expect(isGone(pid)).toBe(false);
  process.kill(pid, 'SIGKILL');
});

test('all that was said before is heard, however much it is, when somebody holds the output', async () => {
  let length = 0;
  const script = `env -i ${'$(command -v setsid)'} sleep 1000 & echo $! >&2; head -c 30000000 /dev/zero | tr '\\0' 'x' | fold -w 1000`;
  let pid = 0;
  await sh(script, ownDirectory(), {
    cwd: '/',
    onLine(line, stream) {
      if (stream === 'stdout') length += line.length;
      else pid = Number(line);
    },
  });
  expect(length).toBe(30_000_000);
  process.kill(pid, 'SIGKILL');
});

/** A bake with a command that left a daemon and waits, and a machine that was let go of. */
const STARTER = `
import { realHost } from './src/host/real.ts';
const { processes } = realHost();
const [home] = process.argv.slice(2);
processes.recordIn(home + '/groups');
const env = { PATH: process.env.PATH, HOME: home + '/1/home', TMPDIR: home + '/1/tmp' };
const options = { cwd: '/', env, ownDirectory: home + '/1', onLine: (line) => console.log(line) };
const kept = await processes.start('sleep', ['1000'], options);
console.log(kept.value.release().pid);
await processes.start('sh', ['-c', 'setsid sh -c "echo \\\\$\\\\$; exec sleep 1000" & echo $$; wait; sleep 1000'], options);
setInterval(() => {}, 1000);
`;

async function starter(home: string) {
  const program = await buildProgram(temporary(), 'starter', STARTER);
  const child = startChild(program, [home]);
  const [kept, ...others] = [await child.nextLine(), await child.nextLine(), await child.nextLine()].map(
    Number,
  );
  const identity = {
    ...realHost().identity,
    pid: kept ?? 0,
    startedAt: processState(kept ?? 0)?.startedAt ?? '',
  };
  return { child, kept: identity, others };
}

test.each(['home', "a place's name with\ttabs, $(touch x) and *"])(
  'kill -9 of bake ends what left its group as well, and spares what was let go of: %s',
  async (name) => {
    const home = join(temporary(), name);
    mkdirSync(home);
    const { child, kept, others } = await starter(home);
    await using started = child;
    started.process.kill('SIGKILL');
    for (const pid of others) await gone(pid);
    expect(isGone(kept.pid)).toBe(false);
    await processes.killReleased(kept);
    expect(isGone(kept.pid)).toBe(true);
  },
);

test('when the watchdog was killed too, a later run does the same', async () => {
  const home = temporary();
  const { child, kept, others } = await starter(home);
  await using started = child;
  const children = readFileSync(`/proc/${started.process.pid}/task/${started.process.pid}/children`, 'utf8');
  const watchdogs = children.trim().split(' ').map(Number);
  for (const pid of watchdogs.filter((one) => !others.includes(one) && one !== kept.pid)) {
    process.kill(pid, 'SIGKILL');
    await gone(pid);
  }
  started.process.kill('SIGKILL');
  await started.ended;
  for (const pid of others) expect(isGone(pid)).toBe(false);
  await processes.killRecorded(join(home, 'groups'));
  for (const pid of others) expect(isGone(pid)).toBe(true);
  expect(isGone(kept.pid)).toBe(false);
  await processes.killReleased(kept);
});
