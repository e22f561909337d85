/** Masking: no spelling of a secret gets through. */
import { describe, expect, it } from 'vitest';
import { Masks } from '../../src/engine/masks.ts';

function masked(text: string, ...secrets: readonly string[]): string {
  const masks = new Masks();
  for (const secret of secrets) masks.add(secret);
  return masks.apply(text);
}

describe('masks', () => {
  it('replace a secret wherever it stands', () => {
    expect(masked('a hunter2 b hunter2', 'hunter2')).toBe('a *** b ***');
  });

  it('know base64, URL and JSON spellings', () => {
    const secret = 'p@ss "word"/1';
    for (const spelling of [
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
    ]) {
      expect(masked(`<${spelling}>`, secret)).toBe('<***>');
    }
  });

  it('cover each line of a secret of several lines', () => {
    const key = '-----BEGIN KEY-----\nabcdef\nghijkl\n-----END KEY-----\n';
    expect(masked('abcdef', key)).toBe('***');
    expect(masked('x ghijkl y', key)).toBe('x *** y');
  });

  it('leave no rest of a longer secret that contains a shorter one', () => {
    expect(masked('tokentoken', 'token', 'tokentoken')).toBe('***');
  });

  it('leave text alone when a value is too short to be told from it', () => {
    expect(masked('a b c', 'a', '')).toBe('a b c');
  });

  it('take signs with a meaning in patterns as they are', () => {
    expect(masked('x a.c y abc', 'a.c')).toBe('x *** y abc');
  });
});
