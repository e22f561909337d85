/** Who tells a run, in colour or not: by flags, environment and where the output goes. */
import { describe, expect, it } from 'vitest';
import { chooseReporter, styleOf, wantsColour, wantsUnicode } from '../../src/commands/stream-choice.ts';

const TTY = { isTTY: true, columns: 80 };
const PIPE = {};

describe('the reporter', () => {
  it.each([
    ['live on a terminal', {}, {}, TTY, 'live'],
    ['plain in a pipe', {}, {}, PIPE, 'plain'],
    ['plain in continuous integration', {}, { CI: 'true' }, TTY, 'plain'],
    ['live where CI says no', {}, { CI: 'false' }, TTY, 'live'],
    ['plain in GitHub Actions', {}, { GITHUB_ACTIONS: 'true' }, TTY, 'plain'],
    ['plain on a dumb terminal', {}, { TERM: 'dumb' }, TTY, 'plain'],
    ['plain when asked', { reporter: 'plain' }, {}, TTY, 'plain'],
    ['live when asked, also in continuous integration', { reporter: 'live' }, { CI: '1' }, TTY, 'live'],
    ['plain where a question may be asked', { reporter: 'live', 'on-error': 'ask' }, {}, TTY, 'plain'],
    ['never live in a pipe', { reporter: 'live' }, {}, PIPE, 'plain'],
    ['JSON when asked', { reporter: 'json' }, {}, TTY, 'json'],
    ['JSON for --json', { json: true }, {}, TTY, 'json'],
    ['plain for -v', { verbose: true }, {}, TTY, 'plain'],
    ['plain for -q', { quiet: true }, {}, TTY, 'plain'],
  ] as const)('is %s', (_, flags, env, stream, reporter) => {
    expect(chooseReporter(flags, env, stream)).toBe(reporter);
  });
});

describe('colour', () => {
  it.each([
    ['on a terminal', {}, true, true],
    ['not in a pipe', {}, false, false],
    ['not with NO_COLOR', { NO_COLOR: '1' }, true, false],
    ['not with NO_COLOR=0 either', { NO_COLOR: '0' }, true, false],
    ['with an empty NO_COLOR', { NO_COLOR: '' }, true, true],
    ['with FORCE_COLOR in a pipe', { FORCE_COLOR: '1' }, false, true],
    ['with FORCE_COLOR against NO_COLOR', { FORCE_COLOR: '1', NO_COLOR: '1' }, true, true],
    ['not with FORCE_COLOR=0', { FORCE_COLOR: '0' }, true, false],
    ['not on a dumb terminal', { TERM: 'dumb' }, true, false],
  ] as const)('%s: %o', (_, env, isTty, colour) => {
    expect(wantsColour(env, isTty)).toBe(colour);
    expect(styleOf(env, { isTTY: isTty }).red('x') !== 'x').toBe(colour);
  });
});

describe('signs beyond ASCII', () => {
  it.each([
    ['in a UTF-8 locale', { LANG: 'en_US.UTF-8' }, true, true],
    ['in C.utf8', { LC_ALL: 'C.utf8', LANG: 'C' }, true, true],
    ['not in the C locale', { LANG: 'C' }, true, false],
    ['not on the Linux console', { LANG: 'C.UTF-8', TERM: 'linux' }, true, false],
    ['when nobody says', {}, true, true],
    ['in a pipe', { LANG: 'C' }, false, true],
  ] as const)('%s', (_, env, isTty, unicode) => expect(wantsUnicode(env, isTty)).toBe(unicode));
});
