/** Why a guest would not run a script: told by its mounts and by what it said. */
import { expect, test } from 'vitest';
import { machineTexts } from '../../src/report/texts/machine.ts';
import { isNoexec, obstacleTo } from '../../src/stages/machine/obstacle.ts';
import { shellStep } from '../../src/stages/shell-step.ts';

const MOUNTS = `/dev/vda1 / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime 0 0
tmpfs /tmp/open tmpfs rw 0 0
/dev/vdb /srv/my\\040data ext4 rw,noexec 0 0
tmpfs /over tmpfs rw,noexec 0 0
tmpfs /over tmpfs rw 0 0
`;

test.each([
  ['/tmp', true],
  ['/tmp/below', true],
  ['/tmp/open', false],
  ['/tmp/open/more', false],
  ['/tmpfoo', false],
  ['/root', false],
  ['/srv/my data', true],
  ['/srv/my', false],
  ['/over', false],
])('%s runs no programs: %s', (folder, answer) => {
  expect(isNoexec(MOUNTS, folder)).toBe(answer);
});

const guest = {
  run: async () => ({
    ok: true as const,
    value: {
      exitCode: 0,
      signal: null,
      timedOut: false,
      wentSilent: false,
      strays: [],
      stdout: MOUNTS,
      tail: [],
    },
  }),
};
const refused = { exitCode: 126, tail: ['sh: 1: /tmp/bake-script: Permission denied'] };

test('a script that may not be run where it lies is told from one that fails', async () => {
  expect(await obstacleTo(guest, '/tmp', refused)).toEqual({ type: 'noexec', folder: '/tmp' });
  expect(await obstacleTo(guest, '/root', refused)).toBeNull();
  expect(await obstacleTo(guest, '/tmp', { exitCode: 1, tail: ['no such thing'] })).toBeNull();
  const tail = ['sudo: sorry, you must have a tty to run sudo'];
  expect(await obstacleTo(guest, '/tmp', { exitCode: 1, tail })).toEqual({ type: 'requiretty' });
});

test('the hint names the cause and the option', () => {
  const view = { serial: [], serialLog: null, screenshot: null, requests: [] };
  const hint = (obstacle?: { type: 'noexec'; folder: string } | { type: 'requiretty' }) =>
    machineTexts['guest-command-failed'].text({
      ...{
        code: 'guest-command-failed',
        command: 's.sh',
        exitCode: 126,
        disconnected: false,
        tail: [],
        guest: view,
      },
      ...(obstacle === undefined ? {} : { obstacle }),
    }).hint;
  expect(hint({ type: 'noexec', folder: '/tmp' })).toMatch(/\/tmp.*noexec.*`remote_folder: /);
  expect(hint({ type: 'requiretty' })).toContain('requiretty');
  expect(hint()).toContain('valid_exit_codes');
});

test('scripts are copied to an absolute path', () => {
  const folder = (remote_folder: unknown) =>
    shellStep.options.safeParse({ disk: { $file: 'd' }, inline: ['id'], remote_folder }).success;
  expect(['/root', '/var/tmp', '/a b', undefined].map(folder)).toEqual([true, true, true, true]);
  expect(['tmp', '', './x', '~/x', '/a\nb', '-x'].map(folder)).toEqual([
    false,
    false,
    false,
    false,
    false,
    false,
  ]);
});
