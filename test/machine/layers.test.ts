/** Steps in a machine: layers, checkpoints, what an edit costs, what is left after a kill, with real machines and real Ansible. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownPath } from '../support/own-place.ts';
import { machinesBelow, Provisioning } from '../support/provisioning.ts';
import { Rig } from '../support/rig.ts';

const OPTIONS = 'playbooks: [one.yml, two.yml, three.yml]\ngeneralize: true\n';

let rig: Rig;
let web: Provisioning;

beforeAll(async () => {
  rig = await Rig.make();
  web = await Provisioning.make(rig, 'web');
  web.checkout.write({
    'one.yml': play('ansible.builtin.copy: { content: "one\\n", dest: /etc/one, mode: "0640" }'),
  });
  two('First');
  three('first');
  web.pipeline('ansible-provision', ['web', OPTIONS]);
}, 900_000);
afterAll(() => rig[Symbol.asyncDispose]());

function play(...tasks: readonly string[]): string {
  return `- hosts: all\n  gather_facts: false\n  tasks:\n${tasks.map((task) => `    - ${task}\n`).join('')}`;
}

/** Edits the second playbook. */
function two(word: string): void {
  const fill = 'dd if=/dev/urandom of=/etc/two bs=1M count=4';
  web.checkout.write({ 'two.yml': play(`{ name: ${word}, ansible.builtin.command: ${fill} }`) });
}

/** Edits the third playbook; what it writes shows what came before it. */
function three(word: string, more = 'ansible.builtin.command: "true"'): void {
  const script = `cat /etc/one > /etc/three; test -s /etc/two; echo ${word} >> /etc/three`;
  web.checkout.write({ 'three.yml': play(`ansible.builtin.shell: ${script}`, more) });
}

/** Directories of checkpoints, newest first. */
function checkpoints(): readonly string[] {
  const sides = ownPath(rig.path('cache'), 'sides');
  if (!existsSync(sides)) return [];
  return readdirSync(sides)
    .flatMap((user) => readdirSync(join(sides, user)).map((name) => join(sides, user, name)))
    .filter((path) => existsSync(join(path, 'checkpoint.json')))
    .sort(
      (a, b) => statSync(join(b, 'checkpoint.json')).mtimeMs - statSync(join(a, 'checkpoint.json')).mtimeMs,
    );
}

const sizeOf = (path: string): number => statSync(path).size;

test('each playbook leaves a layer of what it wrote and a checkpoint for this user alone, in one boot', async () => {
  const ran = await web.run();
  expect(ran.code, ran.stdout).toBe(0);
  expect(ran.steps).toEqual({ one: 'built', two: 'built', three: 'built', shutdown: 'built' });
  expect(ran.stdout.match(/\$ qemu-system/g)).toHaveLength(1);
  expect(await web.log('web@two')).toContain('going on in the machine of the step before');
  const [disk] = ran.stages['web']?.outputs ?? [];
  const base = sizeOf(web.checkout.path('base.qcow2'));
  // 4 MiB of it are the second playbook's.
  expect((disk?.sizeBytes ?? 0) - base).toBeGreaterThan(4 * 2 ** 20);
  expect((disk?.sizeBytes ?? 0) - base).toBeLessThan(60 * 2 ** 20);
  const kept = checkpoints();
  expect(kept).toHaveLength(3);
  for (const directory of kept) {
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory))
      expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o600]);
    expect(sizeOf(join(directory, 'memory.zst'))).toBeLessThan(200e6);
  }
});

test('an edit of the third playbook is done in a machine that resumes, and nothing before it runs', async () => {
  three('second');
  const ran = await web.run();
  expect(ran.code, ran.stdout).toBe(0);
  expect(ran.steps).toEqual({ one: 'fresh', two: 'fresh', three: 'built', shutdown: 'built' });
  const log = await web.log('web@three');
  expect(log).toContain('resumed from the checkpoint of this disk');
  expect(log).not.toContain('Linux version');
  expect(log).not.toContain('booting');
});

test('a playbook that fails leaves the steps before it: mended, it starts there', async () => {
  three('third', 'ansible.builtin.command: ls /nowhere');
  const failed = await web.run();
  expect(failed.steps).toEqual({ one: 'fresh', two: 'fresh', three: 'failed', shutdown: 'blocked' });
  expect(failed.failure).toMatchObject({ code: 'ansible-task-failed', playbook: 'three.yml' });
  expect(machinesBelow(rig.directory)).toEqual([]);
  three('third');
  const mended = await web.run();
  expect(mended.steps).toEqual({ one: 'fresh', two: 'fresh', three: 'built', shutdown: 'built' });
  expect(await web.log('web@three')).toContain('resumed from the checkpoint of this disk');
});

test.each(['bake', 'QEMU'])(
  '%s killed whenever: no wrong layer is used, no machine is left, and the next run ends right',
  async (victim) => {
    for (const [phase, pattern, ...flags] of [
      ['boot', /\$ qemu-system/, '--no-checkpoint'],
      ['step', /TASK \[/],
      ['save', /saving the memory/],
      ['shutdown', /powering off/],
      // The last, for a QEMU that does not take a checkpoint costs that checkpoint.
      ['resume', /\$ qemu-system/],
    ] as const) {
      three(`${victim} at ${phase}`);
      const { running, run } = web.start(flags);
      await running.says(pattern);
      const what = `${victim} killed at ${phase}`;
      // It is told a moment before it is started.
      await expect.poll(() => machinesBelow(rig.directory), { message: what }).toHaveLength(1);
      if (victim === 'bake') running.kill('SIGKILL');
      else for (const pid of machinesBelow(rig.directory)) process.kill(pid, 'SIGKILL');
      const ended = await run;
      if (victim === 'bake') expect(ended.signal, what).toBe('SIGKILL');
      await expect.poll(() => machinesBelow(rig.directory), { timeout: 10_000, message: what }).toEqual([]);
      expect(ended.stdout, what).not.toContain('this is a bug in bake');
    }
    const ran = await web.run();
    expect(ran.code, ran.stdout).toBe(0);
    expect((await web.inside()).read('/etc/three')).toBe(`one\n${victim} at resume\n`);
  },
);

/** Makes the checkpoints of this QEMU those of another one, and back. */
function retold(from: string, to: string): void {
  for (const directory of checkpoints()) {
    const record = join(directory, 'checkpoint.json');
    writeFileSync(record, readFileSync(record, 'utf8').replace(`"${from} version `, `"${to} version `));
  }
}

test('a checkpoint of another QEMU, a damaged one or none costs a boot and a line that says why', async () => {
  const edited = async (word: string): Promise<string> => {
    three(word);
    const ran = await web.run();
    expect(ran.code, ran.stdout).toBe(0);
    expect(ran.steps).toEqual({ one: 'fresh', two: 'fresh', three: 'built', shutdown: 'built' });
    return await web.log('web@three');
  };
  two('Again');
  expect((await web.run()).steps).toMatchObject({ one: 'fresh', two: 'built' });
  retold('QEMU emulator', 'Other emulator');
  expect(await edited('fourth')).toMatch(
    /booting, not resuming: .* does not fit: it is of Other emulator version \S+ .*, and here is QEMU/,
  );
  retold('Other emulator', 'QEMU emulator');
  for (const directory of checkpoints()) truncateSync(join(directory, 'memory.zst'), 1_000_000);
  expect(await edited('fifth')).toContain('booting, not resuming: the checkpoint of this disk is of no use');
  expect((await web.bake('cache', 'rm', '--checkpoints')).code).toBe(0);
  expect(checkpoints()).toEqual([]);
});

test('a disk of layers, made in many runs, holds the files of one made in a single boot', async () => {
  web.pipeline('ansible-provision', ['web', OPTIONS], ['cold', `${OPTIONS}groups: [other]\n`]);
  const ran = await web.run(['--no-checkpoint']);
  expect(ran.code, ran.stdout).toBe(0);
  const [inside, cold] = [await web.inside(), await web.inside('cold')];
  for (const path of ['/etc/one', '/etc/three']) {
    expect(inside.read(path)).toBe(cold.read(path));
    expect(inside.facts(path)).toBe(cold.facts(path));
  }
  expect([inside.names('/root/.ssh'), cold.names('/root/.ssh')]).toEqual([[], []]);
  const compared = await web.bake('diff', 'web', 'cold', '--json');
  expect(compared.code, compared.stderr).toBe(0);
  expect(changedFiles(compared.stdout).filter((path) => !MAY_DIFFER.test(path))).toEqual([]);
});

/** What is random by nature: the 4 MiB of the second playbook, what the system keeps of its own run. */
const MAY_DIFFER = /^\/(?:etc\/two$|var\/(?:lib\/systemd|log)\/|etc\/machine-id$)/;

function changedFiles(json: string): readonly string[] {
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) walk(one);
    else if (typeof value === 'object' && value !== null) {
      const { path } = value as { path?: unknown };
      if (typeof path === 'string') found.push(path);
      for (const one of Object.values(value)) walk(one);
    }
  };
  walk((JSON.parse(json) as { partitions: unknown }).partitions);
  return found;
}

test('two runs at once that need the same step run it once', async () => {
  three('shared');
  const other = await Provisioning.make(rig, 'other');
  execFileSync('cp', [
    '-a',
    ...['one.yml', 'two.yml', 'three.yml', 'pipeline.yaml'].map((name) => web.checkout.path(name)),
    other.checkout.directory,
  ]);
  const runs = await Promise.all([web.run(['web']), other.run(['web'])]);
  for (const ran of runs) expect(ran.code, ran.stdout).toBe(0);
  for (const step of ['three', 'shutdown']) {
    const outcomes = runs.map(({ steps }) => steps[step]);
    expect(
      outcomes.filter((outcome) => outcome === 'built'),
      step,
    ).toHaveLength(1);
  }
});
