/** A shorter name of a place never is the name of another place. */
import { resolve } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearPath } from '../../src/host/near-path.ts';

test('what lies below the working directory is named from there, all else as it was', () => {
  const here = process.cwd();
  expect(nearPath(`${here}/in/a b`)).toBe('in/a b');
  expect(nearPath(`${here}/ü`)).toBe('ü');
  for (const path of [here, `${here}/`, `${here}//etc/passwd`, `${here}x/y`, '/', '', 'in/a', '/etc/passwd'])
    expect(nearPath(path)).toBe(path);
});

test('whatever follows, it is the same place', () => {
  const parts = fc.array(fc.constantFrom('/', 'a', '.', '..', process.cwd(), 'ü'));
  fc.assert(
    fc.property(parts, fc.boolean(), (tail, isBelow) => {
      const path = (isBelow ? process.cwd() : '/') + tail.join('');
      expect(resolve(nearPath(path))).toBe(resolve(path));
    }),
  );
});
