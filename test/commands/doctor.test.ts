/** `bake doctor`: what it says of a host that has everything, and of one that has nothing. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

interface Report {
  readonly schemaVersion: number;
  readonly ready: boolean;
  readonly findings: readonly { readonly name: string; readonly verdict: string; readonly detail: string }[];
  readonly packages: readonly string[];
}

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-doctor-test-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function doctor(args: readonly string[], env: { readonly [name: string]: string } = {}) {
  const program = process.env['BAKE_TEST_PROGRAM'] ?? '';
  return spawnSync(process.execPath, [program, 'doctor', ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: directory, ...env },
  });
}

test('on this host: every tool with its version, the accelerator tried, and no trace left beside the user', () => {
  const ended = doctor(['--json']);
  const report = JSON.parse(ended.stdout) as Report;
  expect(report.schemaVersion).toBe(1);
  expect(ended.status).toBe(report.ready ? 0 : 3);
  const qemu = report.findings.find(({ name }) => name === 'qemu-img');
  const said = execFileSync('qemu-img', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  expect(qemu).toMatchObject({ verdict: 'ok', detail: said });
  expect(report.findings.find(({ name }) => name === 'accelerator')?.detail).toMatch(/^(kvm|tcg): /);
  // The answer about the accelerator is remembered where a user's caches belong, and nothing else is written.
  expect(readdirSync(directory).filter((name) => name !== '.cache')).toEqual([]);
});

test('where nothing is installed: exit status 3, and the packages to install', () => {
  const ended = doctor([], { PATH: directory });
  expect(ended.status).toBe(3);
  expect(ended.stdout).toMatch(/^MISSING {2}qemu-system-x86_64 +not installed$/m);
  expect(ended.stdout).toMatch(/apt-get install .*qemu-system-x86 qemu-utils ansible-core openssh-client/);
  expect(ended.stdout).toContain('cannot run here yet');
});
