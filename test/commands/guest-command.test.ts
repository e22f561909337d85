/** What follows `--` reaches a shell in the guest as it was meant: looked at with a real shell. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { guestCommand } from '../../src/commands/guest-command.ts';

/** As sshd does: the words that ssh got, with spaces between, as one line for a shell. */
function inShell(words: readonly string[]): string {
  const line = guestCommand(words);
  return execFileSync('sh', ['-c', line.join(' ')], { encoding: 'utf8' });
}

test('one word is a command line', () => {
  expect(inShell(['echo a b | wc -w | tr -d " "'])).toBe('2\n');
});

test('several words are a program and its arguments, whatever is in them', () => {
  expect(inShell(['printf', '%s|', '$HOME', "it's", 'a  b', ''])).toBe("$HOME|it's|a  b||");
});

test('no words are an interactive login', () => {
  expect(guestCommand([])).toEqual([]);
});
