/** Extended attributes, which Node cannot ask for: a small perl that is started when it is first needed, and asks for us. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Attributes } from './host.ts';

/** Numbers of lsetxattr, lgetxattr and llistxattr by processor. */
const CALLS: { readonly [arch: string]: readonly [set: number, get: number, list: number] } = {
  x64: [189, 192, 195],
  arm64: [6, 9, 12],
  riscv64: [6, 9, 12],
};

/**
 * Takes `l <path>` and answers `<name> <value>` for each attribute; takes `s <path> <name> <value>` and answers nothing.
 * Every answer ends with `. <errno>`. All but the first letter is in hexadecimal: names may hold anything.
 */
const SCRIPT = `
use strict;
my ($set, $get, $list) = splice @ARGV, 0, 3;
$| = 1;
while (defined(my $line = <STDIN>)) {
  my ($ask, $path, $name, $value) = split / /, $line =~ s/\\n//r, -1;
  $_ = pack 'H*', $_ // '' for $path, $name, $value;
  my ($answer, $errno, $room) = ('', 0, 65536);
  if ($ask eq 's') {
    $errno = $! + 0 if syscall($set + 0, "$path\\0", "$name\\0", $value, length $value, 0) == -1;
  } else {
    my $names = "\\0" x $room;
    my $length = syscall($list + 0, "$path\\0", $names, $room);
    $errno = $! + 0 if $length == -1;
    for my $one ($length > 0 ? split /\\0/, substr $names, 0, $length : ()) {
      my $buffer = "\\0" x $room;
      my $size = syscall($get + 0, "$path\\0", "$one\\0", $buffer, $room);
      next if $size < 0;
      $answer .= unpack('H*', $one) . ' ' . unpack('H*', substr $buffer, 0, $size) . "\\n";
    }
  }
  print "$answer. $errno\\n";
}`;

interface Helper {
  readonly child: ChildProcess;
  /** Answers to several questions, in their order; null when the helper is gone. */
  ask(questions: readonly string[]): Promise<readonly Answer[] | null>;
}

interface Answer {
  readonly lines: readonly string[];
  readonly errno: number;
}

/** Asks are few and large: questions go in pieces, so that neither side waits for the other with a full pipe. */
const AT_ONCE = 64;

function start(path: string, calls: readonly number[]): Helper {
  const child = spawn('perl', ['-e', SCRIPT, ...calls.map(String)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
    env: { PATH: path },
  });
  let text = '';
  let hear: (() => void) | null = null;
  let isGone = false;
  const gone = (): void => {
    isGone = true;
    hear?.();
  };
  child.once('error', gone).once('exit', gone);
  child.stdin.on('error', gone);
  child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    hear?.();
  });
  // It is not to hold up the end of bake, but for an answer that is awaited.
  const hold = (isHeld: boolean): void => {
    for (const part of [child, child.stdin, child.stdout] as { ref?(): void; unref?(): void }[])
      if (isHeld) part.ref?.();
      else part.unref?.();
  };
  hold(false);
  let turn: Promise<unknown> = Promise.resolve();
  const piece = async (questions: readonly string[]): Promise<readonly Answer[] | null> => {
    child.stdin.write(questions.map((question) => `${question}\n`).join(''));
    const answers: Answer[] = [];
    let lines: string[] = [];
    while (answers.length < questions.length) {
      const end = text.lastIndexOf('\n');
      for (const line of end < 0 ? [] : text.slice(0, end).split('\n')) {
        if (!line.startsWith('. ')) lines.push(line);
        else {
          answers.push({ lines, errno: Number(line.slice(2)) });
          lines = [];
        }
      }
      text = text.slice(end + 1);
      if (answers.length === questions.length) break;
      if (isGone) return null;
      await new Promise<void>((done) => {
        hear = done;
      });
      hear = null;
    }
    return answers;
  };
  const all = async (questions: readonly string[]): Promise<readonly Answer[] | null> => {
    if (isGone) return null;
    hold(true);
    try {
      const answers: Answer[] = [];
      for (let at = 0; at < questions.length; at += AT_ONCE) {
        const some = await piece(questions.slice(at, at + AT_ONCE));
        if (some === null) return null;
        answers.push(...some);
      }
      return answers;
    } finally {
      hold(false);
    }
  };
  return {
    child,
    ask(questions) {
      const asked = turn.then(() => all(questions));
      turn = asked;
      return asked;
    },
  };
}

/** Attributes by way of the perl on a PATH; none where there is no perl, or for a processor whose calls are not known. */
export function attributesBy(path: string, arch: string): Attributes {
  const calls = CALLS[arch];
  let helper: Helper | null = null;
  const ask = (questions: readonly string[]) => {
    if (calls === undefined) return Promise.resolve(null);
    helper ??= start(path, calls);
    return helper.ask(questions);
  };
  return {
    async read(paths) {
      const answers = await ask(paths.map((one) => `l ${hex(one)}`));
      const found = new Map<string, { readonly [name: string]: string }>();
      for (const [at, { lines }] of (answers ?? []).entries()) {
        if (lines.length === 0) continue;
        const attributes = lines.map((line): [string, string] => {
          const [name = '', value = ''] = line.split(' ');
          return [unhex(name).toString('utf8'), unhex(value).toString('base64')];
        });
        found.set(paths[at] as string, Object.fromEntries(attributes));
      }
      return found;
    },
    async write(place, attributes) {
      const questions = Object.entries(attributes).map(
        ([name, value]) => `s ${hex(place)} ${hex(name)} ${Buffer.from(value, 'base64').toString('hex')}`,
      );
      const answers = await ask(questions);
      return answers?.every(({ errno }) => errno === 0) ?? false;
    },
  };
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

function unhex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
