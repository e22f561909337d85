/** The StatRecord: what counts as unchanged, and when a stamp can be trusted at all. */
import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { stamp } from '../../src/host/stamp.ts';
import {
  isFineGrained,
  isRacy,
  isStat,
  numbersOf,
  type StatRecord,
  sameStat,
  settledAtMs,
} from '../../src/model/stat-record.ts';
import { settle } from '../support/settle.ts';

const directory = mkdtempSync(join(tmpdir(), 'stat-record-'));
afterAll(() => rmSync(directory, { recursive: true }));

const stat: StatRecord = { sizeBytes: 5, mtimeMs: 1000.5, ctimeMs: 2000.25, inode: 7 };

test('a stamp equals itself, and one with any other number is another', () => {
  expect(sameStat(stat, { ...stat })).toBe(true);
  expect(isStat(['path', ...numbersOf(stat)], 1, stat)).toBe(true);
  for (const change of [{ sizeBytes: 6 }, { mtimeMs: 1000.75 }, { ctimeMs: 2000.5 }, { inode: 8 }]) {
    expect(sameStat(stat, { ...stat, ...change })).toBe(false);
    expect(isStat(numbersOf(stat), 0, { ...stat, ...change })).toBe(false);
  }
});

test('nothing equals nothing alone', () => {
  expect(sameStat(null, null)).toBe(true);
  expect(sameStat(stat, null)).toBe(false);
  expect(sameStat(null, stat)).toBe(false);
  expect(isStat(['only a path'], 1, stat)).toBe(false);
  expect(isStat(numbersOf(stat), 0, null)).toBe(false);
});

test('a time on the whole second is one of a coarse clock and needs two seconds to settle', () => {
  expect(isFineGrained({ ctimeMs: 12_000.004 })).toBe(true);
  expect(isFineGrained({ ctimeMs: 12_000 })).toBe(false);
  expect(settledAtMs({ ctimeMs: 12_000.004 })).toBeLessThan(12_030);
  expect(isRacy({ ctimeMs: 12_000 }, 13_999)).toBe(true);
  expect(isRacy({ ctimeMs: 12_000 }, 14_100)).toBe(false);
  expect(isRacy({ ctimeMs: 12_000.004 }, 12_001)).toBe(true);
  expect(isRacy({ ctimeMs: 12_000.004 }, 12_100)).toBe(false);
});

test('a file whose change lies in the future is racy: the clock was set back', () => {
  expect(isRacy({ ctimeMs: 20_000.5 }, 10_000)).toBe(true);
});

test('a copy with the same size and the times of the original shows, however old its mtime', () => {
  const [file, other] = [join(directory, 'file'), join(directory, 'other')];
  writeFileSync(file, 'aaaa');
  utimesSync(file, 1000, 1000);
  const before = stamp(file);
  settle(file);
  writeFileSync(other, 'bbbb');
  copyFileSync(other, file);
  utimesSync(file, 1000, 1000);
  const after = stamp(file);
  expect(after).toMatchObject({ sizeBytes: 4, mtimeMs: 1_000_000, inode: before?.inode });
  expect(sameStat(before, after)).toBe(false);
});
