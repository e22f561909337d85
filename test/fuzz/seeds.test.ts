/** Every seed of the fuzzer, again: inputs that reach each branch that it reached, and those that once broke a reader. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TARGETS } from './targets.ts';

const SEEDS = join(import.meta.dirname, 'seeds');
const LONGEST_SEED = 4096;

test.each(Object.entries(TARGETS))('%s: whatever must hold holds of all seeds', async (name, target) => {
  const files = readdirSync(join(SEEDS, name));
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const input = new Uint8Array(readFileSync(join(SEEDS, name, file)));
    expect(input.length, file).toBeLessThanOrEqual(LONGEST_SEED);
    try {
      await target(input);
    } catch (error) {
      throw new Error(`the seed ${name}/${file} does not pass`, { cause: error });
    }
  }
});

test('there are no seeds of targets that are no more', () => {
  expect(readdirSync(SEEDS).sort()).toEqual(Object.keys(TARGETS).sort());
});
