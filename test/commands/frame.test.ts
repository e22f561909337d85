/** What every command line gets: help, exit statuses, files that are there, failures that are told, completion that completes. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/commands/index.ts';

const program = (): string => process.env['BAKE_TEST_PROGRAM'] as string;
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-frame-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function bake(...args: string[]) {
  const env = { PATH: process.env['PATH'], HOME: directory };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program(), ...args], {
    cwd: directory,
    env,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('help', () => {
  test('is what bake says without a command, and lists every command', () => {
    const { status, stdout } = bake();
    expect(status).toBe(0);
    for (const command of COMMANDS) expect(stdout).toContain(`\n  ${command.name} `);
    expect(bake('--help').stdout).toBe(stdout);
    expect(bake('help').stdout).toBe(stdout);
  });

  test.each(COMMANDS.map((command) => [command.name, command] as const))(
    'of %s has every flag',
    (name, command) => {
      const { status, stdout } = bake('help', name);
      expect(status).toBe(0);
      for (const flag of command.flags) expect(stdout).toContain(`--${flag.name}`);
      expect(bake(name, '--help').stdout).toBe(stdout);
      expect(stdout.split('\n').every((line) => line.length <= 80 || line.startsWith('  bake'))).toBe(true);
    },
  );

  test('knows the version', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(bake('--version').stdout).toBe(`bake ${version}\n`);
  });
});

describe('a mistake on the command line', () => {
  test.each([
    [['rnu'], 'did you mean `run`?'],
    [['run', '--forse'], 'did you mean `--force`?'],
    [['help', 'rnu'], 'did you mean `run`?'],
    [['stages', 'ofv-pack'], 'did you mean `ovf-pack`?'],
    [['completion', 'csh'], 'takes no argument `csh`'],
    [['validate', 'none.yaml'], 'there is no pipeline file at none.yaml'],
    [['validate', 'a', 'b'], '`b`'],
  ])('%j ends with 2 and says what to do', (args, words) => {
    const { status, stdout, stderr } = bake(...args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(words);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('bake init', () => {
  test('writes a pipeline that is right, and never over another file', () => {
    expect(bake('init')).toMatchObject({ status: 0, stderr: '' });
    expect(bake('validate')).toMatchObject({ status: 0, stdout: 'pipeline.yaml: 2 stages, nothing wrong\n' });
    const before = readFileSync(join(directory, 'pipeline.yaml'), 'utf8');
    const again = bake('init');
    expect(again.status).toBe(2);
    expect(again.stderr).toContain('[file-exists]');
    expect(readFileSync(join(directory, 'pipeline.yaml'), 'utf8')).toBe(before);
  });

  test('writes a pipeline that runs as it is', () => {
    bake('init', 'first.yaml');
    expect(bake('run', 'first.yaml').status).toBe(0);
    expect(readFileSync(join(directory, 'dist/loud.txt'), 'utf8')).toBe('HELLO FROM VERSION 1.0.0\n');
  });
});

describe('bake validate', () => {
  test('works in the directory of -C and with variables from a file', () => {
    mkdirSync(join(directory, 'sub'));
    writeFileSync(join(directory, 'sub/v.yaml'), 'n: 2\n');
    const text = 'bake: 1\nvars: { n: }\nstages: { a: { run: x, retries: "${{ vars.n }}" } }\n';
    writeFileSync(join(directory, 'sub/pipeline.yaml'), text);
    expect(bake('validate', '-C', 'sub', '--var-file', 'v.yaml').status).toBe(0);
    expect(bake('validate', '-C', 'sub').stderr).toContain('[variable-unset]');
  });

  test('tells programs what is wrong', () => {
    writeFileSync(join(directory, 'p.yaml'), 'bake: 1\nstages: { a: { runn: x } }\n');
    const { status, stdout } = bake('validate', 'p.yaml', '--json');
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      schemaVersion: 1,
      file: 'p.yaml',
      valid: false,
      failures: [{ code: 'unknown-key', location: { line: 2, column: 16 }, suggestion: 'run' }],
    });
  });
});

describe('bake stages', () => {
  test('describes every kind with its options', () => {
    const names = bake('stages').stdout;
    const { kinds } = JSON.parse(bake('stages', '--json').stdout) as { kinds: { name: string }[] };
    expect(kinds.length).toBeGreaterThan(1);
    for (const kind of kinds) expect(names).toContain(`  ${kind.name} `);
    expect(bake('stages', 'fetch-iso').stdout).toMatch(/Options:\n(.*\n)+.*sha256/);
  });
});

describe('completion', () => {
  const words = (line: string): readonly string[] => {
    const script = `${bake('completion', 'bash').stdout}
bake() { '${process.execPath}' '${program()}' "$@"; }
COMP_WORDS=(${line}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _bake; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script], { cwd: directory, encoding: 'utf8' }).trim().split('\n');
  };

  test('of bash knows commands, flags, their values and the stages of the pipeline', () => {
    bake('init');
    expect(words('bake va')).toEqual(['validate']);
    expect(words('bake run --keep')).toEqual(['--keep-going']);
    expect(words('bake run --reporter l')).toEqual(['live']);
    expect(words('bake run gr')).toEqual(['greeting']);
    expect(words('bake stages ovf')).toEqual(['ovf-pack']);
    expect(words('bake cache d')).toEqual(['dir', 'du']);
  });

  test('of other shells names every command and flag', () => {
    for (const shell of ['zsh', 'fish']) {
      const { status, stdout } = bake('completion', shell);
      expect(status).toBe(0);
      for (const command of COMMANDS) {
        expect(stdout).toContain(command.name);
        for (const flag of command.flags) expect(stdout).toContain(flag.name);
      }
    }
  });

  test('is silent about a pipeline that is wrong', () => {
    writeFileSync(join(directory, 'pipeline.yaml'), 'bake: 2\n');
    expect(bake('completion', 'stages')).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});

test('a reader that goes away is no failure', async () => {
  const child = spawn(process.execPath, [program(), 'schema'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdout.destroy();
  const status = await new Promise((resolve) => child.on('close', resolve));
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test('a bug ends with 70, its stack, and a word about where to take it', () => {
  const planted =
    'const t=setInterval(()=>{if(process.listenerCount("uncaughtException")){clearInterval(t);throw new Error("planted")}},1)';
  const { status, stderr } = spawnSync(
    process.execPath,
    [`--import=data:text/javascript,${encodeURIComponent(planted)}`, program(), 'schema'],
    { cwd: directory, encoding: 'utf8' },
  );
  expect(status).toBe(70);
  expect(stderr).toMatch(/Please report it(.*\n)+.*Error: planted\n/);
});

test('the first interrupt stops a run cleanly', async () => {
  const text = 'bake: 1\nstages: { a: { run: "echo started; sleep 1000" } }\n';
  writeFileSync(join(directory, 'pipeline.yaml'), text);
  const child = spawn(process.execPath, [program(), 'run', '-v'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stopped = false;
  child.stdout.on('data', (chunk: Buffer) => {
    if (stopped || !chunk.toString().includes('| started')) return;
    stopped = true;
    child.kill('SIGINT');
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  expect(status).toBe(130);
});

test('start-up loads none of the libraries', () => {
  const chunks = join(program(), '../chunks');
  expect(existsSync(chunks)).toBe(true);
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, from] of text.matchAll(/(?:from|import)\s*"(\.[^"]+)"/g))
      visit(join(file, '..', from as string));
  };
  visit(program());
  const bytes = [...seen].reduce((sum, file) => sum + readFileSync(file).length, 0);
  expect(bytes).toBeLessThan(40_000);
});
