/** The quick check: trusts stamps only where they can be trusted, and nothing that changed gets past it. */
import { describe, expect, it } from 'vitest';
import type { QuickStamp } from '../../src/engine/quick.ts';
import { quickCheck, quickText } from '../../src/engine/quick.ts';

const SUMMARY = { stages: 2, outputs: [{ path: 'dist/x', sizeBytes: 1 }] };
const stamp: QuickStamp = { sizeBytes: 1, mtimeMs: 1000.5, ctimeMs: 1000.5, inode: 7 };
const stamps = new Map<string, QuickStamp | null>([
  ['/a', stamp],
  ['/absent', null],
]);
const text = quickText('key', stamps, SUMMARY, 10_000) as string;
const check = (key: string, now: ReadonlyMap<string, QuickStamp | null>) =>
  quickCheck(text, key, (path) => now.get(path) ?? null);

describe('the quick check', () => {
  it('finds nothing to do when every stamp is as it was', () => {
    expect(check('key', stamps)).toEqual(SUMMARY);
  });

  it('does not when anything differs', () => {
    for (const changed of [
      { ...stamp, sizeBytes: 2 },
      { ...stamp, mtimeMs: 1000.6 },
      { ...stamp, ctimeMs: 1001 },
      { ...stamp, inode: 8 },
      null,
    ]) {
      expect(check('key', new Map([...stamps, ['/a', changed]]))).toBeNull();
    }
    expect(check('key', new Map([...stamps, ['/absent', stamp]]))).toBeNull();
    expect(check('other key', stamps)).toBeNull();
  });

  it('is not prepared when a file was written within the grain of the clock', () => {
    expect(quickText('key', stamps, SUMMARY, 2999)).toBeNull();
    expect(quickText('key', stamps, SUMMARY, 3001)).not.toBeNull();
  });

  it('is not prepared for a name with a line break, and survives a damaged file', () => {
    expect(quickText('key', new Map([['/a\nb', stamp]]), SUMMARY, 10_000)).toBeNull();
    for (const broken of ['', '{}', 'x', text.slice(0, 30)])
      expect(quickCheck(broken, 'key', () => null)).toBeNull();
  });
});
