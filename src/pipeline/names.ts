/** What names may hold: they become parts of references, targets and file names. */
import type { Span } from '../model/pipeline.ts';
import type { Problems } from './problems.ts';
import type { SourceText } from './source-text.ts';

const NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_-]*$/u;
const LONGEST = 100;

/** Why a text cannot be a name, or null when it can. */
export function nameProblem(name: string): string | null {
  if (name.length > LONGEST) return `a name has at most ${LONGEST} characters`;
  if (name !== name.normalize('NFC'))
    return 'it is written with combining characters that look like others: write it composed (Unicode NFC)';
  if (name.startsWith('-')) return 'a name begins with a letter, a digit or `_`';
  if (!NAME.test(name)) return 'a name consists of letters, digits, `-` and `_`';
  return null;
}

/** Reports a text that cannot be a name. */
export function checkName(
  what: string,
  name: string,
  span: Span,
  source: SourceText,
  problems: Problems,
): boolean {
  const problem = nameProblem(name);
  if (problem !== null)
    problems.add({ code: 'bad-name', location: source.locate(span), what, name, problem });
  return problem === null;
}

/** Why a matrix value cannot be part of a cell's name, or null when it can. */
export function cellValueProblem(value: string): string | null {
  if (value === '') return 'it is empty';
  if (value.length > LONGEST) return `it has more than ${LONGEST} characters`;
  // Everything that separates parts of targets and paths, and what terminals and shells trip over.
  if (/[\s[\],=@/\\+*?:'"`$\p{Cc}]/u.test(value))
    return 'it becomes part of a name: it cannot hold white space, quotes or any of [ ] , = @ / \\ + * ? : $';
  return null;
}
