/** How to speak on an output stream: with colour, with which signs, through which reporter. Light: every run asks. */
import type { Style } from '../report/ansi.ts';
import { styleFor } from '../report/ansi.ts';
import type { Invocation } from './command.ts';

type Env = Invocation['env'];

/** The part of `process.stdout` that matters here. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Whether a variable switches something on. */
export function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

/** Colour: `FORCE_COLOR` (0 switches off), else never with `NO_COLOR` or a dumb terminal, else on a terminal. */
export function wantsColour(env: Env, isTty: boolean): boolean {
  const force = env['FORCE_COLOR'];
  if (force !== undefined && force !== '') return isSet(force);
  // no-color.org: present and not empty, whatever its value.
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  return isTty && env['TERM'] !== 'dumb';
}

/** Whether the terminal shows more than ASCII: by locale, and not the Linux console. A pipe gets UTF-8. */
export function wantsUnicode(env: Env, isTty: boolean): boolean {
  if (!isTty) return true;
  if (env['TERM'] === 'linux' || env['TERM'] === 'dumb') return false;
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'];
  return locale === undefined || locale === '' || /utf-?8/i.test(locale);
}

/** Which reporter a run gets. */
export function chooseReporter(
  flags: Invocation['flags'],
  env: Env,
  stream: OutputStream,
): 'live' | 'plain' | 'json' {
  const named = flags['reporter'];
  if (flags['json'] === true) return 'json';
  if (named === 'plain' || named === 'json') return named;
  // A question needs a place where nothing moves.
  if (flags['on-error'] === 'ask') return 'plain';
  // A file or a dumb terminal full of cursor movements helps nobody, even when asked for.
  const moves = stream.isTTY === true && env['TERM'] !== 'dumb';
  if (named === 'live') return moves ? 'live' : 'plain';
  if (flags['quiet'] === true || flags['verbose'] === true) return 'plain';
  return moves && !isSet(env['CI']) && !isSet(env['GITHUB_ACTIONS']) ? 'live' : 'plain';
}

/** The colours of a stream of ours. */
export function styleOf(env: Env, stream: OutputStream): Style {
  return styleFor(wantsColour(env, stream.isTTY === true));
}
