/** No test is skipped without a reason from the one list, and in CI for no other than those that are allowed there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mayBeMissing, without } from '../support/without.ts';

const TESTS = join(import.meta.dirname, '..');

/** Every way in which a test says that it does not run. */
const SKIPS = /\.(?:skip|todo|fails|only|runIf|skipIf)\b[^\n]*/g;
const ALLOWED = /^\.skipIf\(without\.\w+\)/;

test('a test is skipped for what is on the list alone', () => {
  const others = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts') && path !== 'house/skips.test.ts')
    .flatMap((path) =>
      (readFileSync(join(TESTS, path), 'utf8').match(SKIPS) ?? [])
        .filter((skip) => !ALLOWED.test(skip))
        .map((skip) => `${path}: ${skip}`),
    );
  expect(others).toEqual([]);
});

test.skipIf(process.env['CI'] === undefined)('in CI nothing is missing but what may be', () => {
  const missing = Object.entries(without)
    .filter(([, isMissing]) => isMissing)
    .map(([name]) => name);
  expect(missing.filter((name) => !(mayBeMissing as readonly string[]).includes(name))).toEqual([]);
});
