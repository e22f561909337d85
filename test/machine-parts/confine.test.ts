/** What reads the images of strangers: under limits, and where the host has namespaces for us it sees nothing else. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { realHost } from '../../src/host/real.ts';
import { type Command, confined, type Limits } from '../../src/machine/confine.ts';

const host = realHost();
const env = { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8' };
const ENOUGH: Limits = { memoryBytes: 2 ** 32, cpuSeconds: 60, fileBytes: 2 ** 30 };
let directory: string;
const at = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-confined-'));
  mkdirSync(at('out'));
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', at('given.qcow2'), '1M']);
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', at('other.qcow2'), '1M']);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Whether this host lets us have a root of our own, found out without the code under test. */
const HAS_NAMESPACES =
  spawnSync('unshare', [
    '--user',
    '--map-root-user',
    '--mount',
    '--net',
    'mount',
    '-t',
    'tmpfs',
    'tmpfs',
    '/sys',
  ]).status === 0;

async function run(command: Command, limits = ENOUGH) {
  const sight = { files: [at('given.qcow2')], directory: at('out') };
  const [file, ...args] = await confined({ host, env }, command, limits, sight);
  const said: string[] = [];
  const options = { cwd: '/', env, capture: true, onLine: (line: string) => said.push(line) };
  const ended = await host.processes.run(file, args, options);
  if (!ended.ok) throw new Error(ended.failure.code);
  return { ...ended.value, said: said.join('\n') };
}

describe('a program that is confined', () => {
  test('reads what it is given and writes where it may', async () => {
    const info = await run(['qemu-img', 'info', '-f', 'qcow2', at('given.qcow2')]);
    expect(info).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('virtual size: 1 MiB') });
    const out = at('out/copy.raw');
    expect(
      await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', at('given.qcow2'), out]),
    ).toMatchObject({ exitCode: 0 });
    expect(readFileSync(out).length).toBe(2 ** 20);
  });

  test('sees no other file of the host where there are namespaces, and is limited where there are none', async () => {
    const info = await run(['qemu-img', 'info', '-f', 'qcow2', at('other.qcow2')]);
    expect(info.exitCode).toBe(HAS_NAMESPACES ? 1 : 0);
    expect(info.said).toMatch(HAS_NAMESPACES ? /No such file/ : /virtual size/);
  });

  test('leaves the files that it was given as they were, and no mount behind', async () => {
    const before = readFileSync(at('given.qcow2'));
    await run(['qemu-img', 'info', '-f', 'qcow2', at('given.qcow2')]);
    expect(readFileSync(at('given.qcow2')).equals(before)).toBe(true);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(directory);
  });

  test.each<readonly [string, string, Partial<Limits>]>([
    ['memory', 'a=x; while :; do a=$a$a; done', { memoryBytes: 2 ** 27 }],
    ['time of the processor', 'while :; do :; done', { cpuSeconds: 1 }],
    ['room', 'exec dd if=/dev/zero of="$0" bs=1M count=64', { fileBytes: 2 ** 20 }],
  ])('is ended when it takes more %s than it may', async (_, script, limit) => {
    writeFileSync(at('out/file'), '');
    const ended = await run(['sh', '-c', script, at('out/file')], { ...ENOUGH, ...limit });
    expect(ended.exitCode).not.toBe(0);
    expect(readFileSync(at('out/file')).length).toBeLessThanOrEqual(2 ** 20);
  });
});
