/** Looking inside: machines that outlive a run that failed, and `bake shell`, with the real program. */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { realHost } from '../../src/host/real.ts';
import { initrd, kernel } from '../support/guest.ts';
import { machinesBelow, Provisioning } from '../support/provisioning.ts';
import { type Checkout, Rig } from '../support/rig.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.make();
});
afterAll(() => rig[Symbol.asyncDispose]());

/** A guest that never says what is waited for. */
const SILENT = `bake: 1
name: kept
stages:
  install:
    uses: qemu-install
    with:
      disk_size: 1GiB
      memory: 128MiB
      kernel: vmlinuz
      initrd: initrd
      append: console=ttyS0 scenario=silent
      wait_for:
        - { serial: "scenario silent", timeout: 2m }
        - { serial: "never said", timeout: 1s }
`;

interface Listed {
  readonly id: string;
  readonly stage: string;
  readonly pid: number;
  readonly vnc: string | null;
}

async function listed(checkout: Checkout): Promise<readonly Listed[]> {
  const { stdout } = await checkout.bake(['machine', 'ls', '--json']);
  return (JSON.parse(stdout) as { machines: Listed[] }).machines;
}

/** Where process 1 does not collect its children, one that has ended stays listed. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a machine that is kept outlives bake, is told of, and ends when it is stopped', async () => {
  const checkout = rig.checkout('silent', { 'pipeline.yaml': SILENT });
  copyFileSync(kernel(), checkout.path('vmlinuz'));
  copyFileSync(initrd(), checkout.path('initrd'));

  const failed = await checkout.bake(['run', '--on-error', 'keep-vm']);
  expect(failed.code).toBe(1);
  const [machine, ...others] = await listed(checkout);
  if (machine === undefined) throw new Error(failed.stderr);
  expect(others).toEqual([]);
  expect(machine.stage).toBe('install');
  const said = failed.stdout + failed.stderr;
  expect(said).toContain(`bake machine stop ${machine.id}`);
  expect(said).toContain(`process ${machine.pid}`);
  expect(said).toContain(machine.vnc);
  expect(isRunning(machine.pid)).toBe(true);

  // Nobody but this user gets at its screen and keyboard.
  const screen = machine.vnc ?? '';
  expect(statSync(dirname(screen)).mode & 0o777).toBe(0o700);
  const viewer = await realHost().sockets.connect(screen);
  expect(await new Promise((said) => viewer?.onLine(said))).toMatch(/^RFB /);
  viewer?.close();

  // A run that fails again without keeping ends its own machine only.
  const again = await checkout.bake(['run']);
  expect(again.stdout + again.stderr).toContain(`(${machine.id}, process ${machine.pid})`);
  expect(isRunning(machine.pid)).toBe(true);

  const noLogin = await checkout.bake(['machine', 'ssh', 'install']);
  expect(noLogin.code).toBe(1);
  expect(noLogin.stderr).toContain('kept-machine-without-login');

  const stopped = await checkout.bake(['machine', 'stop', 'install']);
  expect(stopped.stdout).toContain(`ended ${machine.id}`);
  expect(isRunning(machine.pid)).toBe(false);
  expect(await listed(checkout)).toEqual([]);
  const late = await checkout.bake(['machine', 'stop', machine.id]);
  expect(late.stderr).toContain('no-kept-machine');
});

/** Runs bake at a terminal of its own, and types an answer when it asks; gives back what was shown. */
function answering(answer: string, ...args: readonly string[]): Promise<string> {
  const words = [process.execPath, process.env['BAKE_TEST_PROGRAM'], ...args].map((word) => `'${word}'`);
  const cwd = rig.path('silent');
  const env = { ...process.env, TERM: 'xterm', HOME: rig.directory };
  const child = spawn('script', ['-qefc', words.join(' '), '/dev/null'], { cwd, env });
  let shown = '';
  let isAnswered = false;
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    if (!isAnswered && shown.includes('[y/N]')) {
      isAnswered = true;
      child.stdin.write(answer);
    }
  });
  return new Promise((resolve) => child.on('close', () => resolve(shown)));
}

test('at a terminal a machine is ended by Ctrl-C and kept by a yes', async () => {
  const checkout = rig.checkout('silent');
  const ended = await answering('\u0003', 'run', '--on-error', 'ask');
  expect(ended).toContain('interrupted');
  expect(machinesBelow(rig.directory)).toEqual([]);
  // The view that moves would stand where the question is.
  const shown = await answering('y\r', 'run', '--on-error', 'ask', '--reporter', 'live');
  expect(shown).toMatch(/never said.*did not appear[\s\S]*Keep its machine\?[\s\S]*bake machine stop/);
  const [machine] = await listed(checkout);
  if (machine === undefined) throw new Error(shown);
  expect(isRunning(machine.pid)).toBe(true);
  await checkout.bake(['machine', 'stop', machine.id]);
  expect(isRunning(machine.pid)).toBe(false);
});

test('a machine whose guest panicked is ended, and is not said to be kept', async () => {
  const checkout = rig.checkout('silent');
  checkout.write({ 'pipeline.yaml': SILENT.replace('scenario=silent', 'scenario=panic') });
  const failed = await checkout.bake(['run', '--on-error', 'keep-vm']);
  checkout.write({ 'pipeline.yaml': SILENT });
  expect(failed.stdout).toContain('guest-panicked');
  expect(failed.stdout).toContain('the machine was ended');
  expect(failed.stdout).not.toContain('machine stop');
  expect(machinesBelow(rig.directory)).toEqual([]);
});

test('the record of a machine that has ended by itself is removed', async () => {
  const checkout = rig.checkout('silent');
  const failed = await checkout.bake(['run', '--on-error=keep-vm']);
  expect(failed.code).toBe(1);
  const [machine] = await listed(checkout);
  if (machine === undefined) throw new Error(failed.stderr);
  process.kill(machine.pid, 'SIGKILL');
  await expect.poll(() => isRunning(machine.pid)).toBe(false);
  expect(await listed(checkout)).toEqual([]);
  const nothing = await checkout.bake(['machine', 'stop', '--all']);
  expect(nothing).toMatchObject({ code: 0, stdout: '' });
});

const STEPS = `steps:
  - { name: one, shell: echo made >> /root/one }
  - { name: two, shell: "cp /root/one /root/two; exit 3" }
`;

test('the machine of a failed step can be entered with the key that was kept', async () => {
  const web = await Provisioning.make(rig, 'web');
  web.pipeline('provision', ['web', STEPS]);
  const failed = await web.run(['--on-error', 'keep-vm']);
  expect(failed.steps).toEqual({ one: 'built', two: 'failed', shutdown: 'blocked' });
  expect(failed.failure).toMatchObject({ code: 'guest-command-failed', kept: { vnc: expect.any(String) } });
  const read = await web.bake('machine', 'ssh', 'web', '--', 'cat', '/root/two');
  expect(read).toMatchObject({ code: 0, stdout: 'made\n' });
  const { ssh = '' } = (failed.failure?.['kept'] ?? {}) as { ssh?: string };
  const key = / -i (\S+) /.exec(ssh)?.[1] ?? '';
  expect(statSync(key).mode & 0o777).toBe(0o600);
  expect(execFileSync('sh', ['-c', `${ssh} id -un`], { encoding: 'utf8' })).toBe('root\n');
  expect((await web.bake('machine', 'stop', '--all')).code).toBe(0);
  expect(machinesBelow(rig.directory)).toEqual([]);
  expect(existsSync(key)).toBe(false);

  // Into the step before it: twice, since neither uses anything up nor leaves anything behind.
  for (const _ of [1, 2]) {
    const shell = await web.bake('shell', 'web@one', '-v', '--', 'cat /root/one; rm /root/one; exit 4');
    expect(shell).toMatchObject({ code: 4, stdout: 'made\n' });
    expect(shell.stderr).toContain('resumed from the checkpoint of this disk');
  }
  expect(machinesBelow(rig.directory)).toEqual([]);
  const never = await web.bake('shell', 'web');
  expect(never.code).toBe(1);
  expect(never.stderr).toContain('no-result');
});

const PASSWORD = 'two wörds';

/** An NVMe disk cannot be saved in a machine's memory; behind SATA the same disk can. */
const WITH_PASSWORD = `bake: 1
name: password
stages:
  base:
    uses: provision
    with:
      disk: base.qcow2
      memory: 512MiB
      disk_interface: nvme
      steps:
        - name: user
          shell: |
            useradd --create-home ops
            echo 'ops:${PASSWORD}' | chpasswd
            echo 'ops ALL=(ALL) ALL' > /etc/sudoers.d/ops
            echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/password.conf
            test -b /dev/nvme0n1
  web:
    uses: provision
    with:
      disk: \${{ stages.base.outputs.disk }}
      memory: 512MiB
      disk_interface: sata
      ssh: { user: ops, password_from: OPS_PASSWORD }
      steps:
        - { name: one, shell: "id -un > /root/one; test -b /dev/sda" }
    secrets: [OPS_PASSWORD]
`;

test('a user with a password provisions through sudo, powers off, and is looked into', async () => {
  const web = await Provisioning.make(rig, 'password');
  web.checkout.write({ 'pipeline.yaml': WITH_PASSWORD });
  const env = { OPS_PASSWORD: PASSWORD };
  const built = await web.run([], env);
  expect(built.outcomes, built.stdout).toEqual({ base: 'built', web: 'built' });
  expect(await web.log('base@user')).toContain('QEMU cannot save a machine with an NVMe disk');
  const command = `echo '${PASSWORD}' | sudo -S -p '' cat /root/one; id -un`;
  const shell = await web.checkout.bake(['shell', 'web@one', '-v', '--', command], {
    env: { ...env, BAKE_CACHE_DIR: rig.path('cache') },
  });
  expect(shell).toMatchObject({ code: 0, stdout: 'root\nops\n' });
  expect(shell.stderr).toContain('resumed from the checkpoint of this disk');
  expect(shell.stderr).not.toContain(PASSWORD);
  expect(machinesBelow(rig.directory)).toEqual([]);
});
