/** What virt-ls prints, as it printed it of a Btrfs, and names that CSV has to quote. */
import { expect, it } from 'vitest';
import { parseListing } from '../../src/commands/foreign-partitions.ts';

const DIGEST = '98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4';

it('becomes files with their facts, sizes of files alone, without the root', () => {
  const csv = `d,0755,6,   0,   0,,/
d,0755,4,   0,   0,,/etc
-,4644,3,   1,   5,${DIGEST},/etc/f
l,0777,1,   0,   0,,/etc/l,f
c,0600,0,   0,   0,,/dev/console
-,0644,0,   0,   0,${DIGEST},"/a, ""quoted"" name"
`;
  const base = { uid: 0, gid: 0, sizeBytes: 0, target: null, digest: '' };
  expect(Object.fromEntries(parseListing(csv))).toEqual({
    '/etc': { ...base, type: 'directory', mode: 0o755 },
    '/etc/f': { ...base, type: 'file', mode: 0o4644, uid: 1, gid: 5, sizeBytes: 3, digest: DIGEST },
    '/etc/l': { ...base, type: 'link', mode: 0o777, target: 'f' },
    '/dev/console': { ...base, type: 'device', mode: 0o600 },
    '/a, "quoted" name': { ...base, type: 'file', mode: 0o644, digest: DIGEST },
  });
});

it('of nothing is nothing', () => {
  expect(parseListing('').size).toBe(0);
});
