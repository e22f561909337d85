/** Everything that can be wrong with a pipeline is found, located, and told; bake then leaves the disk as it was. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeFailures, planText } from '../support/plan-text.ts';
import { BAD_PIPELINES } from './bad-pipelines.ts';

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));

const BAD_FILES: readonly { title: string; bytes: Uint8Array; failures: readonly string[] }[] = [
  {
    title: 'a binary file',
    bytes: bytes('bake: 1\nname', [0, 1, 2]),
    failures: ['pipeline-not-text 2:5'],
  },
  {
    title: 'text that is not UTF-8',
    bytes: bytes('bake: 1\nname: caf', [0xe9], '\n'),
    failures: ['pipeline-not-text 2:10'],
  },
  {
    title: 'UTF-16',
    bytes: Buffer.from('\uFEFFbake: 1\n', 'utf16le'),
    failures: ['pipeline-not-text 1:1'],
  },
  { title: '10 MB', bytes: Buffer.alloc(10_000_000, '# padding\n'), failures: ['pipeline-too-large 1:1'] },
  {
    title: 'aliases that double again and again',
    bytes: bytes(billionLaughs()),
    failures: ['missing-key 1:1', 'yaml-alias 6:31'],
  },
  {
    title: 'lists in lists in lists',
    bytes: bytes(`bake: 1\nvars: { a: ${'['.repeat(50_000)}${']'.repeat(50_000)} }\n`),
    failures: [],
  },
];

function billionLaughs(): string {
  const names = 'abcdefgh'.split('');
  const lines = names.map((name, at) => {
    const item = at === 0 ? 'x' : `*${names[at - 1]}`;
    return `x-${name}: &${name} [${Array(10).fill(item).join(',')}]`;
  });
  return `bake: 1\n${lines.join('\n')}\n`;
}

describe('planning finds', () => {
  test.each(BAD_PIPELINES.map((bad) => [bad.title, bad] as const))('%s', (_, bad) => {
    const planned = planText(bad.text);
    expect(planned.ok ? ['nothing'] : describeFailures(planned.failure)).toEqual(bad.failures);
  });

  test.each(BAD_FILES.map((bad) => [bad.title, bad] as const))('%s', (_, bad) => {
    const planned = planText(bad.bytes);
    const found = planned.ok ? ['nothing'] : describeFailures(planned.failure);
    if (bad.failures.length > 0) expect(found.slice(0, bad.failures.length)).toEqual(bad.failures);
    else expect(found[0]).toMatch(/^yaml-syntax 2:/);
  });
});

describe('the program refuses, says where, and touches nothing:', () => {
  const all = [...BAD_PIPELINES.map((bad) => ({ ...bad, bytes: Buffer.from(bad.text) })), ...BAD_FILES];
  test.concurrent.each(all.map((bad) => [bad.title, bad] as const))('%s', async (_, bad) => {
    const directory = mkdtempSync(join(tmpdir(), 'bake-bad-'));
    try {
      const file = join(directory, 'pipeline.yaml');
      writeFileSync(file, bad.bytes);
      const before = statSync(file);
      const { status, stderr, stdout } = await runBake(directory, 'run');
      expect(status).toBe(2);
      expect(stdout).toBe('');
      for (const failure of bad.failures) {
        const [code, place] = failure.split(' ');
        expect(stderr).toContain(`[${code}]`);
        if (place) expect(stderr).toContain(`pipeline.yaml:${place}: error: `);
      }
      expect(readdirSync(directory)).toEqual(['pipeline.yaml']);
      expect(readFileSync(file).equals(bad.bytes)).toBe(true);
      expect(statSync(file).mtimeMs).toBe(before.mtimeMs);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

function runBake(
  cwd: string,
  ...args: string[]
): Promise<{ status: number; stdout: string; stderr: string }> {
  const program = process.env['BAKE_TEST_PROGRAM'] as string;
  const env = { PATH: process.env['PATH'], HOME: cwd };
  return new Promise((resolve) => {
    const options = { cwd, env, maxBuffer: 64 * 2 ** 20 };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
