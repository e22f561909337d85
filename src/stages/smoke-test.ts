/** The kind `smoke-test`: boots a disk on an overlay that is thrown away, and proves what is asserted of the running system. */
import { z } from 'zod';
import { DISK_FORMATS } from '../model/disk-format.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { throwAwayDisk } from './images/bootable-disk.ts';
import { defineStage, type StageContext } from './kind.ts';
import { bootMachine, loginOf, passwordOf } from './machine/boot.ts';
import { type Guest, logIn } from './machine/guest.ts';
import { hardwareOptions, machineProblems, sshOptions, UNHASHED_MACHINE_OPTIONS } from './machine/options.ts';
import { artifact } from './options.ts';
import { assertionOptions } from './smoke/assertions.ts';
import { type Check, checkGuest } from './smoke/checks.ts';

const options = z.strictObject({
  disk: artifact().describe(
    'The disk to test, which stays as it is: qcow2 (also in layers), raw, VMDK, VDI, VHDX, VHD, or an OVA (its first disk)',
  ),
  format: z
    .enum([...DISK_FORMATS, 'ova'])
    .optional()
    .describe(
      'What the disk is, `ova` for an appliance. A stage that makes a disk says it; a file is looked at, and one that could be two things is refused until it is said here',
    ),
  efivars: artifact()
    .optional()
    .describe('With `firmware: uefi`: the variables that belong to the disk; a copy is used'),
  ssh: sshOptions
    .prefault({})
    .describe(
      'The login; as root without password and key, a temporary key is handed to systemd in the guest',
    ),
  ...assertionOptions,
  ...hardwareOptions,
});

type SmokeOptions = z.output<typeof options>;

/** How long the system may take to start its services after the login works; then it is tested as it is. */
const SETTLE_TIMEOUT_MS = 120_000;
const SETTLE = '[ ! -d /run/systemd/system ] || systemctl is-system-running --wait';

export const smokeTestStage = defineStage({
  name: 'smoke-test',
  version: 2,
  summary: 'Boot a disk or appliance, prove what is asserted of the running system, throw the changes away',
  description: `The disk boots from cold on an overlay, so it proves what a user of the image gets, and is not changed. bake logs in, waits until
systemd has started everything, and looks at every assertion; those that do not hold are told all at once. Whatever is asserted, the system
must boot, let bake in, and have no failed units (see \`may_fail\`).

A test that passed is remembered like any other result: it runs again when the disk or an assertion has changed. A test that failed leaves
its report, its serial console and a picture of the screen beside its log.`,
  example: `bake: 1
name: tested
stages:
  smoke-test:
    uses: smoke-test
    with:
      disk: disk.qcow2
      services: [ssh]
      ports: [{ port: 22 }, { port: 25, open: false }]
      files:
        - { path: /etc/hostname, content: "^tiny$", mode: "0644", owner: root }
        - { path: /root/.bash_history, exists: false }
      commands:
        - { run: cat /etc/os-release, stdout: "^VERSION_CODENAME=bookworm$" }
      boot_time: 2m
`,
  options,
  outputs: () => ({
    report: {
      path: 'smoke-test.json',
      description: 'What was checked, what was found, how long it took to boot',
    },
    serial: { path: 'serial.log', description: 'What the system said on its serial console' },
  }),
  tools: () => [{ name: 'qemu-system-x86_64' }, { name: 'qemu-img' }],
  unhashed: UNHASHED_MACHINE_OPTIONS,
  check: (given) => [
    ...machineProblems(given),
    ...(given.efivars !== undefined && given.firmware === 'bios'
      ? [{ path: ['efivars'], problem: '`efivars` needs `firmware: uefi`' }]
      : []),
  ],
  async run(given, context) {
    const layers = await throwAwayDisk(context, context.input(given.disk), given.format);
    if (!layers.ok) return layers;
    const login = await loginOf(context, given.ssh);
    if (!login.ok) return login;
    const { clock, files } = context.host;
    const efivars = given.efivars && context.input(given.efivars).path;
    const media = { layers: layers.value, efivars, login: login.value };
    const machine = await bootMachine(context, given, media);
    if (!machine.ok) return machine;
    const startedMs = clock.monotonicMs();
    try {
      const guest = await logIn(context, machine.value, login.value, {
        timeoutMs: given.ssh.timeout,
        password: passwordOf(given.ssh, context),
      });
      if (!guest.ok) return guest;
      const judged = await judge(given, context, guest.value, clock.monotonicMs() - startedMs);
      if (!judged.ok) return judged;
    } finally {
      await machine.value.end();
    }
    const kept = await files.copyFile(`${context.evidence}/serial.log`, context.output('serial'));
    return kept.ok ? ok({}) : kept;
  },
});

/** Checks everything and writes the report, as an output or, when something is wrong, beside the log. */
async function judge(
  given: SmokeOptions,
  context: StageContext,
  guest: Guest,
  bootMs: number,
): Promise<Result<void, Failure>> {
  context.progress('waiting until the system is up');
  const settled = await guest.run(SETTLE, 'while it was starting its services', {
    quiet: true,
    timeoutMs: SETTLE_TIMEOUT_MS,
  });
  if (!settled.ok) return settled;
  const checked = await checkGuest(given, context, guest);
  if (!checked.ok) return checked;
  const checks = [bootCheck(given.boot_time, bootMs), ...checked.value];
  const failed = checks.filter(({ problems }) => problems.length > 0);
  const report = { schemaVersion: 1, passed: failed.length === 0, bootMs: Math.round(bootMs), checks };
  const text = `${JSON.stringify(report, null, 2)}\n`;
  for (const { check, problems } of checks)
    context.log(`${check}: ${problems.join('; ') || 'as it should be'}`);
  if (failed.length === 0)
    return context.host.files.writeFile(context.output('report'), text, { over: true });
  const path = `${context.evidence}/smoke-test.json`;
  const written = await context.host.files.writeFile(path, text, { over: true });
  return fail({
    code: 'smoke-test-failed',
    checks: checks.length,
    failed,
    report: written.ok ? path : null,
    guest: await guest.machine.view(),
  });
}

function bootCheck(limitMs: number | undefined, bootMs: number): Check {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const late = limitMs !== undefined && bootMs > limitMs;
  const problems = late
    ? [`it took ${seconds(bootMs)} to a login, expected at most ${seconds(limitMs)}`]
    : [];
  return { check: 'boot', problems, output: [] };
}
