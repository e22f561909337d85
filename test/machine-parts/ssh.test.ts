/** ssh's arguments, as the real client understands them, and users that it would not take for users. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sshArgv } from '../../src/machine/ssh.ts';
import { withHostKeys } from '../../src/machine/ssh-login.ts';
import { locationOf } from '../../src/report/render-failure.ts';
import { planText } from '../support/plan-text.ts';

const home = mkdtempSync(join(tmpdir(), 'bake-ssh-'));
beforeAll(() => {
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  const lines = ['Host *', 'User mallory', 'ProxyCommand touch /tmp/never', 'ForwardAgent yes', 'Port 99'];
  writeFileSync(FIELDS.keyFile, '', { mode: 0o600 });
  writeFileSync(join(home, '.ssh/config'), lines.join('\n'), { mode: 0o600 });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const FIELDS = { user: 'root', port: 2222, keyFile: join(home, 'key'), knownHosts: '/k/known hosts 100%' };

/** What the client would do, by option. */
function understood(argv: readonly string[]): ReadonlyMap<string, string> {
  const [program = '', ...words] = argv;
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, SSH_AUTH_SOCK: '/nowhere' };
  const said = execFileSync(program, ['-G', ...words], { encoding: 'utf8', env });
  return new Map(
    said.split('\n').map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
  );
}

test('what people paste reads nothing of their own setup, and pins the host key', () => {
  const found = understood(sshArgv(FIELDS));
  expect(Object.fromEntries(found)).toMatchObject({
    user: 'root',
    hostname: '127.0.0.1',
    port: '2222',
    identityfile: FIELDS.keyFile,
    identitiesonly: 'yes',
    identityagent: 'none',
    stricthostkeychecking: 'accept-new',
    hostkeyalias: 'guest',
    globalknownhostsfile: '/dev/null',
    updatehostkeys: 'false',
    forwardagent: 'no',
  });
  expect(found.get('userknownhostsfile')).toContain('known hosts');
  expect(found.has('proxycommand')).toBe(false);
});

test('the destination is one whatever it begins with, and what follows is for the guest', () => {
  const argv = sshArgv({ ...FIELDS, user: '-oProxyCommand=touch x' });
  expect(argv.slice(-2)).toEqual(['--', '-oProxyCommand=touch x@127.0.0.1']);
  expect(() => understood(argv)).toThrow();
  expect(understood([...sshArgv(FIELDS), '-o', 'User=x']).get('user')).toBe('root');
});

const KINDS = {
  provision: 'disk: d, steps: [{ shell: id }]',
  'shell-provision': 'disk: d, inline: [id]',
  'ansible-provision': 'disk: d, playbooks: [p.yml]',
  'qemu-install': 'iso: i, disk_size: 1GiB',
  'smoke-test': 'disk: d',
};

function problemsOf(kind: string, options: string): readonly string[] {
  const text = `bake: 1\nname: a\nstages:\n  x:\n    uses: ${kind}\n    with:\n      ${options}\n`;
  const planned = planText(text);
  const failures = planned.ok ? [] : planned.failure;
  return failures.map(
    (failure) => `${failure.code} ${locationOf(failure)?.line}:${locationOf(failure)?.column}`,
  );
}

test.each(Object.entries(KINDS))(
  '%s refuses users that ssh or scp would read otherwise, at their place',
  (kind, rest) => {
    const given = (user: string) =>
      problemsOf(kind, `{ ssh: { password: p, user: ${JSON.stringify(user)} }, ${rest} }`);
    for (const user of [
      '-oProxyCommand=id',
      '-',
      '',
      'a b',
      'a\tb',
      'a\nb',
      'a;b',
      '$(id)',
      '`id`',
      'a:b',
      'a/b',
      "a'b",
      'a"b',
      'a|b',
    ])
      expect(given(user), user).toEqual(['bad-value 7:35']);
    for (const user of ['root', 'debian', 'a-b', 'a.b_c', 'user@domain', 'größe', 'DOM\\user'])
      expect(given(user), user).toEqual([]);
  },
);

test.each(Object.entries(KINDS))('%s: a guest that is shut in gets no other way out', (kind, rest) => {
  const given = (options: string) => problemsOf(kind, `{ ${options}, ${rest} }`);
  for (const network of ['answers', 'none']) {
    expect(given(`network: ${network}`)).toEqual([]);
    expect(given(`network: ${network}, extra_args: [-usb, -netdev, "user,id=x"]`)).toHaveLength(1);
    expect(given(`network: ${network}, extra_args: [--nic, user]`)).toHaveLength(1);
  }
  expect(given('network: full, extra_args: [-nic, user]')).toEqual([]);
  expect(given('network: some')).toHaveLength(1);
});

test('a guest that is to have answers is not shut off from them', () => {
  const rest = KINDS['qemu-install'];
  expect(problemsOf('qemu-install', `{ network: none, http_directory: h, ${rest} }`)).toEqual([
    'bad-value 7:18',
  ]);
  expect(problemsOf('qemu-install', `{ network: none, http_files: { /a: b }, ${rest} }`)).toEqual([
    'bad-value 7:18',
  ]);
  expect(problemsOf('qemu-install', `{ network: answers, http_directory: h, ${rest} }`)).toEqual([]);
});

test('names that become file names of Ansible are names', () => {
  const given = (options: string) =>
    problemsOf('ansible-provision', `{ ${options}, ${KINDS['ansible-provision']} }`);
  for (const name of ['../x', '-x', 'a,b', '/etc/x', 'a:b', 'a b'])
    for (const options of [`host: ${JSON.stringify(name)}`, `groups: [${JSON.stringify(name)}]`])
      expect(given(options), options).toHaveLength(1);
  expect(given('host: web-1.example, groups: [web, db_2]')).toEqual([]);
});

test('host keys that the guest tells over its login are known, too; what is no key is not', () => {
  const known = 'guest ssh-ed25519 AAAA\n';
  expect(
    withHostKeys(known, ['ssh-ed25519 AAAA root@x', 'ssh-ed25519 BBBB= root@x', 'ecdsa-sha2-nistp256 CCCC']),
  ).toBe('guest ssh-ed25519 AAAA\nguest ssh-ed25519 BBBB=\nguest ecdsa-sha2-nistp256 CCCC\n');
  expect(
    withHostKeys(known, ['', '@cert-authority * ssh-rsa AAAA', 'ssh-rsa A*B', '-x', '# ssh-rsa AAAA']),
  ).toBe(known);
  const many = Array.from({ length: 100 }, (_, index) => `ssh-rsa A${index}`);
  expect(withHostKeys(known, many).split('\n')).toHaveLength(10);
});
