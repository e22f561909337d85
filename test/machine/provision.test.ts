/** The kinds that provision, on the installed disk, with the real program, real machines, real ssh and real Ansible. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { machinesBelow, Provisioning } from '../support/provisioning.ts';
import { Rig } from '../support/rig.ts';

/** The same first step in most of these stages: what comes after it resumes instead of booting. */
const WARM = '- { shell: "true", name: warm }';

let rig: Rig;
let web: Provisioning;

beforeAll(async () => {
  rig = await Rig.make();
  web = await Provisioning.make(rig, 'web');
}, 900_000);
afterAll(() => rig[Symbol.asyncDispose]());

function steps(...texts: readonly string[]): void {
  const lines = [WARM, ...texts.map((text) => `- ${text.replaceAll('\n', '\n  ')}`)];
  web.pipeline('provision', [
    'web',
    `steps:\n${lines.map((line) => line.replace(/^/gm, '  ')).join('\n')}\n`,
  ]);
}

test('playbooks run, a reboot within them is survived, and no trace of the login is left', async () => {
  web.checkout.write({
    'one.yml': `- hosts: fruit
  tasks:
    - ansible.builtin.copy: { content: "{{ word }} {{ colour }}\\n", dest: /etc/one }
    - ansible.builtin.command: cat /proc/sys/kernel/random/boot_id
      register: before
    - ansible.builtin.reboot:
    - ansible.builtin.command: cat /proc/sys/kernel/random/boot_id
      register: after
      failed_when: before.stdout == after.stdout
`,
    'group_vars/fruit.yml': 'colour: red\n',
    'two.yml': `- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.template: { src: two.j2, dest: /etc/two }
    - ansible.builtin.command: /bin/false
      ignore_errors: true
`,
    'templates/two.j2': 'two {{ word }}\n',
  });
  web.pipeline('ansible-provision', [
    'web',
    `playbooks: [one.yml, two.yml]
extra_vars: { word: apple }
groups: [fruit]
generalize: true
`,
  ]);
  const ran = await web.run();
  expect(ran.code, ran.stdout).toBe(0);
  // What Ansible's ssh keeps after a reboot is no process that was forgotten, and bake has a connection of its own again.
  expect(ran.stdout).not.toContain('outlived its command');
  expect(await web.log('web@one')).toContain('logged in again');
  const inside = await web.inside();
  expect([inside.read('/etc/one'), inside.read('/etc/two')]).toEqual(['apple red\n', 'two apple\n']);
  expect(inside.names('/root/.ssh')).toEqual([]);
  expect(inside.names('/etc/ssh').filter((name) => name.includes('host'))).toEqual([]);
  expect(inside.read('/etc/machine-id')).toBe('');
});

test('scripts run with their environment, one may reboot the machine, and the next runs in the new system', async () => {
  web.checkout.write({
    'first.sh': '#!/bin/sh\ncat /proc/sys/kernel/random/boot_id > /etc/first\nsystemctl reboot\n',
    'second.sh': '#!/bin/sh\ncat /proc/sys/kernel/random/boot_id > /etc/second\necho "$WORD" > /etc/word\n',
  });
  web.pipeline('shell-provision', [
    'web',
    `scripts: [first.sh, second.sh]
files: { /etc/copied: second.sh }
environment: { WORD: 'it''s $HOME "here"' }
expect_disconnect: true
`,
  ]);
  const ran = await web.run();
  expect(ran.code, ran.stdout).toBe(0);
  expect(Object.keys(ran.steps)).toEqual(['files', 'first', 'second', 'shutdown']);
  const inside = await web.inside();
  expect(inside.read('/etc/word')).toBe(`it's $HOME "here"\n`);
  expect(inside.read('/etc/copied')).toContain('/etc/second');
  expect(inside.read('/etc/first')).toMatch(/^[0-9a-f-]{36}\n$/);
  expect(inside.read('/etc/second')).not.toBe(inside.read('/etc/first'));
  expect(inside.names('/root/.ssh')).toEqual([]);
});

test('steps of all sorts share one machine: commands, a file with mode and owner, a reboot, a playbook', async () => {
  web.checkout.write({
    greeting: 'hello\n',
    'p.yml':
      '- hosts: all\n  gather_facts: false\n  tasks: [{ ansible.builtin.command: touch /etc/played }]\n',
  });
  steps(
    'file: { src: greeting, dest: /srv/deep/greeting, mode: "0640", owner: "nobody:daemon" }',
    'shell: cat /proc/sys/kernel/random/boot_id > /etc/before\nname: before',
    'reboot: true',
    'shell: { inline: ["cat /proc/sys/kernel/random/boot_id > /etc/after", "exit 3"], valid_exit_codes: [3] }',
    'ansible: p.yml',
  );
  const ran = await web.run();
  expect(ran.code, ran.stdout).toBe(0);
  expect(Object.keys(ran.steps)).toEqual([
    ...['warm', 'greeting', 'before', 'reboot', 'shell', 'p', 'shutdown'],
  ]);
  expect(ran.stdout.match(/\$ qemu-system/g)).toHaveLength(1);
  const inside = await web.inside();
  expect([inside.read('/srv/deep/greeting'), inside.facts('/srv/deep/greeting')]).toEqual([
    'hello\n',
    '0640 65534:1',
  ]);
  expect(inside.read('/etc/after')).toMatch(/^[0-9a-f-]{36}\n$/);
  expect(inside.read('/etc/after')).not.toBe(inside.read('/etc/before'));
  expect(inside.names('/etc')).toContain('played');
});

test('a task that fails is told with its name and what it said; the machine is gone', async () => {
  web.checkout.write({
    'fails.yml': `- hosts: all
  gather_facts: false
  tasks:
    - name: Ask for the impossible
      ansible.builtin.command: ls /nowhere/at/all
`,
  });
  steps('ansible: fails.yml');
  const { failure, stderr, stdout } = await web.run();
  expect(failure).toMatchObject({
    ...{ code: 'ansible-task-failed', playbook: 'fails.yml', task: 'Ask for the impossible' },
    at: { file: 'fails.yml', line: 4 },
    unreachable: false,
  });
  expect(stdout + stderr).toContain("cannot access '/nowhere/at/all'");
  expect(machinesBelow(rig.directory)).toEqual([]);
});

test('a file that is nowhere is named', async () => {
  web.checkout.write({
    'names.yml': `- hosts: all
  gather_facts: false
  vars: { name: web }
  tasks:
    - ansible.builtin.copy: { src: "{{ name }}.conf", dest: /etc/web.conf }
`,
  });
  steps('ansible: names.yml');
  const { failure } = await web.run();
  expect(failure).toMatchObject({ code: 'ansible-input-missing', file: 'web.conf' });
});

test('a playbook that Ansible cannot read, or that names a role which is not there, fails before anything is booted', async () => {
  for (const [play, code] of [
    ['- hosts: all\n  tasks: [{ copy: {}, debug: {} }]\n', 'playbook-unusable'],
    ['- hosts: all\n  roles: [gone]\n', 'ansible-input-missing'],
  ]) {
    web.checkout.write({ 'unusable.yml': play as string });
    web.pipeline('ansible-provision', ['web', 'playbooks: [unusable.yml]\n']);
    const ran = await web.run();
    expect(ran.failure).toMatchObject({ code });
    expect(ran.stdout).not.toContain('qemu-system');
  }
});

test('a playbook that runs no task on any host is a failure that names groups or tags, unless it may', async () => {
  web.checkout.write({
    'none.yml': '- hosts: webservers\n  tasks: [{ ansible.builtin.command: touch /etc/played }]\n',
    'tagged.yml':
      '- hosts: all\n  gather_facts: false\n  tasks: [{ ansible.builtin.command: touch /etc/played, tags: [more] }]\n',
  });
  steps('ansible: none.yml');
  expect((await web.run()).failure).toMatchObject({
    ...{ code: 'ansible-ran-nothing', playbook: 'none.yml', unmatched: ['webservers'], groups: [] },
  });
  steps('ansible: { playbook: tagged.yml, tags: [less] }');
  expect((await web.run()).failure).toMatchObject({
    ...{ code: 'ansible-ran-nothing', playbook: 'tagged.yml', tags: ['less'] },
  });
  steps('ansible: { playbook: tagged.yml, tags: [less], allow_empty: true }');
  const ran = await web.run(['web@tagged']);
  expect(ran.code, ran.stdout).toBe(0);
});

test('an exit status that was not expected is a failure, with the last lines', async () => {
  steps('shell: { inline: [echo about to fail, exit 7], valid_exit_codes: [0, 3] }');
  const { failure } = await web.run();
  expect(failure).toMatchObject({
    ...{ code: 'guest-command-failed', exitCode: 7, disconnected: false, tail: ['about to fail'] },
  });
});

test('a script that says nothing for too long is ended', async () => {
  steps('shell: { inline: [echo going to sleep, sleep 600], idle_timeout: 3s }');
  const { failure } = await web.run();
  expect(failure).toMatchObject({ code: 'command-silent', idleMs: 3000, tail: ['going to sleep'] });
});

test('Ctrl-C in a machine that has resumed ends it, and its checkpoint is there for the next run', async () => {
  steps('shell: { inline: [echo begun, sleep 600] }');
  const { running, run } = web.start();
  await running.says(/\| begun/);
  running.kill('SIGINT');
  expect((await run).code).toBe(130);
  expect(machinesBelow(rig.directory)).toEqual([]);
  steps('shell: echo gone on');
  expect((await web.run(['web@shell'])).code).toBe(0);
  expect(await web.log('web@shell')).toContain('resumed from the checkpoint of this disk');
});

test('a login that the guest refuses is told while it is tried, without the password', async () => {
  web.pipeline('shell-provision', [
    'web',
    'inline: [echo refused]\nssh: { user: root, password: not-the-one }\n',
  ]);
  const { running, run } = web.start();
  await running.says(/ssh: root@127\.0\.0\.1: Permission denied \(publickey,password\)\./);
  running.kill('SIGINT');
  const ended = await run;
  expect(ended.code).toBe(130);
  expect(ended.stdout + ended.stderr).not.toContain('not-the-one');
});

test('a disk that names a backing file of its own is refused', async () => {
  const over = web.checkout.path('over.qcow2');
  execFileSync('qemu-img', [
    ...['create', '-q', '-f', 'qcow2', '-b', web.checkout.path('base.qcow2'), '-F', 'qcow2', over],
  ]);
  web.pipeline('shell-provision', ['web', 'inline: ["true"]\n']);
  const text = web.checkout.read('pipeline.yaml').replace('base.qcow2', 'over.qcow2');
  web.checkout.write({ 'pipeline.yaml': text });
  expect((await web.run()).failure).toMatchObject({ code: 'disk-unusable' });
});
