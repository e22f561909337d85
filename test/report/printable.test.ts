/** What is left of foreign text where it reaches a terminal, a job's log, JSON or a page of Markdown. */
import { describe, expect, it } from 'vitest';
import { styleFor } from '../../src/report/ansi.ts';
import { stepSummary } from '../../src/report/github.ts';
import { jsonText, printable } from '../../src/report/printable.ts';
import { truncate } from '../../src/report/width.ts';
import { finished } from './story.ts';

const onScreen = (text: string) => printable(text, { colour: true, workflow: false });
const inJob = (text: string) => printable(text, { colour: false, workflow: true });

describe('text for a terminal', () => {
  it.each([
    ['a window title', 'a\u001b]0;owned\u0007b', 'ab'],
    ['a window title that ends with ST', 'a\u001b]0;owned\u001b\\b', 'ab'],
    ['an 8-bit window title', 'a\u009d0;owned\u009cb', 'ab'],
    ['a string that never ends', 'a\u001b]0;owned\nb', 'a\nb'],
    ['a device control string', 'a\u001bP$q\u001b\\b', 'ab'],
    ['an 8-bit device control string', 'a\u0090x\u0007b', 'ab'],
    ['an application program command', 'a\u001b_Gi=1\u001b\\b', 'ab'],
    ['cursor movements', 'a\u001b[2J\u001b[1;1Hb', 'ab'],
    ['8-bit cursor movements', 'a\u009b2Jb', 'ab'],
    ['a colour that is not ours', 'a\u001b[38;5;1mb\u001b[0m', 'ab'],
    ['invisible writing', 'a\u001b[8mb', 'ab'],
    ['a full reset', 'a\u001bcb', 'ab'],
    ['a character set', 'a\u001b(0b', 'ab'],
    ['half a sequence', 'a\u001b[', 'a'],
    ['a sequence within a sequence', 'a\u001b\u001b[2J[2Jb', 'a[2Jb'],
    ['bells, backspaces and null', 'a\u0007\b\0b', 'ab'],
    ['a line that overwrites itself', 'good\rbad', 'good\\rbad'],
    ['a Windows line break', 'a\r\nb', 'a\nb'],
    ['C1 controls', 'a\u0085\u008d\u0081b', 'ab'],
    ['a turn of the reading direction', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
    ['spaces without width', 'a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
    ['breaks that are no line breaks here', 'a\u2028b', 'a\\u2028b'],
    ['hidden tags', 'a\u{e0041}b', 'a\\u{e0041}b'],
  ])('loses or shows %s', (_, text, clean) => {
    expect(onScreen(text)).toBe(clean);
    expect(inJob(text)).toBe(clean);
  });

  it.each(['größe 日本 🚀', 'tab\there', 'שלום', '👨‍👩‍👧', '::set-output'])('leaves %j as it is', (text) => {
    expect(onScreen(text)).toBe(text);
  });

  it('keeps our own colours where there are colours, and nowhere else', () => {
    const { red, bold, dim } = styleFor(true);
    const text = `${red(bold('a'))} ${dim('b\u001b]0;x\u0007')}`;
    expect(onScreen(text)).toBe(`${red(bold('a'))} ${dim('b')}`);
    expect(inJob(text)).toBe('a b');
  });

  it('is cut to a width after it was cleaned', () => {
    expect(truncate('a\u001b[2Jb\nc\u202ed', 40)).toBe('ab\\nc\\u202ed');
  });
});

describe('text for a job that obeys lines', () => {
  it.each([
    ['::set-env name=PATH::/tmp', '\\::set-env name=PATH::/tmp'],
    ['  \t::add-mask::x', '  \t\\::add-mask::x'],
    ['\u00a0\u3000::add-mask::x', '\u00a0\u3000\\::add-mask::x'],
    ['a\n::stop-commands::t', 'a\n\\::stop-commands::t'],
    ['a\r\n::stop-commands::t', 'a\n\\::stop-commands::t'],
    ['\u001b[1m::error::x', '\\::error::x'],
    ['\u0085::error::x', '\\::error::x'],
    ['\u200d::error::x', '\u200d\\::error::x'],
    [':\u00ad:error::x', '\\:\u00ad:error::x'],
    ['\0::error::x', '\\::error::x'],
    ['##[group]x', '##\\[group]x'],
    ['x ##[add-mask]y', 'x ##\\[add-mask]y'],
    ['x #\u001b[0m#[command]y', 'x ##\\[command]y'],
    ['##vso[task.setvariable variable=a]b', '##\\vso[task.setvariable variable=a]b'],
    ["##teamcity[message text='a']", "##\\teamcity[message text='a']"],
  ])('%j is no command', (line, defused) => expect(inJob(line)).toBe(defused));

  it.each(['std::string', 'a ::error::', '# title', '## [x](y)', ': :'])('leaves %j as it is', (line) => {
    expect(inJob(line)).toBe(line);
  });
});

describe('JSON', () => {
  const value = {
    name: 'a\u009b2J\u202e\u2028\u007f\u{e0041}\u200b',
    lines: ['::set-env::', '##[command]x', '##vso[y]', '# #['],
  };

  it('has no character that a terminal would obey and no command of a service, and says the same', () => {
    for (const text of [jsonText(value), jsonText(value, 2)]) {
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u2028\u202e\udb40]/);
      expect(inJob(text)).toBe(text);
      expect(JSON.parse(text)).toEqual(value);
    }
  });
});

describe('the page of a step', () => {
  it('has no markup, no link and no further row out of a name', () => {
    const name =
      'a|b\n| x | y |\n<img src=x>`c` [d](https://evil) ![e](f) *g* \u202eh \u001b[2J &lt; @i www.j';
    const actions = [finished(name, 'built')];
    const page = stepSummary('p', { file: 'p.yaml', durationMs: 1, interrupted: false, actions });
    const [row = ''] = page.split('\n').slice(6);
    expect(page.trimEnd().split('\n')).toHaveLength(7);
    expect(row).toContain(
      'a\\|b \\| x \\| y \\| &#60;img src=x&#62;\\`c\\` \\[d\\](https\\://evil) \\!\\[e\\](f) \\*g\\* \\\\u202eh  &#38;lt; \\@i www\\.j',
    );
  });
});
