/** What a guest prints of its mounted file systems, with names that could be taken for something else. */
import { expect, it } from 'vitest';
import { parseGuestListing } from '../../src/commands/guest-listing.ts';

const DIGEST = '98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4';
const base = { uid: 0, gid: 0, sizeBytes: 0, target: null, digest: '' };

function listing(...records: readonly string[]): string {
  return records.map((record) => `${record}\0`).join('');
}

it('becomes files with their facts by partition, sizes of files alone', () => {
  const found = parseGuestListing(
    listing(
      ...['mount 2 ', 'd 755 0 0 4096 etc', '', 'f 4644 1 5 3 etc/f', '', 'l 777 0 0 3 etc/l', 'f'],
      ...['digests', `${DIGEST}  etc/f`],
      ...['mount 1 ', 's 600 0 0 0 socket', '', 'digests'],
    ),
  );
  expect([...found.keys()]).toEqual([2, 1]);
  expect(Object.fromEntries(found.get(2) ?? [])).toEqual({
    '/etc': { ...base, type: 'directory', mode: 0o755 },
    '/etc/f': { ...base, type: 'file', mode: 0o4644, uid: 1, gid: 5, sizeBytes: 3, digest: DIGEST },
    '/etc/l': { ...base, type: 'link', mode: 0o777, target: 'f' },
  });
  expect(Object.fromEntries(found.get(1) ?? [])).toEqual({
    '/socket': { ...base, type: 'socket', mode: 0o600 },
  });
});

it('puts a further subvolume of a partition where it is mounted', () => {
  const found = parseGuestListing(
    listing(
      ...['mount 2 ', 'f 644 0 0 1 a', '', 'digests', `${DIGEST}  a`],
      ...['mount 2 /home', 'f 644 0 0 1 a', '', 'digests', `${DIGEST}  a`],
    ),
  );
  expect([...(found.get(2)?.keys() ?? [])]).toEqual(['/a', '/home/a']);
});

it('keeps names with blanks, line breaks, and words of its own', () => {
  const names = ['a b', 'two\nlines', 'digests', 'mount 1 '];
  const found = parseGuestListing(
    listing(
      'mount 1 ',
      ...names.flatMap((name) => [`f 644 0 0 0 ${name}`, '']),
      'digests',
      ...names.map((name) => `${DIGEST}  ${name}`),
    ),
  );
  expect([...(found.get(1) ?? [])].map(([path, { digest }]) => [path, digest])).toEqual(
    names.map((name) => [`/${name}`, DIGEST]),
  );
});

it('of nothing is nothing', () => {
  expect(parseGuestListing('').size).toBe(0);
});
