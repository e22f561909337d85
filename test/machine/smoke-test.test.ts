/** Smoke tests of the default pipeline's system, as a disk and as an appliance, on real machines. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StageKind } from '../../src/stages/kind.ts';
import { ovfPackStage } from '../../src/stages/ovf-pack.ts';
import { qcow2ToVmdkStage } from '../../src/stages/qcow2-to-vmdk.ts';
import { smokeTestStage } from '../../src/stages/smoke-test.ts';
import { installedDisk } from '../support/installed-disk.ts';
import { stageContext, type TestContext } from '../support/stage-context.ts';

let directory: string;
let disk: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bake-smoke-'));
  disk = installedDisk();
}, 900_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function run(
  kind: Pick<StageKind, 'options' | 'run' | 'check'>,
  given: object,
  input: string,
  settings: Parameters<typeof stageContext>[0] = {},
) {
  const context = await stageContext({ ...settings, inputs: { input } });
  const options = kind.options.parse(given);
  expect(kind.check?.(options) ?? []).toEqual([]);
  return { context, result: await kind.run(options as never, context) };
}

const smokeTest = (given: object, input: string) =>
  run(smokeTestStage, { disk: { $file: 'input' }, memory: '512MiB', ...given }, input);

/** What a stage left, kept under a name. */
function keep(context: TestContext, output: string, name: string): string {
  copyFileSync(context.output(output), join(directory, name));
  return join(directory, name);
}

async function appliance(): Promise<string> {
  const made = await run(qcow2ToVmdkStage, { disk: { $file: 'input' }, compression: 1 }, disk);
  await using converted = made.context;
  const vmdk = keep(converted, 'vmdk', 'disk.vmdk');
  const packed = await run(ovfPackStage, { disk: { $file: 'input' }, product: { name: 'Tiny' } }, vmdk);
  await using context = packed.context;
  expect(packed.result).toEqual({ ok: true, value: {} });
  return keep(context, 'ova', 'tiny.ova');
}

test('an appliance proves itself; what was found and what the console said is kept, and the appliance is as it was', async () => {
  const ova = await appliance();
  const before = statSync(ova).mtimeMs;
  const { context, result } = await smokeTest(
    {
      services: ['ssh'],
      ports: [{ port: 22 }, { port: 53, protocol: 'udp', loopback: true }, { port: 80, open: false }],
      files: [
        { path: '/etc/os-release', content: '^VERSION_CODENAME=bookworm$', mode: '644', owner: 'root' },
        { path: '/etc/mtab', type: 'link' },
        { path: '/etc/shadow', type: 'file', mode: '0640', group: 'shadow' },
        { path: '/nowhere', exists: false },
        // Comes up later than everything else: it is waited for.
        { path: '/run/late' },
      ],
      commands: [
        { run: 'systemd-run --on-active=3 touch /run/late' },
        { run: 'id -un; exit 3', stdout: '^root$', exit_code: 3 },
      ],
      within: '1m',
      boot_time: '9m',
    },
    ova,
  );
  await using _ = context;
  expect(result, context.lines.slice(-40).join('\n')).toEqual({ ok: true, value: {} });
  const report = JSON.parse(readFileSync(context.output('report'), 'utf8'));
  expect(report).toMatchObject({ schemaVersion: 1, passed: true });
  expect(report.checks).toHaveLength(13);
  expect(report.bootMs).toBeGreaterThan(1000);
  expect(readFileSync(context.output('serial'), 'utf8')).toContain('login:');
  expect(statSync(ova).mtimeMs).toBe(before);
});

test('all that is not as it should be is told at once, with what was found instead', async () => {
  const { context, result } = await smokeTest(
    {
      services: ['nothing-such'],
      ports: [{ port: 22, open: false }, { port: 53, protocol: 'udp' }, { port: 80 }],
      files: [{ path: '/etc/shadow', mode: '0644', owner: 'daemon' }, { path: '/nowhere' }],
      commands: [
        { run: 'systemd-run --wait -q --unit breaks false' },
        { run: 'echo nearly; exit 4' },
        { run: 'sleep 100', timeout: '1s' },
        { run: 'echo one', stdout: '^two$' },
      ],
      boot_time: '100ms',
      within: '1s',
    },
    disk,
  );
  await using _ = context;
  const problem = (check: string, ...problems: unknown[]) => expect.objectContaining({ check, problems });
  expect(result).toMatchObject({
    ok: false,
    failure: {
      code: 'smoke-test-failed',
      checks: 12,
      failed: [
        problem('boot', expect.stringMatching(/^it took \d+\.\d s to a login, expected at most 0\.1 s$/)),
        problem('service nothing-such', 'it is inactive, not active'),
        problem('port 22', 'somebody listens there'),
        problem('port 53/udp', 'who listens there does so on the loopback address alone'),
        problem('port 80', expect.stringMatching(/^nobody listens there; listened on: 22, /)),
        problem('/etc/shadow', 'its mode is 0640, expected 0644', 'its owner is root, expected daemon'),
        problem('/nowhere', 'it is not there'),
        problem('`systemd-run --wait -q --unit breaks false`', expect.stringContaining('exit status')),
        { check: '`echo nearly; exit 4`', problems: ['exit status 4, expected 0'], output: ['nearly'] },
        problem('`sleep 100`', 'it did not end within 1 s'),
        problem('`echo one`', 'its output does not match /^two$/'),
        problem('failed units', 'breaks.service has failed'),
      ],
    },
  });
  if (result.ok) return;
  const { report } = result.failure as { report: string };
  expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ passed: false });
  expect(context.host.files.stamp(context.output('report'))).toBeNull();
});
