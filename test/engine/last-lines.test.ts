/** What is kept of a long output. */
import { expect, test } from 'vitest';
import { LastLines } from '../../src/engine/last-lines.ts';
import { processorMs } from '../support/processor-time.ts';

function kept(most: number, lines: readonly string[]): string {
  const last = new LastLines(most);
  for (const line of lines) last.add(line);
  return last.text();
}

test('everything is kept up to the limit, and beyond it as many whole lines of the end as fit', () => {
  expect(kept(10, [])).toBe('');
  expect(kept(10, ['abc', 'de'])).toBe('abc\nde\n');
  expect(kept(10, ['abcd', 'abcd'])).toBe('abcd\nabcd\n');
  expect(kept(10, ['abcd', 'abcd', 'x'])).toBe('abcd\nx\n');
  for (let count = 0; count < 40; count++) {
    const lines = Array.from({ length: count }, (_, at) => String(at));
    const all = lines.map((line) => `${line}\n`).join('');
    const text = kept(10, lines);
    expect(all.endsWith(text)).toBe(true);
    expect(text.length).toBeLessThanOrEqual(10);
    expect(text.length).toBeGreaterThanOrEqual(Math.min(all.length, 8));
  }
});

test('the last line is kept however long it is', () => {
  expect(kept(10, ['a', 'x'.repeat(20)])).toBe(`${'x'.repeat(20)}\n`);
  expect(kept(10, ['x'.repeat(20), 'a'])).toBe('a\n');
});

test('a million short lines take no time to speak of', () => {
  const last = new LastLines(1024 * 1024);
  const took = processorMs(() => {
    for (let count = 0; count < 1_000_000; count++) last.add('x');
  });
  expect(took).toBeLessThan(2_000);
  expect(last.text().length).toBe(1024 * 1024);
});
