/** Failures as a person reads them: whole screens. */
import { describe, expect, it } from 'vitest';
import type { Location } from '../../src/model/location.ts';
import { styleFor } from '../../src/report/ansi.ts';
import {
  renderFailure,
  renderFailures,
  renderStageFailure,
  renderWarning,
} from '../../src/report/render-failure.ts';
import { displayWidth } from '../../src/report/width.ts';
import { commandFailure } from './story.ts';

const SETTINGS = { style: styleFor(false), columns: 80, unicode: true };

function syntax(text: string, marked: string, problem = 'this is not YAML') {
  const location: Location = {
    file: 'pipeline.yaml',
    line: 12,
    column: text.indexOf(marked) + 1,
    length: marked.length,
    text,
  };
  return { code: 'yaml-syntax', location, problem, hint: null } as const;
}

/** The columns of the caret line below the columns of the marked word. */
function caretsOf(rendered: string): { readonly source: string; readonly carets: string } {
  const [, source = '', carets = ''] = rendered.split('\n');
  return { source, carets };
}

describe('a failure in a file', () => {
  it('names the place, shows the line, and underlines the word', () => {
    expect(renderFailure(syntax('    outpts: { a: b }', 'outpts'), SETTINGS)).toMatchInlineSnapshot(`
      "pipeline.yaml:12:5: error: this is not YAML [yaml-syntax]
         12 |     outpts: { a: b }
            |     ^^^^^^
      "
    `);
  });

  it.each([
    ['after tabs', '\t\tkey:\tvalue', 'value'],
    ['after wide characters', '  名前: 日本語 value', 'value'],
    ['on wide characters', '  name: 日本語 x', '日本語'],
    ['after combining characters', '  gro\u0308ße: value', 'value'],
    ['after control characters', '  a\u0000b\u001b[31m: value', 'value'],
    ['after a byte order mark', '\ufeffbake: value', 'value'],
  ])('has its carets below the word %s', (_, text, marked) => {
    const { source, carets } = caretsOf(renderFailure(syntax(text, marked), SETTINGS));
    const at = source.indexOf(marked);
    expect(at).toBeGreaterThan(0);
    expect(displayWidth(carets.slice(0, carets.indexOf('^')))).toBe(displayWidth(source.slice(0, at)));
    expect(carets.replace(/[^^]/g, '')).toHaveLength(displayWidth(marked));
  });

  it('shows the part of a long line that matters, within the width', () => {
    const text = `${'a'.repeat(500)} word ${'b'.repeat(500)}`;
    const { source, carets } = caretsOf(renderFailure(syntax(text, 'word'), { ...SETTINGS, columns: 40 }));
    expect(displayWidth(source)).toBeLessThanOrEqual(40);
    expect(source.slice(carets.indexOf('^')).startsWith('word')).toBe(true);
  });

  it('is counted when it is not alone', () => {
    const one = syntax('a', 'a');
    expect(renderFailures([one], SETTINGS)).not.toContain('errors');
    expect(renderFailures([one, one], SETTINGS)).toMatch(/\n2 errors\n$/);
  });

  it('writes no escape into a pipe, and colours on a terminal', () => {
    expect(renderFailure(syntax('x: y', 'y'), SETTINGS)).not.toContain('\u001b');
    expect(renderFailure(syntax('x: y', 'y'), { ...SETTINGS, style: styleFor(true) })).toContain(
      '\u001b[31m',
    );
  });
});

describe('a failed stage', () => {
  const stage = {
    name: 'disk',
    after: '12s',
    logFile: '/cache/logs/disk.log',
    next: '`bake run` goes on from here',
  };

  it('ends in one screen', () => {
    expect(renderStageFailure(commandFailure(25, ['files/motd']), stage, SETTINGS)).toMatchInlineSnapshot(`
      "✖ disk failed after 12s: a command ended with exit status 2 [command-failed]

        $ qemu-img convert -O qcow2 in.img out.qcow2

        the last lines of its output (5 more before them):
        │ output line 6
        │ output line 7
        │ output line 8
        │ output line 9
        │ output line 10
        │ output line 11
        │ output line 12
        │ output line 13
        │ output line 14
        │ output line 15
        │ output line 16
        │ output line 17
        │ output line 18
        │ output line 19
        │ output line 20
        │ output line 21
        │ output line 22
        │ output line 23
        │ output line 24
        │ output line 25

        its output names files of the checkout that the stage does not declare, so it
        could not see them: files/motd
        hint: declare what it needs: \`inputs: [files/motd]\`
        nothing was stored for this stage
        log: /cache/logs/disk.log
        next: \`bake run\` goes on from here
      "
    `);
  });

  it('fits a narrow terminal, but for what must be copied whole', () => {
    const screen = renderStageFailure(commandFailure(2, ['files/motd']), stage, { ...SETTINGS, columns: 40 });
    const long = screen.split('\n').filter((line) => displayWidth(line) > 40);
    expect(long).toEqual(['  $ qemu-img convert -O qcow2 in.img out.qcow2']);
  });

  it('does not let quoted output move the cursor', () => {
    const failure = { ...commandFailure(0), tail: ['\u001b[2Jgone\rback'] } as ReturnType<
      typeof commandFailure
    >;
    expect(renderStageFailure(failure, stage, SETTINGS)).toContain('│ back\n');
    expect(renderStageFailure(failure, stage, SETTINGS)).not.toContain('\u001b');
  });
});

describe('a warning', () => {
  it('is one line and its hint', () => {
    const failure = { code: 'pipeline-not-found', path: 'x.yaml' } as const;
    expect(renderWarning(failure, SETTINGS)).toMatchInlineSnapshot(`
      "warning: there is no pipeline file at x.yaml [pipeline-not-found]
        hint: name one (\`bake run path/to/pipeline.yaml\`), or write a first one with
        \`bake init\`
      "
    `);
  });
});
