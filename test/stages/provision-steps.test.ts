/** How provisioning stages become chains of steps: their names, their options, what they leave to whom. */
import { expect, test } from 'vitest';
import { ansibleProvisionStage } from '../../src/stages/ansible-provision.ts';
import { kindsOf } from '../../src/stages/index.ts';
import type { StageKind, StepDefinition } from '../../src/stages/kind.ts';
import { provisionStage } from '../../src/stages/provision.ts';
import { shellProvisionStage } from '../../src/stages/shell-provision.ts';

type Kind = Pick<StageKind, 'options' | 'steps' | 'check'>;

const DISK = { $file: 'base.qcow2' };

function stepsOf(kind: unknown, given: object): readonly StepDefinition[] {
  const { options, steps } = kind as Kind;
  return steps?.(options.parse({ disk: DISK, ...given }) as never) ?? [];
}

const names = (kind: unknown, given: object) => stepsOf(kind, given).map(({ name }) => name);

function problems(given: object): readonly string[] {
  const { options, check } = provisionStage as unknown as Kind;
  const found = check?.(options.parse({ disk: DISK, ...given }) as never) ?? [];
  return found.map(({ path, problem }) => `${path.join('.')}: ${problem}`);
}

test('steps are called after their files, cleaned and made unique, and the shutdown is the last', () => {
  const playbooks = ['a/site.yml', 'b/site.yml', 'shutdown.yml', '10 ünï.d/x y.z.yml', '-.yml'];
  expect(names(ansibleProvisionStage, { playbooks })).toEqual([
    ...['site', 'site-2', 'shutdown-2', 'x-y-z', 'step', 'shutdown'],
  ]);
  expect(
    names(shellProvisionStage, {
      scripts: [{ $file: 's/one.sh' }, { $artifact: { action: 'made', output: 'script' } }],
      inline: ['true'],
      files: { '/etc/a': DISK },
      reboot: true,
    }),
  ).toEqual(['files', 'inline', 'one', 'script', 'reboot', 'shutdown']);
  const steps = [
    { shell: 'true' },
    { shell: 'true', name: 'named' },
    { file: { src: DISK, dest: '/etc/motd' } },
    { reboot: true },
    { reboot: true },
    { ansible: 'site.yml' },
  ];
  expect(names(provisionStage, { steps })).toEqual([
    ...['shell', 'named', 'motd', 'reboot', 'reboot-2', 'site', 'shutdown'],
  ]);
});

test('the first step reads the given disk, each other that of the step before, with its UEFI variables', () => {
  const given = { playbooks: ['a.yml', 'b.yml'], firmware: 'uefi', efivars: { $file: 'vars.fd' } };
  const previous = (output: string) => ({ $artifact: { action: '@previous', output } });
  expect(
    stepsOf(ansibleProvisionStage, given).map(({ options }) => [options['disk'], options['efivars']]),
  ).toEqual([
    [DISK, { $file: 'vars.fd' }],
    [previous('disk'), previous('efivars')],
    [previous('disk'), previous('efivars')],
  ]);
});

test('a step has nothing of what only another one does', () => {
  const given = { playbooks: ['a.yml', 'b.yml'], generalize: true, extra_vars: { word: 'x' } };
  const [a, , end] = stepsOf(ansibleProvisionStage, given).map(({ options }) => options);
  expect(a).toMatchObject({ playbook: 'a.yml', extra_vars: { word: 'x' } });
  expect(Object.keys(a ?? {})).not.toContain('generalize');
  expect(JSON.stringify(a)).not.toContain('b.yml');
  expect(end).toMatchObject({ generalize: true });
  expect(JSON.stringify(end)).not.toMatch(/\.yml|word/);
});

test('every step takes the options that its stage makes for it, durations and sizes as they were given', () => {
  const machine = { memory: '512MiB', ssh: { timeout: '90s' }, shutdown: { timeout: '7m' } };
  const steps = [
    { ansible: { playbook: 'a.yml', timeout: '3h', idle_timeout: '20s' } },
    { shell: { script: { $file: 's.sh' }, timeout: '2m', idle_timeout: '500ms' } },
    { file: { src: DISK, dest: '/etc/a', mode: '0644', owner: 'root:root' } },
    { reboot: true },
  ];
  const read = stepsOf(provisionStage, { ...machine, steps }).map(({ kind, options }) =>
    kindsOf().find(kind)?.options.parse(options),
  );
  for (const options of read) expect(options).toMatchObject({ memory: 2 ** 29, ssh: { timeout: 90_000 } });
  expect(read[0]).toMatchObject({ timeout: 10_800_000, idle_timeout: 20_000 });
  expect(read[1]).toMatchObject({ timeout: 120_000, idle_timeout: 500 });
  expect(read[4]).toMatchObject({ shutdown: { timeout: 420_000 } });
});

test('a step is of one sort, and a script is either a file or commands', () => {
  expect(problems({ steps: [{ shell: 'true', reboot: true }, { name: 'none' }, { shell: {} }] })).toEqual([
    'steps.0: expected one of ansible, shell, file, reboot, and found shell and reboot',
    'steps.1: expected one of ansible, shell, file, reboot, and found none',
    'steps.2.shell: give either `script` or `inline`',
  ]);
});
