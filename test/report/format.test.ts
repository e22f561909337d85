/** Numbers for people. */
import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize } from '../../src/report/format.ts';

describe('numbers for people', () => {
  it.each([
    [-5, '0.00s'],
    [0, '0.00s'],
    [83, '0.08s'],
    [999, '1.00s'],
    [1000, '1.0s'],
    [9_949, '9.9s'],
    [9_950, '10s'],
    [59_499, '59s'],
    [59_500, '1m00s'],
    [72_000, '1m12s'],
    [3_599_400, '59m59s'],
    [3_599_600, '1h00m'],
    [7_500_000, '2h05m'],
  ])('%d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1_048_575, '1 MiB'],
    [46_242_000, '44.1 MiB'],
    [2 * 1024 ** 3, '2 GiB'],
    [3000 * 1024 ** 4, '3000 TiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatSize(bytes)).toBe(text));
});
