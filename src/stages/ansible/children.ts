/** Tells of the processes that an ansible-playbook started which are known to read nothing unseen. What is not surely known is not. */
import { quoteWords } from '../../model/shell-words.ts';
import { sshFiles } from './ssh-files.ts';

/** A process that a traced Python started. */
export interface Child {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The file that was started; a name alone where none was found. */
  readonly program: string;
}

export interface ChildrenReads {
  /** Files that the words of the children name, whether they exist or not: absolute. */
  readonly opened: readonly string[];
  /** Commands, for people to read, that may have read anything. */
  readonly untraced: readonly string[];
}

/** Where programs come with the system; one of the same name elsewhere may be anything. */
const SYSTEM =
  /^(?:\/usr|\/usr\/local|\/opt\/homebrew|\/run\/current-system\/sw|\/nix\/store\/[^/]+)?\/s?bin\//;
const SHELLS = ['sh', 'dash', 'bash'];
/** Ansible ends what it gives to a shell so, up to 2.20. */
const SHELL_END = / && sleep 0$/;
const ASSIGNMENT = /^[A-Za-z_]\w*=/;
const SAFE_PATH = String.raw`[\w@%+=:,./~-]+`;
const TEMPORARY = String.raw`(?:${SAFE_PATH}/)?ansible-tmp-[\w.-]+`;
/** What Ansible itself says to a shell, but for what are plain words: it reads nothing that the user wrote. */
const OWN_SHELL_TEXTS = [
  /^echo ~[\w.-]*$/,
  new RegExp(
    [
      String.raw`^\( umask 77 && mkdir -p "\` echo ${SAFE_PATH} \`" ?&& mkdir "\` echo ${TEMPORARY} \`"`,
      String.raw` && echo ansible-tmp-[\w.-]+="\` echo ${TEMPORARY} \`" \)$`,
    ].join(''),
  ),
  /^echo PLATFORM; uname; echo FOUND; (?:command -v '[\w./-]+'; )+echo ENDFOUND$/,
];
const DISCARDED = / > \/dev\/null 2>&1$/;
/** It may go on when ansible-playbook, and with it the trace, has ended. */
const BACKGROUND = /(?:^|\/)async_wrapper\.py$/;

/** Programs that read only what their words name; the functions give these files, or null when they do more than that. */
const KNOWN: { readonly [name: string]: (words: readonly string[]) => readonly string[] | null } = {
  ssh: (words) => sshFiles('ssh', words),
  sftp: (words) => sshFiles('sftp', words),
  scp: (words) => sshFiles('scp', words),
  sshpass: sshpassFiles,
  'ssh-keygen': (words) => words.filter((word) => !word.startsWith('-')),
  ldconfig: (words) => named(words, ['-p'], []),
  // Without, it lists directories.
  lsattr: (words) => named(words, ['-d', '-vd'], ['--']),
  file: (words) => named(words, [], ['-b', '--brief', '-i', '--mime-type', '--mime-encoding', '--']),
};

/** What children read, of which `spoken` are the command lines of those that have told by themselves. */
export function childrenReads(
  children: readonly Child[],
  spoken: readonly (readonly string[])[],
): ChildrenReads {
  const left = new Map<string, number>();
  for (const argv of spoken) left.set(keyOf(argv), (left.get(keyOf(argv)) ?? 0) + 1);
  /** Each that has spoken stands for one that was started in the same words. */
  const hasSpoken = (argv: readonly string[]): boolean => {
    const count = left.get(keyOf(argv)) ?? 0;
    left.set(keyOf(argv), count - 1);
    return count > 0 && !argv.some((word) => BACKGROUND.test(word));
  };
  const opened = new Set<string>();
  const untraced = new Set<string>();
  for (const child of children) {
    const files = filesOf(child, hasSpoken);
    if (files === null) untraced.add(shownCommand(child.argv));
    for (const file of files ?? wordsOf(child)) opened.add(seenFrom(child.cwd, file));
  }
  return { opened: [...opened], untraced: [...untraced] };
}

/** Files that a process reads and nobody tells of; null when it may be any. */
function filesOf(child: Child, hasSpoken: (argv: readonly string[]) => boolean): readonly string[] | null {
  const [, flag, text] = child.argv;
  const name = child.program.replace(SYSTEM, '');
  if (isShell(name) && flag === '-c' && text !== undefined && child.argv.length === 3)
    return shellFiles(text, hasSpoken);
  const known = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
  if (known) return known(child.argv.slice(1));
  return hasSpoken(child.argv) ? [] : null;
}

/** The same for a text that a shell runs. */
function shellFiles(text: string, hasSpoken: (argv: readonly string[]) => boolean): readonly string[] | null {
  const command = text.replace(SHELL_END, '');
  if (OWN_SHELL_TEXTS.some((own) => own.test(command))) return [];
  const all = splitWords(command.replace(DISCARDED, ''));
  const start = all?.findIndex((word) => !ASSIGNMENT.test(word)) ?? -1;
  if (!all || start === -1) return null;
  const words = all.slice(start);
  const [program = '', ...rest] = words;
  if (program === 'rm') return start === 0 && removesOwn(rest) ? [] : null;
  // What is thrown away is known of nothing else.
  if (DISCARDED.test(command)) return null;
  if (program === 'chmod')
    return start === 0 && /^[ugoa]*\+[rwxX]+$/.test(rest[0] ?? '') ? rest.slice(1) : null;
  const [flag, inner] = rest;
  if (isShell(program) && flag === '-c' && inner !== undefined && rest.length === 2)
    return start === 0 ? shellFiles(inner, hasSpoken) : null;
  const values = all.slice(0, start).map((word) => word.replace(ASSIGNMENT, ''));
  return hasSpoken(words) ? values.filter((value) => value.startsWith('/')) : null;
}

function removesOwn(words: readonly string[]): boolean {
  const [path = '', ...others] = words.filter((word) => word !== '-f' && word !== '-r');
  return others.length === 0 && new RegExp(`^${TEMPORARY}/?$`).test(path.replaceAll(' ', '_'));
}

/** The words of a text for a shell; null where anything in it means more than itself. */
function splitWords(text: string): readonly string[] | null {
  const words: string[] = [];
  const word = /\s*((?:[\w@%+=:,./~^-]|'[^']*'|"[^"$`\\!]*")+)(?=\s|$)/y;
  while (word.lastIndex < text.trimEnd().length) {
    const found = word.exec(text)?.[1];
    if (found === undefined) return null;
    words.push(
      found.replace(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
    );
  }
  return words;
}

/** The words that are no options; null when there are others than `allowed`, or none of those of which one is `needed`. */
function named(
  words: readonly string[],
  needed: readonly string[],
  allowed: readonly string[],
): readonly string[] | null {
  const options = words.filter((word) => word.startsWith('-'));
  const isSafe =
    options.every((option) => needed.includes(option) || allowed.includes(option)) &&
    (needed.length === 0 || options.some((option) => needed.includes(option)));
  return isSafe ? words.filter((word) => !word.startsWith('-')) : null;
}

/** sshpass starts another program. */
function sshpassFiles(words: readonly string[]): readonly string[] | null {
  const files: string[] = [];
  let index = 0;
  for (; words[index]?.startsWith('-'); index += 1) {
    const [, letter = '', value] = /^-(.)(.*)$/.exec(words[index] ?? '') ?? [];
    if (!/[fdpP]/.test(letter)) continue;
    const given = value || words[++index] || '';
    if (letter === 'f') files.push(given);
  }
  const [program, ...rest] = words.slice(index);
  if (program === undefined) return files;
  const name = program.replace(SYSTEM, '');
  const inner = name === 'ssh' || name === 'sftp' || name === 'scp' ? sshFiles(name, rest) : null;
  return inner && [...files, ...inner];
}

/** The command for people: without the shells that Ansible wraps around it. */
function shownCommand(argv: readonly string[]): string {
  const text = argv[2]?.replace(SHELL_END, '');
  if (text === undefined || !isShell(argv[0]) || argv[1] !== '-c' || argv.length !== 3)
    return quoteWords(argv);
  const words = splitWords(text);
  return words && isShell(words[0]) ? shownCommand(words) : text;
}

function isShell(program: string | undefined): boolean {
  return program !== undefined && SHELLS.includes(program.replace(SYSTEM, ''));
}

/** The program, and whatever in the words may name a file. */
function wordsOf({ program, argv }: Child): readonly string[] {
  const words = argv.slice(1).flatMap((word) => [word, ...word.split(/[\s'"`;|&<>()=]+/)]);
  const names = words.filter((word) => /^[^-\s][^\s]{0,1023}$/.test(word));
  return [...(program.includes('/') ? [program] : []), ...names];
}

function seenFrom(cwd: string, path: string): string {
  return path.startsWith('/') ? path : `${cwd}/${path}`;
}

function keyOf(argv: readonly string[]): string {
  return JSON.stringify(argv);
}
