/** Stories about processes that do not do what they should: daemons, bakes inside of bakes, builders that stand still. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';

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

function stage(script: string, more = ''): string {
  return `bake: 1
name: daemons
stages:
  a:
    run: |
${script.replace(/^/gm, '      ')}
    outputs: { o: o }
${more}`;
}

/** A daemon whose number is in the first line that matches in the log. */
const DAEMON = `setsid sh -c 'echo "daemon $$"; exec sleep 1000' &`;
const UNTIL_SAID = 'sleep 0.3';

async function daemonOf(here: Checkout): Promise<number> {
  const { stdout } = await here.bake(['log', 'a']);
  return Number(/^daemon (\d+)$/m.exec(stdout)?.[1]);
}

describe('a daemon that a stage leaves behind', () => {
  it('holds nobody by its output, is ended, and is named in the log', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': stage(`${DAEMON}\n${UNTIL_SAID}\necho hi > o`) });
    expect((await here.run()).outcomes).toEqual({ a: 'built' });
    const pid = await daemonOf(here);
    expect(isAlive(pid)).toBe(false);
    expect((await here.bake(['log', 'a'])).stdout).toContain(
      `bake: process ${pid} (sleep 1000) outlived its command and was ended\n`,
    );
  });

  it('writes nothing into what was stored, through a mapping neither', async () => {
    await using rig = await Rig.make();
    const [read, map] = { x64: [0, 9], arm64: [63, 222] }[process.arch as 'x64' | 'arm64'];
    // Writes by a pointer into shared memory, as long as it lives.
    const program = `use POSIX; open(F, "+<", "o"); my $at = syscall(${map}, 0, 4096, 3, 1, fileno(F), 0); close F;
if (!fork) { POSIX::setsid(); if (!fork) { open(STDOUT, ">/dev/null"); open(STDERR, ">/dev/null"); open(Z, "<", "/dev/zero");
for (;;) { sysread(Z, my $b, 1); syscall(${read}, fileno(Z), $at, 16); select(undef, undef, undef, 0.01) } } exit }`;
    const here = rig.checkout('here', {
      'pipeline.yaml': stage(`head -c 3000000 /dev/urandom > o\nperl -e '${program.replaceAll('\n', ' ')}'`),
    });
    const digest = () =>
      createHash('sha256')
        .update(readFileSync(here.path('o')))
        .digest('hex');
    expect((await here.run()).outcomes).toEqual({ a: 'built' });
    const placed = digest();
    await new Promise((done) => setTimeout(done, 300));
    expect(digest()).toBe(placed);
    rmSync(here.path('o'));
    expect((await here.run()).outcomes).toEqual({ a: 'restored' });
    expect(digest()).toBe(placed);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('is ended when the run is, by %s', async (signal) => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': stage(`${DAEMON}\nsleep 1000`) });
    const running = here.start(['run', '-v']);
    const pid = Number((await running.says(/daemon (\d+)\n/))[1]);
    running.kill(signal);
    expect((await running.ended).code).toBe(130);
    expect(isAlive(pid)).toBe(false);
  });

  it('is gone soon after a second Ctrl-C, and after kill -9', async () => {
    for (const end of ['SIGINT', 'SIGKILL'] as const) {
      await using rig = await Rig.make();
      const script = `trap '' INT TERM HUP\n${DAEMON}\nwhile :; do sleep 1000; done`;
      const here = rig.checkout('here', { 'pipeline.yaml': stage(script) });
      const running = here.start(['run', '-v']);
      const pid = Number((await running.says(/daemon (\d+)\n/))[1]);
      running.kill('SIGINT');
      await new Promise((done) => setTimeout(done, 100));
      running.kill(end);
      await running.ended;
      await gone(pid);
    }
  });
});

describe('a stage that runs bake', () => {
  const program = process.env['BAKE_TEST_PROGRAM'] ?? '';
  const bake = `${process.execPath} ${program}`;
  const pipeline = (a: string, more = '') => `bake: 1
name: inner
stages:
  a: { run: "${a}", workspace: in-place, outputs: { o: o } }
${more}`;

  it('for itself is told so at once, and nobody waits', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', {
      'pipeline.yaml': pipeline(`${bake} run -C ${rig.path('here')} a || echo hi > o`),
    });
    const run = await here.run();
    expect(run.outcomes).toEqual({ a: 'built' });
    const { stdout } = await here.bake(['log', 'a']);
    expect(stdout).toContain('[stage-waits-for-itself]');
  });

  it('for one that needs it is told so as well, and may fail by that', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', {
      'pipeline.yaml': pipeline(
        `${bake} run -C ${rig.path('here')} b && echo hi > o`,
        '  b: { run: "cat ${{ stages.a.outputs.o }}" }\n',
      ),
    });
    const run = await here.run(['a']);
    expect(run.code).toBe(1);
    expect(run.outcomes).toEqual({ a: 'failed' });
    expect(run.stdout).toContain('[stage-waits-for-itself]');
  });

  it('for something else is left in peace', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', {
      'pipeline.yaml': pipeline(
        `${bake} run -C ${rig.path('here')} b && echo hi > o`,
        '  b: { run: "echo b" }\n',
      ),
    });
    expect((await here.run(['a'])).outcomes).toEqual({ a: 'built' });
  });
});

it('goes on without a builder that was stopped, and says so; when that goes on, both are right', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  const env = { BAKE_CACHE_DIR: rig.path('shared') };
  const work = stage('work');
  const here = rig.checkout('here', { 'pipeline.yaml': work });
  const there = rig.checkout('there', { 'pipeline.yaml': work });
  const first = here.startRun(['--reporter', 'plain'], { env });
  const call = await rig.tools.next('work');
  first.running.kill('SIGSTOP');
  const second = there.startRun(['--reporter', 'plain'], { env });
  const again = await rig.tools.next('work');
  // It goes on while the other builds: the lock is the other's then.
  first.running.kill('SIGCONT');
  await call.write('o', 'made once');
  await call.exit(0);
  const resumed = await first.run;
  expect(resumed.outcomes).toEqual({ a: 'built' });
  expect(resumed.stdout + resumed.stderr).toContain('[lock-lost]');
  await again.write('o', 'made once');
  await again.exit(0);
  const taken = await second.run;
  expect(taken.outcomes).toEqual({ a: 'built' });
  expect(taken.stdout + taken.stderr).toContain('[builder-passed-over]');
  for (const checkout of [here, there]) expect(checkout.read('o')).toBe('made once');
});
