/** Stories about starting: with what V8 compiled when the program was built, and without it when that is of no use. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** Tells at the end how many files were loaded with code, and of how many V8 refused it. */
const WATCH = `
const vm = require('node:vm');
let taken = 0, refused = 0;
vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options);
    if (options?.cachedData) this.cachedDataRejected ? refused++ : taken++;
  }
};
process.on('exit', () => require('node:fs').writeSync(2, JSON.stringify({ taken, refused })));
`;
let directory: string;
let lib: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-code-'));
  lib = join(directory, 'lib');
  cpSync(dirname(process.env['BAKE_TEST_PROGRAM'] as string), lib, { recursive: true });
  writeFileSync(join(directory, 'watch.cjs'), WATCH);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function help(...nodeFlags: readonly string[]) {
  const args = [...nodeFlags, '--require', join(directory, 'watch.cjs'), join(lib, 'bake.js'), 'help'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  expect(stdout).toContain('Usage: bake <command>');
  return JSON.parse(stderr) as { taken: number; refused: number };
}

/** Does something to every file of code, and puts the files back afterwards. */
function withCode(change: (path: string, code: Buffer) => void, then: () => void): void {
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.code'),
  );
  expect(files.length).toBeGreaterThan(10);
  const before = files.map((name) => [join(lib, name), readFileSync(join(lib, name))] as const);
  try {
    for (const [path, code] of before) change(path, code);
    then();
  } finally {
    for (const [path, code] of before) writeFileSync(path, code);
  }
}

it('takes the code that was compiled when it was built', () => {
  const { taken, refused } = help();
  expect(refused).toBe(0);
  expect(taken).toBeGreaterThan(2);
});

it('compiles anew under flags for which the code is not', () => {
  const { taken, refused } = help('--no-opt');
  expect(taken).toBe(0);
  expect(refused).toBeGreaterThan(2);
});

it('takes no code that is damaged, cut short or gone', () => {
  const nothing = { taken: 0, refused: 0 };
  const flip = (path: string, code: Buffer) => {
    const damaged = Buffer.from(code);
    const at = Math.floor(damaged.length / 2);
    damaged[at] = (damaged[at] as number) ^ 1;
    writeFileSync(path, damaged);
  };
  withCode(flip, () => expect(help()).toEqual(nothing));
  withCode(
    (path, code) => truncateSync(path, code.length / 2),
    () => expect(help()).toEqual(nothing),
  );
  withCode(
    (path) => truncateSync(path, 0),
    () => expect(help()).toEqual(nothing),
  );
  withCode(
    (path) => rmSync(path),
    () => expect(help()).toEqual(nothing),
  );
  expect(help().taken).toBeGreaterThan(2);
});

it('takes no code of another text of the same length', () => {
  const main = join(lib, 'main.cjs');
  const text = readFileSync(main, 'utf8');
  const before = help().taken;
  // The first letter of a message about bugs; no command of these stories says it.
  const other = text.replace('this is a bug in bake', 'that is a bug in bake');
  expect(other).not.toBe(text);
  expect(other).toHaveLength(text.length);
  writeFileSync(main, other);
  expect(help().taken).toBe(before - 1);
  writeFileSync(main, text);
});

it('is as strict as the modules that it was made of', () => {
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.cjs'),
  );
  expect(files.length).toBeGreaterThan(10);
  // A directive counts only where nothing but other directives is before it.
  const lax = files.filter((name) => !readFileSync(join(lib, name), 'utf8').startsWith('"use strict";'));
  expect(lax).toEqual([]);
});

it('a build whose program cannot be run says so, and keeps what it has built', () => {
  const empty = join(directory, 'empty');
  mkdirSync(empty);
  const script = join(import.meta.dirname, '../../scripts/compile-code.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, empty], { encoding: 'utf8' });
  expect(status).toBe(0);
  expect(stderr).toContain('the program will compile its files at every start: ');
});
