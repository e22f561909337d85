/** Words for what the YAML library found wrong, with advice for the mistakes that pipelines really have. */
import type { PipelineFailure } from '../model/failure-pipeline.ts';
import type { SourceText } from './source-text.ts';

/** What the library says of an error. */
interface YamlProblem {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
}

/** One mistake makes a parser stumble several times: of each line only the first is told, and of all no more than these. */
const MOST = 5;

const WORDS: Readonly<Record<string, { readonly problem: string; readonly hint: string | null }>> = {
  TAB_AS_INDENT: {
    problem: 'a tab is used for indentation',
    hint: 'YAML is indented with spaces: replace the tab by spaces',
  },
  BAD_INDENT: {
    problem: 'this is not indented as the lines around it',
    hint: 'keys of one map begin in the same column',
  },
  MULTIPLE_DOCS: {
    problem: 'a second YAML document begins here',
    hint: 'a pipeline is one document: remove the `---`',
  },
  MULTILINE_IMPLICIT_KEY: {
    problem: 'a key does not end on its line',
    hint: 'is a `:` missing after it, a `,` between two entries, or a closing quote?',
  },
  BLOCK_AS_IMPLICIT_KEY: {
    problem: 'two `: ` on one line: a map cannot begin inside a value',
    hint: 'quote the value, or put the inner map on a line of its own',
  },
  RESOURCE_EXHAUSTION: { problem: 'this is nested too deeply', hint: null },
  KEY_OVER_1024_CHARS: {
    problem: 'a key is longer than 1024 characters',
    hint: 'is a quote or a line break missing?',
  },
};

/** What is not closed at the end of the file is not at its end: the mistake is shown at the last thing that was written. */
function spanOf(source: SourceText, error: YamlProblem): { readonly start: number; readonly end: number } {
  const [start, end] = error.pos;
  if (source.text.slice(start).trim() !== '') return { start, end };
  const last = source.text.trimEnd().length - 1;
  return { start: last, end: last + 1 };
}

const UNCLOSED = {
  problem: 'a `{` or `[` before this is not closed',
  hint: 'add the `}` or `]` that is missing, and indent what is inside more than the key before it',
};

function wordsFor(
  error: YamlProblem,
): { readonly problem: string; readonly hint: string | null } | undefined {
  if (error.code === 'BAD_INDENT' && error.message.startsWith('Flow ')) return UNCLOSED;
  if (error.code === 'MISSING_CHAR' && /quote/.test(error.message))
    return { problem: 'a quote is not closed', hint: null };
  return WORDS[error.code];
}

/** Failures for the library's errors. */
export function syntaxFailures(
  source: SourceText,
  errors: readonly YamlProblem[],
): readonly (PipelineFailure & { readonly code: 'yaml-syntax' })[] {
  const failures: (PipelineFailure & { readonly code: 'yaml-syntax' })[] = [];
  const lines = new Set<number>();
  for (const error of errors) {
    const location = source.locate(spanOf(source, error));
    if (lines.has(location.line) || failures.length === MOST) continue;
    lines.add(location.line);
    const words = wordsFor(error);
    failures.push({
      code: 'yaml-syntax',
      location,
      problem: words?.problem ?? sentence(error.message),
      hint: expressionHint(location.text) ?? words?.hint ?? null,
    });
  }
  return failures;
}

/** `{ disk: ${{ … }} }` is the commonest mistake of all: inside braces YAML takes the expression's own braces for its own. */
function expressionHint(line: string): string | null {
  const at = line.indexOf('${{');
  if (at < 0 || /["']\s*[^"']*$/.test(line.slice(0, at))) return null;
  return /[[{]/.test(line.slice(0, at))
    ? 'inside `{ }` and `[ ]` quote the expression: "${{ … }}"'
    : 'quote the value that holds the expression';
}

function sentence(message: string): string {
  const first = message.split('\n')[0] ?? message;
  return `${first.charAt(0).toLowerCase()}${first.slice(1)}`.replace(/[.:]$/, '');
}
