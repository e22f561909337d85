/** What follows `--` as ssh wants it after the destination: a command line for the shell in the guest. */
import { quoteWords } from '../model/shell-words.ts';

/** One word is a command line by itself (`-- 'ls | wc -l'`); several reach the program as they are, whatever is in them. */
export function guestCommand(words: readonly string[]): readonly string[] {
  if (words.length === 0) return [];
  return [words.length === 1 ? (words[0] as string) : quoteWords(words)];
}
