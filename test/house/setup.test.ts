/** scripts/setup.sh: what it installs, when it does nothing, two at once; on a system whose package tools are stand-ins that write down what is asked of them. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-setup-'));
  for (const path of ['scripts', 'src', 'bin', 'node_modules', 'lib']) mkdirSync(join(directory, path));
  for (const path of ['scripts/setup.sh', 'package.json', 'package-lock.json'])
    cpSync(join(ROOT, path), join(directory, path));
  writeFileSync(
    join(directory, 'scripts/packages.txt'),
    '# use, package, why\nbuild one # why\nbuild two\ntest three\n',
  );
  for (const name of ['build.mjs', 'compile-code.mjs', 'keep-code.cjs'])
    writeFileSync(join(directory, 'scripts', name), '');
  writeFileSync(join(directory, 'src/cli.ts'), '1\n');
  writeFileSync(join(directory, 'installed'), 'one\n');
  tool(
    'dpkg-query',
    'shift 3; for p in "$@"; do grep -qx "$p" installed && echo "$p installed"; done; exit 0',
  );
  tool('sudo', 'shift $(($# > 1 && 1)); exec "$@"');
  tool(
    'apt-get',
    `echo "apt-get $*" >> calls
case "$*" in
  *update*) : > updated ;;
  *install*) [ -e updated ] || { echo 'no such package'; exit 100; }
    for p in "$@"; do case $p in one | two | three) echo $p >> installed ;; esac; done ;;
esac`,
  );
  tool('npm', 'echo "npm $*" >> calls; mkdir -p node_modules');
  tool('node', 'echo "node $*" >> calls; mkdir -p lib');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function tool(name: string, script: string): void {
  writeFileSync(join(directory, 'bin', name), `#!/bin/sh\ncd '${directory}'\n${script}\n`);
  chmodSync(join(directory, 'bin', name), 0o755);
}

function setup(
  use: string,
  path = `${directory}/bin:/usr/bin:/bin`,
): Promise<{ code: number | null; output: string }> {
  const child = spawn('/bin/sh', [join(directory, 'scripts/setup.sh'), use], {
    cwd: '/',
    env: { PATH: path, HOME: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((done) => child.on('close', (code) => done({ code, output })));
}

function calls(): readonly string[] {
  const file = join(directory, 'calls');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

it('installs the packages of its use that are missing, renewing the lists when they are not known', async () => {
  const { code, output } = await setup('build');
  expect(code).toBe(0);
  expect(output).toContain('installing Debian packages: two');
  const asked = calls().filter((call) => call.startsWith('apt-get'));
  expect(asked).toHaveLength(3);
  expect(asked[0]).toMatch(/install --no-install-recommends two$/);
  expect(asked[1]).toMatch(/update$/);
  expect(asked[2]).toBe(asked[0]);
});

it('for tests also installs what only tests need', async () => {
  await setup('test');
  expect(readFileSync(join(directory, 'installed'), 'utf8').trim().split('\n').sort()).toEqual([
    'one',
    'three',
    'two',
  ]);
});

it('does nothing and says nothing when nothing is missing', async () => {
  await setup('test');
  const before = calls().length;
  expect(await setup('test')).toEqual({ code: 0, output: '' });
  expect(calls()).toHaveLength(before);
});

it('asks npm again when the lock file has changed, and builds again when a source has', async () => {
  await setup('build');
  writeFileSync(join(directory, 'src/cli.ts'), '2\n');
  await setup('build');
  expect(calls().filter((call) => call === 'node scripts/build.mjs')).toHaveLength(2);
  expect(calls().filter((call) => call.startsWith('npm ci'))).toHaveLength(1);
  writeFileSync(join(directory, 'package-lock.json'), '{}\n');
  await setup('build');
  expect(calls().filter((call) => call.startsWith('npm ci'))).toHaveLength(2);
});

it('builds again for another Node, of no use to which is what V8 compiled', async () => {
  await setup('build');
  tool('node', '# another\necho "node $*" >> calls; mkdir -p lib');
  await setup('build');
  await setup('build');
  expect(calls().filter((call) => call === 'node scripts/build.mjs')).toHaveLength(2);
});

it('lets two at once go one after the other', async () => {
  const [first, second] = await Promise.all([setup('build'), setup('build')]);
  expect([first.code, second.code]).toEqual([0, 0]);
  expect(calls().filter((call) => call.startsWith('npm ci'))).toHaveLength(1);
  expect(calls().filter((call) => call === 'node scripts/build.mjs')).toHaveLength(1);
});

it('shows what apt says and fails when a package cannot be had', async () => {
  tool('apt-get', "echo 'E: Unable to locate package two'; exit 100");
  const { code, output } = await setup('build');
  expect(code).toBe(1);
  expect(output).toContain('E: Unable to locate package two');
  expect(output).toContain('cannot install: two');
});
