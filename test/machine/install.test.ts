/** `qemu-install` with real machines: what ends well, and every way in which it does not. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { realHost } from '../../src/host/real.ts';
import { qemuInstallStage } from '../../src/stages/qemu-install.ts';
import { initrd, kernel, promptIso } from '../support/guest.ts';
import { stageContext, type TestContext } from '../support/stage-context.ts';

beforeAll(() => void promptIso(), 600_000);

type Given = z.input<typeof qemuInstallStage.options>;

const answers = mkdtempSync(join(tmpdir(), 'bake-answers-'));
afterAll(() => rmSync(answers, { recursive: true, force: true }));

/** What lets the little guest power off. */
function goodAnswer(): string {
  const path = join(answers, 'good');
  writeFileSync(path, 'good');
  return path;
}

const FILES = { vmlinuz: kernel, initrd: initrd, 'prompt.iso': promptIso, good: goodAnswer };
const file = (name: keyof typeof FILES) => ({ $file: name });

/** Runs the kind on the little guest, by direct boot unless `given` says otherwise. */
async function install(given: Partial<Given>, settings: Parameters<typeof stageContext>[0] = {}) {
  const inputs = Object.fromEntries(Object.entries(FILES).map(([name, make]) => [name, make()]));
  const context = await stageContext({
    ...settings,
    inputs,
    outputs: { disk: 'disk.qcow2', efivars: 'efivars.fd' },
  });
  const options = qemuInstallStage.options.parse({ disk_size: '64MiB', memory: '256MiB', cpus: 1, ...given });
  expect(qemuInstallStage.check?.(options)).toEqual([]);
  const result = await qemuInstallStage.run(options, context);
  return { context, result };
}

const direct = (words: string): Partial<Given> => ({
  kernel: file('vmlinuz'),
  initrd: file('initrd'),
  append: `console=ttyS0 ${words}`,
});

/** No QEMU of this context is left; they all name its directory. */
function machinesOf(context: TestContext): string {
  return execFileSync(
    'sh',
    ['-c', 'ps -eo args | grep "[q]emu-system" | grep -F "$0" || true', context.directory],
    {
      encoding: 'utf8',
    },
  );
}

describe('what ends well', () => {
  test('a guest that powers off leaves a disk that qemu-img finds whole', async () => {
    const { context, result } = await install(direct('scenario=poweroff'));
    await using _ = context;
    expect(result).toEqual({ ok: true, value: {} });
    const info = execFileSync('qemu-img', ['info', '--output=json', context.output('disk')], {
      encoding: 'utf8',
    });
    expect(JSON.parse(info)).toMatchObject({ format: 'qcow2', 'virtual-size': 64 * 2 ** 20 });
    execFileSync('qemu-img', ['check', '-q', context.output('disk')]);
    expect(context.lines.join('\n')).toContain('serial: guest: scenario poweroff');
    expect(readFileSync(join(context.evidence, 'serial.log'), 'utf8')).toContain('guest: scenario poweroff');
    expect(machinesOf(context)).toBe('');
  });

  test('a guest that is shut in gets its answers, below a path of their own, and reaches no other port of the host', async () => {
    const other = await realHost().sockets.serveFiles(
      () => null,
      () => {
        throw new Error('the guest got out');
      },
    );
    const { context, result } = await install({
      ...direct(`scenario=fetch http={{ .HTTPIP }}:{{ .HTTPPort }} out=10.0.2.2:${other?.port}`),
      net_device: 'e1000',
      network: 'answers',
      http_files: { '/early': file('good'), '/last': file('good') },
    });
    await using _ = context;
    await other?.close();
    expect(result).toEqual({ ok: true, value: {} });
    const said = context.lines.join('\n');
    expect(said).toContain('serial: guest: early is good');
    expect(said).toContain('http: GET /early 200');
    expect(said).toContain('http: GET /missing 404');
    expect(said).toContain('serial: guest: it gets out: no');
  });

  test('a guest that reboots when it is done', async () => {
    const { context, result } = await install({ ...direct('scenario=reboot'), shutdown: { by: 'reboot' } });
    await using _ = context;
    expect(result).toEqual({ ok: true, value: {} });
  });

  test('a boot command is typed at a boot loader, waited for by what it says on the console', async () => {
    const { context, result } = await install({
      iso: file('prompt.iso'),
      boot_wait: '0s',
      boot_command: [
        '<waitFor serial:/boot: $/ 2m>',
        'linux scenario=poweroff say=Az09_-+=~!@#%^&*()[]{}:,./?',
        '<leftShiftOn>x<leftShiftOff><enter>',
      ],
      wait_for: [{ serial: 'guest: it says (\\S+)', timeout: '2m' }],
    });
    await using _ = context;
    expect(result).toEqual({ ok: true, value: {} });
    const said = context.lines.find((line) => line.startsWith('serial: guest: it says'));
    expect(said).toBe('serial: guest: it says Az09_-+=~!@#%^&*()[]{}:,./?X');
  });

  test('UEFI: the variables are an output of their own', async () => {
    const { context, result } = await install({
      ...direct('scenario=poweroff'),
      firmware: 'uefi',
      machine_type: 'q35',
    });
    await using _ = context;
    expect(result).toEqual({ ok: true, value: {} });
    expect(statSync(context.output('efivars')).size).toBeGreaterThan(100_000);
  });
});

describe('what does not, and is never a result', () => {
  test('a kernel panic ends the stage at once, with its words, the console and a picture', async () => {
    const { context, result } = await install(direct('scenario=panic'));
    await using _ = context;
    expect(result).toMatchObject({ ok: false, failure: { code: 'guest-panicked' } });
    if (result.ok || result.failure.code !== 'guest-panicked') return;
    expect(result.failure.line).toMatch(/^Kernel panic - not syncing: Attempted to kill init/);
    expect(result.failure.guest.serial.join('\n')).toContain('guest: scenario panic');
    expect(
      readFileSync(result.failure.guest.screenshot ?? '')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    expect(machinesOf(context)).toBe('');
  });

  test('a text that does not appear in time', async () => {
    const { context, result } = await install({
      ...direct('scenario=silent'),
      wait_for: [{ serial: 'guest: scenario' }, { serial: 'never said', timeout: '1s' }],
    });
    await using _ = context;
    expect(result).toMatchObject({
      ok: false,
      failure: { code: 'serial-not-seen', pattern: 'never said', timeoutMs: 1000 },
    });
    expect(machinesOf(context)).toBe('');
  });

  test('a guest without an SSH server', async () => {
    const { context, result } = await install({ ...direct('scenario=silent'), ssh: { timeout: '8s' } });
    await using _ = context;
    expect(result).toMatchObject({
      ok: false,
      failure: { code: 'ssh-not-ready', answered: false, user: 'root' },
    });
    if (result.ok || result.failure.code !== 'ssh-not-ready') return;
    expect(result.failure.command).toMatch(/^ssh -F none -i \S+key .*-p \d+ .* -- root@127\.0\.0\.1$/);
    expect(existsSync(result.failure.guest.screenshot ?? '')).toBe(true);
    expect(machinesOf(context)).toBe('');
  });

  test('a guest that does not power off', async () => {
    const { context, result } = await install({
      ...direct('scenario=silent'),
      shutdown: { by: 'acpi', timeout: '2s' },
    });
    await using _ = context;
    expect(result).toMatchObject({
      ok: false,
      failure: { code: 'guest-did-not-shut-down', asked: 'the ACPI power button', timeoutMs: 2000 },
    });
    expect(machinesOf(context)).toBe('');
  });

  test('kill -9 of QEMU', async () => {
    const { context, result } = await install(direct('scenario=silent'), { onLine: killMachine });
    await using _ = context;
    expect(result).toMatchObject({ ok: false, failure: { code: 'machine-died' } });
    expect(JSON.stringify(result)).toContain('was ended by the signal SIGKILL');
  });

  test('Ctrl-C ends the machine', async () => {
    const stop = new AbortController();
    const { context, result } = await install(direct('scenario=silent'), {
      signal: stop.signal,
      onLine: (line) => line.includes('guest: scenario') && stop.abort(),
    });
    await using _ = context;
    expect(result.ok).toBe(false);
    expect(machinesOf(context)).toBe('');
  });

  test('a guest that powers off while bake still waits for it', async () => {
    const { context, result } = await install({
      ...direct('scenario=poweroff'),
      wait_for: [{ serial: 'never said' }],
    });
    await using _ = context;
    expect(result).toMatchObject({ ok: false, failure: { code: 'guest-powered-off-early' } });
  });

  test('QEMU that refuses its arguments', async () => {
    const { context, result } = await install({ ...direct(''), extra_args: ['-device', 'no-such-device'] });
    await using _ = context;
    expect(result).toMatchObject({ ok: false, failure: { code: 'machine-did-not-start' } });
    expect(JSON.stringify(result)).toContain('no-such-device');
  });
});

/** Kills the QEMU that belongs to the context, once its guest is up. */
function killMachine(line: string, directory: string): void {
  if (!line.includes('guest: scenario')) return;
  execFileSync('sh', ['-c', 'pgrep -f "[q]emu-system.*$0" | xargs kill -9', directory]);
}
