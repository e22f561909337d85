/** The fast reader of plain YAML: what it reads it reads as the library does, every place that is shown included. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Node } from '../../src/model/pipeline.ts';
import { parseAnyYaml } from '../../src/pipeline/parse.ts';
import { readPlainYaml } from '../../src/pipeline/plain-yaml.ts';
import { Problems } from '../../src/pipeline/problems.ts';
import { SourceText } from '../../src/pipeline/source-text.ts';

const RUNS = 3000;

/** A tree with what is shown of each node's place instead of its offsets. */
function shown(node: Node, source: SourceText): unknown {
  const { start, end, ...rest } = node;
  const place = source.locate({ start, end });
  if (rest.type === 'list')
    return { ...rest, start, place, items: rest.items.map((item) => shown(item, source)) };
  if (rest.type === 'scalar') return { ...rest, start, end, place };
  return {
    ...rest,
    start,
    place,
    entries: rest.entries.map((entry) => ({ ...entry, value: shown(entry.value, source) })),
  };
}

/** Whether the reader takes a text; fails when it takes it in another way than the library. */
function takes(text: string): boolean {
  const plain = readPlainYaml(text);
  if (plain === null) return false;
  const problems = new Problems();
  const source = new SourceText('pipeline.yaml', text);
  const library = parseAnyYaml(source, problems);
  expect(problems.list(), text).toEqual([]);
  expect(shown(plain, source), text).toEqual(library && shown(library, source));
  return true;
}

test.each([
  ['a key and a word', 'a: b\n'],
  ['no line break at the end', 'a: b'],
  ['numbers and truth', 'a: 1\nb: true\nc: false\nd: 0\n'],
  ['nested maps', 'a:\n  b:\n    c: d\n  e: f\ng: h\n'],
  ['lists', 'a:\n  - b\n  - c d\ne:\n- f\n- g\nh: i\n'],
  ['lists of maps', 'a:\n  - b: c\n    d: e\n  - f: g\nh: i\n'],
  ['brackets', 'a: [b, "c d", 1]\ne: { f: g, h: [i] }\nj: []\nk: {}\n'],
  ['quotes', 'a: "b: c # d"\ne: \'f \'\' g\'\nh: "\\"x\\" \\\\ \\n"\n'],
  ['expressions', 'a: x-${{ vars.b }}\nc: ${{ stages.d.outputs.e }}\n'],
  ['comments', '# one\na: b # two\n# three\nc:\n  # four\n  d: e\n\n  f: g\n# five\n'],
  ['scripts', 'a:\n  run: |\n    echo b\n      echo c\n  d: e\n'],
  ['a script at the end', 'a: |\n  echo b\n'],
])('it reads %s', (_, text) => expect(takes(text)).toBe(true));

test.each([
  'a: b: c\n',
  'a: *b\n',
  'a: &b c\n',
  'a: !!str 1\n',
  'a: >\n  b\n',
  '? a\n: b\n',
  'a:\n',
  'a: ~\n',
  'a: null\n',
  'a: 1.0\n',
  'a: 0x1\n',
  'a: .5\n',
  'a: b\na: c\n',
  '__proto__: a\n',
  '<<: a\n',
  'a:\n\tb: c\n',
  '--- \na: b\n',
  'a: b\n  c\n',
  'a: [b,\n  c]\n',
  'a: {b: c',
  '"a": b\n',
  'a: "b\x0bc"\n',
  'a: \x1b\n',
  'a: "\\x41"\n',
  '- a\n',
  'a',
  '',
  'a: - b\n',
  ' a: b\nc: d\n',
])('it leaves %j to the library', (text) => expect(readPlainYaml(text)).toBeNull());

test('it reads the pipelines of this repository and of its guides that need nothing unusual', () => {
  const examples = readdirSync('examples').map((name) => `examples/${name}/pipeline.yaml`);
  for (const file of ['pipeline.yaml', ...examples.filter(existsSync)]) takes(readFileSync(file, 'utf8'));
  const guide = readFileSync('docs/guide/pipeline.md', 'utf8');
  const inGuide = [...guide.matchAll(/```ya?ml\n(.*?)```/gs)].map(([, text]) => text as string);
  expect(inGuide.filter(takes)).toEqual(inGuide);
});

test('whatever it reads it reads as the library does', () => {
  const word = fc.constantFrom(
    'a',
    'b',
    'key',
    'c d',
    '1',
    '0',
    '-1',
    '1.5',
    'true',
    'no',
    'null',
    '~',
    '"q"',
    '"q r"',
    "'s'",
    "'t''u'",
    '""',
    "''",
    '[a, b]',
    '[]',
    '{ a: b }',
    '{}',
    '{a: b}',
    '[a,b]',
    '[ a ]',
    '[[a], {b: c}]',
    '{ a: b, a: c }',
    '${{ x }}',
    '|',
    '|-',
    '>',
    '&x',
    '*x',
    '!t',
    '#',
    '# c',
    'a#b',
    'a #b',
    'a:b',
    'a: b',
    'a:',
    ':',
    '-',
    '- a',
    '- a: b',
    '-a',
    '?',
    '%',
    '@',
    '`',
    '---',
    '...',
    '<<',
    '"\\n"',
    '"\\q"',
    '"open',
    "'open",
    '[open',
    '{open',
    'é',
    '😀',
    '[a b, c]',
    '[a: b]',
    '{a}',
    '"a": b',
    '[1, 0x1]',
    'a,b',
    'a]',
    'a}',
    '{ a: }',
    '[a,]',
    '{ a: b, }',
    '[,]',
    '\\',
    '=',
    '(a)',
    '*',
    '$',
    'a - b',
    '- - a',
    '-  a',
    '.',
    '/',
    '~a',
    '.a',
    '0a',
    '1_0',
    '1e3',
  );
  const sound = fc.constantFrom(
    'a',
    'c d',
    '1',
    'true',
    '"q r"',
    "'t''u'",
    '[a, b]',
    '[]',
    '{ a: b }',
    '${{ x }}',
    'a#b',
    'a:b',
    '"\\n"',
  );
  const value = fc.oneof({ weight: 8, arbitrary: sound }, { weight: 1, arbitrary: word });
  const between = fc.oneof(
    { weight: 12, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constantFrom('\n', '  \n', '# c\n', '  # c\n', '      # c\n', '\n# c\n\n') },
  );
  const after = fc.oneof(
    { weight: 12, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constantFrom(' ', ' # c', '#', ' #') },
  );
  // Texts of nested maps and lists, mostly sound ones, with now and then something between or behind that is not.
  const { block } = fc.letrec<{ block: (indent: number) => string }>((tie) => ({
    block: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'block' },
      fc.tuple(fc.constantFrom('a', 'b', 'key', 'x.y'), value, after, between).map(
        ([key, text, end, gap]) =>
          (indent: number) =>
            `${' '.repeat(indent)}${key}: ${text}${end}\n${gap}`,
      ),
      fc
        .tuple(
          fc.array(tie('block'), { minLength: 1, maxLength: 4 }),
          fc.constantFrom(2, 2, 2, 4, 1),
          between,
        )
        .map(
          ([parts, by, gap]) =>
            (indent: number) =>
              parts.map((part, at) => `${' '.repeat(indent)}k${at}:\n${gap}${part(indent + by)}`).join(''),
        ),
      fc.tuple(fc.array(tie('block'), { minLength: 1, maxLength: 3 }), fc.constantFrom(0, 2)).map(
        ([parts, by]) =>
          (indent: number) =>
            `${' '.repeat(indent)}list:\n${parts.map((part) => `${' '.repeat(indent + by)}- ${part(indent + by + 2).trimStart()}`).join('')}`,
      ),
      fc
        .tuple(
          fc.array(fc.tuple(value, after), { minLength: 1, maxLength: 3 }),
          fc.constantFrom(0, 2),
          between,
        )
        .map(
          ([items, by, gap]) =>
            (indent: number) =>
              `${' '.repeat(indent)}items:\n${items.map(([text, end]) => `${' '.repeat(indent + by)}- ${text}${end}\n${gap}`).join('')}`,
        ),
      fc
        .tuple(
          fc.array(fc.constantFrom('echo', '  deeper', '# no comment', '', ' ', 'a: b'), {
            minLength: 1,
            maxLength: 3,
          }),
          fc.constantFrom('|', '|', '|-', '>'),
        )
        .map(
          ([lines, sign]) =>
            (indent: number) =>
              `${' '.repeat(indent)}script: ${sign}\n${lines.map((line) => `${' '.repeat(indent + 2)}${line}\n`).join('')}`,
        ),
    ) as fc.Arbitrary<(indent: number) => string>,
  }));
  const end = fc.constantFrom('', '', '', '\n', '  ', '# end', '  # end\n', 'a', '\ta: b\n');
  const isCut = fc.boolean();
  let taken = 0;
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 2 }), end, isCut, (blocks, last, cut) => {
      const text = blocks.map((make, at) => (at === 0 ? make(0) : `top:\n${make(2)}`)).join('') + last;
      if (takes(cut ? text.trimEnd() : text)) taken += 1;
    }),
    { numRuns: RUNS },
  );
  // Else this would show nothing.
  expect(taken).toBeGreaterThan(RUNS / 10);
});
