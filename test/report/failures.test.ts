/** The map of all failures: what docs/errors.md and the exit status come from. */
import { describe, expect, it } from 'vitest';
import { documentedFailures, exitStatusOf } from '../../src/report/failures.ts';

describe('every failure', () => {
  const failures = documentedFailures();

  it('has one code of its own, in kebab case', () => {
    const codes = failures.map(({ code }) => code);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
    expect(codes.filter((code) => !/^[a-z]+(-[a-z0-9]+)*$/.test(code))).toEqual([]);
  });

  it('says in a whole sentence when it happens', () => {
    expect(failures.filter(({ doc }) => !/^[A-Z`].{20,}\.$/s.test(doc)).map(({ code }) => code)).toEqual([]);
  });

  it('has the exit status of its area', () => {
    expect(exitStatusOf({ code: 'pipeline-not-found', path: 'x' })).toBe(2);
    expect(exitStatusOf({ code: 'unexpected-argument', argument: 'x', command: 'run' })).toBe(2);
    expect(exitStatusOf({ code: 'input-changed', files: ['x'] })).toBe(1);
    expect(exitStatusOf({ code: 'file-trouble', action: 'write', path: 'x', errno: 'ENOSPC' })).toBe(3);
  });
});
