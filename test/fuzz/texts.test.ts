/** Pipelines, expressions and boot commands as people mistype them and as nobody would write them: an answer in bounded time, and no crash. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { processorMs } from '../support/processor-time.ts';
import { pipelineTexts } from './beginnings.ts';
import { TARGETS } from './targets.ts';

/** Committed, so that every run tries the same; raise the runs and drop the seed to look further. */
const SEED = 20_261_129;
const runs = (numRuns: number) => ({ seed: SEED, numRuns });

/** Gives a text to a target. */
function give(target: string, text: string): void {
  void TARGETS[target]?.(Buffer.from(text));
}

const TROUBLE = [
  '',
  '~',
  'null',
  '-1',
  '1e999',
  '0x10',
  '"\\u0000"',
  '[]',
  '{}',
  '[[]]',
  '*a',
  '&a b',
  '!!binary x',
  '<<: *a',
  '? a',
  '|',
  '>-',
  '- - -',
  '"${{ vars.a }}"',
  '"${{ stages.build.outputs.image }}"',
  '"${{ matrix.a }}"',
  '"$${{"',
  '"${{"',
  '__proto__: x',
  'constructor: x',
  'kind: run',
  'needs: [build]',
  'matrix: {a: [1, 2], b: [x]}',
  'steps: [{run: x}]',
  'timeout: 5h',
  'x'.repeat(3000),
  '\u0000',
  '\uFEFF',
  '\u2028',
  'ä🙂',
] as const;

/** One change to a text, made of lines. */
const edit = fc.record({
  how: fc.constantFrom('drop', 'double', 'swap', 'indent', 'outdent', 'value', 'insert', 'cut', 'character'),
  at: fc.nat(10_000),
  other: fc.nat(10_000),
  trouble: fc.constantFrom(...TROUBLE),
});

type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function edited(text: string, { how, at, other, trouble }: Edit): string {
  const lines = text.split('\n');
  const line = at % lines.length;
  const here = lines[line] as string;
  const indent = here.slice(0, here.length - here.trimStart().length);
  switch (how) {
    case 'drop':
      return lines.toSpliced(line, 1).join('\n');
    case 'double':
      return lines.toSpliced(line, 0, here).join('\n');
    case 'swap':
      return lines
        .with(line, lines[other % lines.length] as string)
        .with(other % lines.length, here)
        .join('\n');
    case 'indent':
      return lines.with(line, `${' '.repeat((other % 5) + 1)}${here}`).join('\n');
    case 'outdent':
      return lines.with(line, here.slice((other % 4) + 1)).join('\n');
    case 'value':
      return lines.with(line, `${here.split(':')[0]}: ${trouble}`).join('\n');
    case 'insert':
      return lines.toSpliced(line, 0, `${indent}${trouble}`).join('\n');
    case 'cut':
      return text.slice(0, at % (text.length + 1));
    case 'character':
      return `${text.slice(0, at % text.length)}${String.fromCharCode(other % 256)}${text.slice((at % text.length) + 1)}`;
  }
}

describe('a pipeline', () => {
  const texts = pipelineTexts();

  test('that was right once, with some of it changed, is planned or refused with places in it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        (text, edits) => {
          const changed = edits.reduce(edited, text);
          give('pipeline', changed);
          give('yaml', changed);
        },
      ),
      runs(100),
    );
  });

  test('made of the words of pipelines, in any order, is planned or refused with places in it', () => {
    const key = fc.constantFrom(
      'pipeline',
      'name',
      'stages',
      'vars',
      'env',
      'kind',
      'a',
      'b',
      'options',
      'matrix',
      'steps',
      'needs',
      'inputs',
      'outputs',
      'script',
      'place',
      '<<',
    );
    const value = fc.letrec<{ readonly any: unknown; readonly map: object }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 5, withCrossShrink: true },
        fc.constantFrom<unknown>(
          'run',
          'a',
          'x/y',
          '../z',
          1,
          true,
          null,
          '${{ vars.a }}',
          '${{ stages.a.outputs.b }}',
          '5m',
          '2G',
        ),
        fc.array(tie('any'), { maxLength: 3 }),
        tie('map'),
      ),
      map: fc.dictionary(key, tie('any'), { maxKeys: 6 }),
    }));
    fc.assert(
      fc.property(value.map, value.map, (stage, rest) => {
        const whole = {
          pipeline: { name: 'p' },
          vars: { a: 'x' },
          stages: { a: stage, b: { kind: 'run' } },
          ...rest,
        };
        give('pipeline', JSON.stringify(whole));
      }),
      runs(300),
    );
  });

  test('of any bytes is planned or refused', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const text = fc.string({ unit: fc.constantFrom(...' \n\t-:?[]{},&*!|>\'"%@`#a1~=<$\\'), maxLength: 60 });
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          text.map((one) => Buffer.from(one)),
        ),
        (input) => {
          void TARGETS['pipeline']?.(input);
          void TARGETS['yaml']?.(input);
        },
      ),
      runs(600),
    );
  });

  test.each(['- ', '? ', '[', '{', 'a: {', '[{a: ', '- ? ', '&a [', '!x {'])(
    'of nothing but %j is refused, however deep it goes',
    (piece) => {
      for (const count of [90, 150, 4000]) {
        give('pipeline', piece.repeat(count));
        give('yaml', piece.repeat(count));
      }
    },
  );
});

const word = fc.constantFrom(
  '${{',
  '}}',
  '$',
  ' ',
  'vars',
  'stages',
  'matrix',
  '.',
  'outputs',
  '[',
  ']',
  'a',
  '-',
  '\n',
  'é',
  '{{',
  '__proto__',
);

test('an expression is a reference or a problem, and its text is whole', () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 24 }), (words) => give('expression', words.join(''))),
    runs(2000),
  );
});

const stroke = fc.constantFrom(
  '<',
  '>',
  '<wait',
  '<waitFor serial:/',
  '/ 5m>',
  '\\/',
  '(',
  'On>',
  'Off>',
  'leftCtrl',
  'enter>',
  'f1',
  '9'.repeat(20),
  'h',
  'ms',
  '{{',
  '}}',
  '.HTTPIP',
  '.HTTPPort',
  ':',
  ' ',
  'é',
  '🙂',
  '\ud800',
  '\n',
);

test('a boot command is steps that can be done, or problems', () => {
  fc.assert(
    fc.property(fc.array(stroke, { maxLength: 16 }), (strokes) => give('boot-command', strokes.join(''))),
    runs(2000),
  );
});

test.each(['{{', '<waitFor serial:/', '{{ .HTTPIP }}:', '<a', '<', '${{', '$${{ a }}'])(
  'many times %j takes a time that grows as its length',
  (piece) => {
    const took = (count: number) => {
      const text = piece.repeat(count);
      return processorMs(() => {
        give('boot-command', text);
        give('expression', text);
      });
    };
    took(500);
    // 64 times as much in 64 times as long, or a little more; what grows as the square takes 4096 times.
    expect(took(32_000)).toBeLessThan(1000 * Math.max(took(500), 1));
  },
);
