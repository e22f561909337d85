/** Packer's boot command grammar: what is typed, what waits, and what is refused. */
import { describe, expect, test } from 'vitest';
import { type BootStep, bootCommandProblems, parseBootCommand } from '../../src/machine/boot-command.ts';
import { SPECIAL_KEY_NAMES, specialKey } from '../../src/machine/keys.ts';
import { fillPlaceholders } from '../../src/machine/placeholders.ts';

const VALUES = { HTTPIP: '10.0.2.2', HTTPPort: '8123', HTTPPath: '', Name: 'disk' };

function steps(text: string): readonly BootStep[] {
  const parsed = parseBootCommand(text, VALUES);
  if (!parsed.ok) throw new Error(parsed.problems.join('\n'));
  return parsed.steps;
}

/** Steps in short: `a`, `S-a` with shift, `+ctrl` held, `-ctrl` released, `5000ms`. */
function short(text: string): string {
  return steps(text)
    .map((step) => {
      if (step.type === 'press') return step.shift ? `S-${step.key}` : step.key;
      if (step.type === 'wait') return `${step.ms}ms`;
      if (step.type === 'wait-for-serial') return `/${step.pattern}/${step.timeoutMs}`;
      return (step.type === 'hold' ? '+' : '-') + step.key;
    })
    .join(' ');
}

describe('what is typed', () => {
  test.each([
    ['ab1 ', 'a b 1 spc'],
    ['aB', 'a S-b'],
    [
      '~!@#$%^&*()_+{}|:"<>?',
      'S-grave_accent S-1 S-2 S-3 S-4 S-5 S-6 S-7 S-8 S-9 S-0 S-minus S-equal S-bracket_left S-bracket_right S-backslash S-semicolon S-apostrophe S-comma S-dot S-slash',
    ],
    [
      "`-=[]\\;',./",
      'grave_accent minus equal bracket_left bracket_right backslash semicolon apostrophe comma dot slash',
    ],
    ['<enter><return><ESC><Tab>', 'ret ret esc tab'],
    ['<f1><F12><pageUp><pagedown><spacebar>', 'f1 f12 pgup pgdn spc'],
    ['<leftCtrlOn>c<leftCtrlOff>', '+ctrl c -ctrl'],
    ['<leftAltOn><f2><leftAltOff>', '+alt f2 -alt'],
    ['<aOn><aOff><*On>', '+a -a +8'],
    ['<bs><del><insert><home><end><menu>', 'backspace delete insert home end compose'],
    ['<lt>b>', 'S-comma b S-dot'],
    ['a < b', 'a spc S-comma spc b'],
    ['x<<enter>', 'x S-comma ret'],
    ['\n', 'ret'],
  ])('%j', (text, expected) => {
    expect(short(text)).toBe(expected);
  });

  test('every special key has a code, whatever its case', () => {
    for (const name of SPECIAL_KEY_NAMES) {
      expect(specialKey(name), name).not.toBeNull();
      expect(specialKey(name.toUpperCase()), name).toBe(specialKey(name));
    }
  });

  test("the address of the file server is filled in, in both of Packer's spellings", () => {
    expect(short('{{ .HTTPIP }}:{{.HTTPPort}}')).toBe('1 0 dot 0 dot 2 dot 2 S-semicolon 8 1 2 3');
    expect(short('{{ .Name }}')).toBe('d i s k');
  });

  test.each([
    ['http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg', 'http://10.0.2.2:8123/secret/preseed.cfg'],
    ['http://{{.HTTPIP}}:{{.HTTPPort}}', 'http://10.0.2.2:8123/secret'],
    ['{{ .HTTPIP }}:{{ .HTTPPort }}/{{ .HTTPPath }}/x', '10.0.2.2:8123/secret/x'],
    ['{{ .HTTPIP }} {{ .HTTPPort }} {{ .HTTPPath }}', '10.0.2.2 8123 secret'],
    [
      'a={{ .HTTPIP }}:{{ .HTTPPort }} b={{ .HTTPIP }}:{{ .HTTPPort }}/c',
      'a=10.0.2.2:8123/secret b=10.0.2.2:8123/secret/c',
    ],
    ['{{ .Nonsense }} {{ Name }}', '{{ .Nonsense }} {{ Name }}'],
  ])('the way to the answers is a part of their address: %s', (text, filled) => {
    expect(fillPlaceholders(text, { ...VALUES, HTTPPath: 'secret' })).toBe(filled);
  });
});

describe('what waits', () => {
  test.each([
    ['<wait>', '1000ms'],
    ['<wait5>', '5000ms'],
    ['<wait10s>', '10000ms'],
    ['<wait1m20s>', '80000ms'],
    ['<WAIT500ms>', '500ms'],
    ['<waitFor serial:/login:/>', '/login:/300000'],
    ['<waitFor serial:/a\\/b > c/ 90s>', '/a\\/b > c/90000'],
  ])('%j', (text, expected) => {
    expect(short(text)).toBe(expected);
  });
});

describe('what is refused, all at once', () => {
  test.each([
    ['<entr>', '`<entr>` is no key: did you mean `<enter>`?'],
    ['<leftCtlOn>', 'is no key'],
    ['<foobarbaz>', 'to type it as it is, write `<lt>` for the `<`'],
    ['<waitx>', '`<waitx>` is no key: did you mean `<wait>`?'],
    ['é', 'the character `é` is not on a US keyboard'],
    ['{{ .HttpIp }}', '`{{ .HttpIp }}` is not known here'],
    ['{{ user `x` }}', 'for variables of the pipeline write ${{ vars.name }}'],
    ['<waitFor serial:/(/ 5m>', 'the pattern in'],
    ['<waitFor serial:/a/ soon>', 'is not a duration'],
    ['<waitFor screen>', 'is written `<waitFor serial:/pattern/ 5m>`'],
  ])('%j', (text, expected) => {
    const problems = bootCommandProblems(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  test('several mistakes are all told', () => {
    expect(bootCommandProblems('<entr>ok<upp>é')).toHaveLength(3);
  });
});
