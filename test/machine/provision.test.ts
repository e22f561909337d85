/** The installer's disk through the kinds that provision, with real machines, real ssh and real Ansible. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ansibleProvisionStage } from '../../src/stages/ansible-provision.ts';
import type { StageKind } from '../../src/stages/kind.ts';
import { qemuInstallStage } from '../../src/stages/qemu-install.ts';
import { shellProvisionStage } from '../../src/stages/shell-provision.ts';
import { installerIso } from '../support/guest.ts';
import { stageContext, type TestContext } from '../support/stage-context.ts';

let directory: string;
const at = (name: string): string => join(directory, name);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bake-provision-'));
  const iso = installerIso();
  const { context, result } = await run(
    qemuInstallStage,
    { iso: { $file: 'iso' }, disk_size: '2GiB' },
    { iso },
  );
  await using _ = context;
  expect(result).toEqual({ ok: true, value: {} });
  renameSync(context.output('disk'), at('installed.qcow2'));
}, 900_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a kind; `tree` is what its workspace holds. */
async function run(
  kind: Pick<StageKind, 'options' | 'run' | 'check'>,
  given: object,
  inputs: { readonly [name: string]: string },
  tree: { readonly [path: string]: string } = {},
  settings: Parameters<typeof stageContext>[0] = {},
) {
  const context = await stageContext({ ...settings, inputs, outputs: { disk: 'disk.qcow2' } });
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(context.files, path)), { recursive: true });
    writeFileSync(join(context.files, path), text);
  }
  const options = kind.options.parse(given);
  expect(kind.check?.(options) ?? []).toEqual([]);
  return { context, result: await kind.run(options as never, context) };
}

function provision(
  kind: Parameters<typeof run>[0],
  given: object,
  tree = {},
  inputs = {},
  settings: Parameters<typeof stageContext>[0] = {},
) {
  const options = { disk: { $file: 'disk' }, memory: '512MiB', ...given };
  return run(kind, options, { disk: at('installed.qcow2'), ...inputs }, tree, settings);
}

/** Looks into the file system of a finished disk without starting it. */
class Inside {
  readonly #partition: string;

  constructor(context: TestContext) {
    const raw = join(context.directory, 'raw');
    this.#partition = join(context.directory, 'partition');
    execFileSync('qemu-img', ['check', '-q', context.output('disk')]);
    execFileSync('qemu-img', ['convert', '-O', 'raw', context.output('disk'), raw]);
    const table = JSON.parse(execFileSync('sfdisk', ['-J', raw], { encoding: 'utf8' })) as {
      partitiontable: { partitions: { start: number }[] };
    };
    const skip = (table.partitiontable.partitions[0]?.start ?? 0) * 512;
    execFileSync('dd', [
      `if=${raw}`,
      `of=${this.#partition}`,
      'bs=1M',
      'iflag=skip_bytes',
      `skip=${skip}`,
      'conv=sparse',
      'status=none',
    ]);
    rmSync(raw);
    execFileSync('e2fsck', ['-fn', this.#partition], { stdio: 'ignore' });
  }

  #ask(request: string): string {
    return execFileSync('debugfs', ['-R', request, this.#partition], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }

  read(path: string): string {
    return this.#ask(`cat ${path}`);
  }

  names(path: string): readonly string[] {
    return this.#ask(`ls -p ${path}`)
      .split('\n')
      .flatMap((line) => line.split('/')[5] ?? [])
      .filter((name) => name !== '' && name !== '.' && name !== '..');
  }
}

test('playbooks run, a reboot within them is survived, and no trace of the login is left', async () => {
  const { context, result } = await provision(
    ansibleProvisionStage,
    { playbooks: ['one.yml', 'two.yml'], extra_vars: { word: 'apple' }, groups: ['fruit'], generalize: true },
    {
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
    },
  );
  await using _ = context;
  expect(result, context.lines.slice(-30).join('\n')).toEqual({ ok: true, value: {} });
  const inside = new Inside(context);
  expect([inside.read('/etc/one'), inside.read('/etc/two')]).toEqual(['apple red\n', 'two apple\n']);
  expect(inside.names('/root/.ssh')).toEqual([]);
  expect(inside.names('/etc/ssh').filter((name) => name.includes('host'))).toEqual([]);
  expect(inside.read('/etc/machine-id')).toBe('');
  expect(context.activities.map(({ activity }) => activity)).toContain(
    'two.yml: task 1 of 2: ansible.builtin.template',
  );
});

test('a task that fails is told with its name and what it said; nothing is left at the output', async () => {
  const play = `- hosts: all
  gather_facts: false
  tasks:
    - name: Ask for the impossible
      ansible.builtin.command: ls /nowhere/at/all
`;
  const { context, result } = await provision(
    ansibleProvisionStage,
    { playbooks: ['p.yml'] },
    { 'p.yml': play },
  );
  await using _ = context;
  expect(result).toMatchObject({
    ok: false,
    failure: {
      code: 'ansible-task-failed',
      playbook: 'p.yml',
      task: 'Ask for the impossible',
      message: expect.stringContaining("cannot access '/nowhere/at/all'"),
      unreachable: false,
    },
  });
  expect(context.host.files.stamp(context.output('disk'))).toBeNull();
});

test('a file that could not be found by reading the playbook is named, with where to declare it', async () => {
  const play = `- hosts: all
  gather_facts: false
  vars: { name: web }
  tasks:
    - ansible.builtin.copy: { src: "{{ name }}.conf", dest: /etc/web.conf }
`;
  const { context, result } = await provision(
    ansibleProvisionStage,
    { playbooks: ['p.yml'] },
    { 'p.yml': play },
  );
  await using _ = context;
  expect(result).toMatchObject({ ok: false, failure: { code: 'ansible-input-missing', file: 'web.conf' } });
});

test('a playbook that Ansible cannot read, or that names a role which is not there, fails before anything is booted', async () => {
  for (const [play, code] of [
    ['- hosts: all\n  tasks: [{ copy: {}, debug: {} }]\n', 'playbook-unusable'],
    ['- hosts: all\n  roles: [gone]\n', 'ansible-input-missing'],
  ]) {
    const { context, result } = await provision(
      ansibleProvisionStage,
      { playbooks: ['p.yml'] },
      { 'p.yml': play },
    );
    await using _ = context;
    expect(result).toMatchObject({ ok: false, failure: { code } });
    expect(context.lines.join('\n')).not.toContain('qemu-system');
  }
});

test('scripts run with their environment, one may reboot the machine, and the next runs in the new system', async () => {
  writeFileSync(
    at('first.sh'),
    '#!/bin/sh\ncat /proc/sys/kernel/random/boot_id > /etc/first\nsystemctl reboot\n',
  );
  writeFileSync(
    at('second.sh'),
    '#!/bin/sh\ncat /proc/sys/kernel/random/boot_id > /etc/second\necho "$WORD" > /etc/word\n',
  );
  const { context, result } = await provision(
    shellProvisionStage,
    {
      scripts: [{ $file: 'first' }, { $file: 'second' }],
      files: { '/etc/copied': { $file: 'second' } },
      environment: { WORD: `it's $HOME "here"` },
      expect_disconnect: true,
    },
    {},
    { first: at('first.sh'), second: at('second.sh') },
  );
  await using _ = context;
  expect(result, context.lines.slice(-30).join('\n')).toEqual({ ok: true, value: {} });
  const inside = new Inside(context);
  expect(inside.read('/etc/word')).toBe(`it's $HOME "here"\n`);
  expect(inside.read('/etc/copied')).toContain('/etc/second');
  expect(inside.read('/etc/first')).toMatch(/^[0-9a-f-]{36}\n$/);
  expect(inside.read('/etc/second')).not.toBe(inside.read('/etc/first'));
  expect(inside.names('/root/.ssh')).toEqual([]);
});

test('an exit status that was not expected is a failure, with the last lines', async () => {
  const { context, result } = await provision(shellProvisionStage, {
    inline: ['echo about to fail', 'exit 7'],
    valid_exit_codes: [0, 3],
  });
  await using _ = context;
  expect(result).toMatchObject({
    ok: false,
    failure: { code: 'guest-command-failed', exitCode: 7, disconnected: false, tail: ['about to fail'] },
  });
});

test('a login that the guest refuses is told while it is tried, without the password', async () => {
  const stop = new AbortController();
  const { context, result } = await provision(
    shellProvisionStage,
    { inline: ['true'], ssh: { user: 'root', password: 'not-the-one' } },
    {},
    {},
    { signal: stop.signal, onLine: (line) => line.includes('Permission denied') && stop.abort() },
  );
  await using _ = context;
  expect(result.ok).toBe(false);
  expect(context.lines).toContain('ssh: root@127.0.0.1: Permission denied (publickey,password).');
  expect(context.masked).toContain('not-the-one');
  expect(context.lines.join('\n')).not.toContain('not-the-one');
});

test('a disk that names a backing file of its own is refused', async () => {
  execFileSync('qemu-img', [
    'create',
    '-q',
    '-f',
    'qcow2',
    '-b',
    at('installed.qcow2'),
    '-F',
    'qcow2',
    at('over.qcow2'),
  ]);
  const given = { disk: { $file: 'disk' }, inline: ['true'] };
  const { context, result } = await run(shellProvisionStage, given, { disk: at('over.qcow2') });
  await using _ = context;
  expect(result).toMatchObject({ ok: false, failure: { code: 'disk-unusable' } });
});
