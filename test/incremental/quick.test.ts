/** The quick check: trusts stamps only where they can be trusted, and nothing that changed gets past it. */
import { describe, expect, it } from 'vitest';
import type { QuickRecord, RawStamp } from '../../src/incremental/quick.ts';
import { quickCheck, quickFile } from '../../src/incremental/quick.ts';
import type { StatRecord } from '../../src/model/stat-record.ts';

type Stamps = ReadonlyMap<string, StatRecord | null>;

const SUMMARY = { stages: 2, outputs: [{ path: 'dist/x', sizeBytes: 1 }] };
const stamp: StatRecord = { sizeBytes: 1, mtimeMs: 1000.5, ctimeMs: 1000.5, inode: 7 };
const stamps: Stamps = new Map<string, StatRecord | null>([
  ['/a', stamp],
  ['/ü/absent', null],
  ['/site/in', stamp],
]);
const record: QuickRecord = {
  key: 'kéy',
  stamps,
  own: new Set(),
  startedAtMs: 9_000,
  summary: SUMMARY,
  base: null,
};
const written = quickFile(record, 10_000) as Buffer;

function looking(now: Stamps): (path: string) => RawStamp | null {
  return (path) => {
    const found = now.get(path);
    if (found === undefined) throw new Error(`nobody asked for ${path}`);
    return (
      found && { size: found.sizeBytes, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, ino: found.inode }
    );
  };
}

const check = (key: string, now: Stamps) => quickCheck(written, key, looking(now));

describe('the quick check', () => {
  it('finds nothing to do when every stamp is as it was', () => {
    expect(check('kéy', stamps)).toEqual(SUMMARY);
  });

  it('does not when anything differs, wherever in the list', () => {
    for (const path of ['/a', '/site/in']) {
      for (const changed of [
        { ...stamp, sizeBytes: 2 },
        { ...stamp, mtimeMs: 1000.6 },
        { ...stamp, ctimeMs: 1001 },
        { ...stamp, inode: 8 },
        null,
      ]) {
        expect(check('kéy', new Map([...stamps, [path, changed]]))).toBeNull();
      }
    }
    expect(check('kéy', new Map([...stamps, ['/ü/absent', stamp]]))).toBeNull();
    expect(check('other key', stamps)).toBeNull();
  });

  it('asks for what lies below its directory by the rest of the path, and for all else by the whole', () => {
    const here = quickFile({ ...record, base: '/site' }, 10_000) as Buffer;
    const seen: Stamps = new Map([...stamps].map(([path, found]) => [path.replace('/site/', ''), found]));
    expect(quickCheck(here, 'kéy', looking(seen))).toEqual(SUMMARY);
    const below = quickFile({ ...record, base: '/wor' }, 10_000) as Buffer;
    expect(quickCheck(below, 'kéy', looking(stamps))).toEqual(SUMMARY);
    const root = quickFile({ ...record, base: '/' }, 10_000) as Buffer;
    const fromRoot: Stamps = new Map([...stamps].map(([path, found]) => [path.slice(1), found]));
    expect(quickCheck(root, 'kéy', looking(fromRoot))).toEqual(SUMMARY);
  });

  it('is not prepared when a file was written within the grain of the clock', () => {
    expect(quickFile({ ...record, startedAtMs: 1010 }, 10_000)).toBeNull();
    expect(quickFile({ ...record, startedAtMs: 1020 }, 10_000)).not.toBeNull();
  });

  it('trusts what bake itself has just put there, unless the clock of the file system is a coarse one', () => {
    const own = new Set(['/a', '/site/in']);
    expect(quickFile({ ...record, own, startedAtMs: 500 }, 1001)).not.toBeNull();
    const coarse = new Map([['/a', { ...stamp, ctimeMs: 2000 }]]);
    expect(quickFile({ ...record, own, stamps: coarse }, 2500)).toBeNull();
    expect(quickFile({ ...record, own, stamps: coarse }, 4100)).not.toBeNull();
  });

  it('is not prepared for a name with a line break', () => {
    expect(quickFile({ ...record, stamps: new Map([['/a\nb', stamp]]) }, 10_000)).toBeNull();
  });

  it('survives a file that was cut off or damaged anywhere, by a single bit even', () => {
    for (let length = 0; length < written.length; length++)
      expect(quickCheck(written.subarray(0, length), 'kéy', looking(stamps))).toBeNull();
    const zeroed = Buffer.from(written);
    zeroed.fill(0, written.length - 4);
    expect(quickCheck(zeroed, 'kéy', looking(stamps))).toBeNull();
    for (let at = 0; at < written.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(written);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        expect(quickCheck(flipped, 'kéy', looking(stamps))).toBeNull();
      }
    }
  });
});
