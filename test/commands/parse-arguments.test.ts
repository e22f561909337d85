/** Command lines: every spelling of a flag, every mistake at once. */
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/commands/index.ts';
import { parseArguments } from '../../src/commands/parse-arguments.ts';

function parse(line: string) {
  const parsed = parseArguments(line === '' ? [] : line.split(' '), COMMANDS);
  if (!parsed.ok) return parsed.failure;
  const { command, positionals, flags } = parsed.value;
  return { command: command?.name ?? null, positionals, flags: { ...flags } };
}

describe('a command line', () => {
  test.each([
    ['run --jobs 4', { jobs: '4' }],
    ['run --jobs=4', { jobs: '4' }],
    ['run -j 4', { jobs: '4' }],
    ['run -j4', { jobs: '4' }],
    ['run -kj4', { 'keep-going': true, jobs: '4' }],
    ['run -qk', { quiet: true, 'keep-going': true }],
    ['run --force', { force: true }],
    ['run --force=a --force=b', { force: ['a', 'b'] }],
    ['run --var a=1 --var=b=2=3', { var: ['a=1', 'b=2=3'] }],
    ['-C dir run', { directory: 'dir' }],
    ['run -C dir', { directory: 'dir' }],
    ['run --summary -', { summary: '-' }],
  ])('%s sets %j', (line, flags) => {
    expect(parse(line)).toEqual({ command: 'run', positionals: [], flags });
  });

  test('keeps arguments in order, and everything after `--`', () => {
    expect(parse('run p.yaml --force a -- --b -c')).toEqual({
      command: 'run',
      positionals: ['p.yaml', 'a', '--b', '-c'],
      flags: { force: true },
    });
  });

  test('hands on what stands after `--` where a program is to get it', () => {
    const parsed = parseArguments('shell p.yaml disk -- df -h --all'.split(' '), COMMANDS);
    expect(parsed).toMatchObject({
      ok: true,
      value: { positionals: ['p.yaml', 'disk'], passedOn: ['df', '-h', '--all'], flags: {} },
    });
  });

  test('without a command asks for help', () => {
    expect(parse('')).toEqual({ command: null, positionals: [], flags: {} });
    expect(parse('--help')).toMatchObject({ command: null, flags: { help: true } });
  });

  test.each([
    ['rnu', [{ code: 'unknown-command', command: 'rnu', suggestion: 'run' }]],
    ['run --forse', [{ code: 'unknown-flag', flag: '--forse', suggestion: '--force' }]],
    ['run -x', [{ code: 'unknown-flag', flag: '-x', suggestion: null }]],
    ['run --jobs', [{ code: 'bad-flag-value', flag: '--jobs' }]],
    ['run --quiet=1', [{ code: 'bad-flag-value', flag: '--quiet', value: '1' }]],
    ['run --reporter tv', [{ code: 'bad-flag-value', flag: '--reporter', value: 'tv' }]],
    ['schema x', [{ code: 'unexpected-argument', argument: 'x' }]],
    ['run --forse --jbos=3', [{ flag: '--forse' }, { flag: '--jbos', suggestion: '--jobs' }]],
    ['--constructor', [{ code: 'unknown-flag', flag: '--constructor' }]],
  ])('%s is refused', (line, failures) => {
    expect(parse(line)).toMatchObject(failures);
  });
});
