/** What a reporter writes to, and how: handed in, so that a report can be read back in a test. */
import type { Style } from './ansi.ts';
import type { SinkText } from './printable.ts';

export interface Terminal {
  /** Writes text, out of which it leaves what a terminal or a service would obey, or a command of ours. */
  write(text: SinkText): void;
  /** Width now; it may change between two calls. */
  columns(): number;
  rows(): number;
  readonly style: Style;
  /** Whether it can show more than ASCII. */
  readonly unicode: boolean;
}

/** Signs in front of lines; every one is one column wide. */
export interface Signs {
  readonly built: string;
  readonly restored: string;
  readonly fresh: string;
  readonly failed: string;
  readonly blocked: string;
  readonly cancelled: string;
  readonly waiting: string;
  readonly again: string;
  readonly bar: string;
  readonly full: string;
  readonly empty: string;
  readonly ellipsis: string;
  readonly spinner: readonly string[];
}

const UNICODE: Signs = {
  built: '✔',
  restored: '↓',
  fresh: '=',
  failed: '✖',
  blocked: '-',
  cancelled: '■',
  waiting: '◌',
  again: '↻',
  bar: '│',
  full: '█',
  empty: '░',
  ellipsis: '…',
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
};

const ASCII: Signs = {
  built: '+',
  restored: 'v',
  fresh: '=',
  failed: 'x',
  blocked: '-',
  cancelled: '#',
  waiting: 'o',
  again: '~',
  bar: '|',
  full: '#',
  empty: '.',
  ellipsis: '~',
  spinner: ['|', '/', '-', '\\'],
};

/** The signs that a terminal can show. */
export function signsFor(terminal: { readonly unicode: boolean }): Signs {
  return terminal.unicode ? UNICODE : ASCII;
}
