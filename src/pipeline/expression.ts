/** `${{ }}` inside a text: what it refers to. No code in it: a dotted name and nothing else. */

/** What an expression refers to. */
export type Reference =
  | { readonly space: 'vars' | 'env' | 'matrix' | 'pipeline'; readonly path: readonly string[] }
  | {
      readonly space: 'stages';
      readonly stage: string;
      /** What stands in brackets after the stage's name. */
      readonly cell: string | null;
      readonly output: string;
    };

/** A text cut at its expressions. `raw` is `${{ … }}` as written. */
export type Piece =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reference'; readonly raw: string; readonly reference: Reference }
  | {
      readonly type: 'problem';
      readonly raw: string;
      readonly problem: string;
      readonly hint: string | null;
    };

const OPEN = '${{';
const CLOSE = '}}';

/** Whether a text holds something that looks like an expression, escaped or not. */
export function hasExpression(text: string): boolean {
  return text.includes(OPEN);
}

/** Cuts a text at its expressions; `$${{` stands for a literal `${{`. */
export function parseTemplate(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let literal = '';
  let at = 0;
  for (let open = text.indexOf(OPEN); open >= 0; open = text.indexOf(OPEN, at)) {
    if (text[open - 1] === '$' && open > at) {
      literal += `${text.slice(at, open - 1)}${OPEN}`;
      at = open + OPEN.length;
      continue;
    }
    literal += text.slice(at, open);
    const close = text.indexOf(CLOSE, open);
    const raw = close < 0 ? text.slice(open) : text.slice(open, close + CLOSE.length);
    if (literal !== '') pieces.push({ type: 'text', text: literal });
    literal = '';
    at = open + raw.length;
    pieces.push(close < 0 ? unclosed(raw) : parseExpression(raw));
  }
  literal += text.slice(at);
  if (literal !== '' || pieces.length === 0) pieces.push({ type: 'text', text: literal });
  return pieces;
}

function unclosed(raw: string): Piece {
  return {
    type: 'problem',
    raw: raw.split('\n')[0] ?? raw,
    problem: 'this expression is not closed',
    hint: 'end it with `}}`; for a literal `${{` write `$${{`',
  };
}

const NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_-]*$/u;
const STAGE = /^stages\.([^.[\]]+)(?:\[([^\]]*)\])?\.outputs\.([^.[\]]+)$/u;
const SPACES = ['vars', 'env', 'matrix', 'pipeline', 'stages'] as const;

/** Advice for names that other tools have. */
const FOREIGN: Readonly<Record<string, string>> = {
  secrets:
    'list it under `secrets:` of the stage: the command finds it in its environment, and it stays out of the text',
  inputs: 'a pipeline has `vars`: `${{ vars.<name> }}`',
  needs: 'outputs are `${{ stages.<stage>.outputs.<output> }}`',
  steps: 'outputs are `${{ stages.<stage>.outputs.<output> }}`',
  stage: 'outputs are `${{ stages.<stage>.outputs.<output> }}`',
  var: 'variables are `${{ vars.<name> }}`',
  github: 'pass it as a variable: `--var name=value`',
};

function parseExpression(raw: string): Piece {
  const body = raw.slice(OPEN.length, -CLOSE.length).trim();
  const bad = (problem: string, hint: string | null): Piece => ({ type: 'problem', raw, problem, hint });
  if (body === '') return bad('this expression is empty', 'name what it stands for: `${{ vars.<name> }}`');
  const [first = ''] = body.split(/[.[\s(]/, 1);
  if (first === 'stages') {
    const match = STAGE.exec(body);
    if (!match)
      return bad(
        'a reference to another stage names its output',
        'write `${{ stages.<stage>.outputs.<output> }}`',
      );
    const [, stage = '', cell = null, output = ''] = match;
    return { type: 'reference', raw, reference: { space: 'stages', stage, cell, output } };
  }
  if (!(SPACES as readonly string[]).includes(first)) {
    const known = SPACES.map((space) => `\`${space}\``).join(', ');
    if (NAME.test(first))
      return bad(
        `an expression begins with ${known}`,
        Object.hasOwn(FOREIGN, first) ? (FOREIGN[first] as string) : null,
      );
    return bad('there is no code in expressions', `one begins with ${known} and names one value`);
  }
  const path = body.split('.').slice(1);
  if (path.length === 0) return bad(`\`${first}\` is no value`, `name one of it: \`${first}.<name>\``);
  if (!path.every((name) => NAME.test(name)))
    return bad('there is no code in expressions', 'an expression is the name of one value');
  return {
    type: 'reference',
    raw,
    reference: { space: first as 'vars' | 'env' | 'matrix' | 'pipeline', path },
  };
}
