/** What strace saw a command and all that it started ask of the file system: another opinion on a trace. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What was asked of a path; `enter` is the opening of a directory. */
export type Way = 'open' | 'enter' | 'list' | 'stat' | 'lstat' | 'link' | 'write';

/** A program that a process became. */
export interface Image {
  readonly program: string;
  /** Whether it opened the log of the tracer. */
  isTraced: boolean;
}

export interface Seen {
  readonly way: Way;
  /** Absolute, neither normalised nor resolved; of a listing, resolved. */
  readonly path: string;
  readonly image: Image;
}

interface Process {
  cwd: string;
  image: Image;
}

const WAYS: { readonly [call: string]: Way } = {
  ...{
    stat: 'stat',
    newfstatat: 'stat',
    statx: 'stat',
    access: 'stat',
    faccessat: 'stat',
    faccessat2: 'stat',
  },
  ...{ statfs: 'stat', chdir: 'stat', getxattr: 'stat', listxattr: 'stat' },
  ...{ lstat: 'lstat', readlink: 'link', readlinkat: 'link', lgetxattr: 'link', llistxattr: 'link' },
  ...{
    mkdir: 'write',
    mkdirat: 'write',
    rmdir: 'write',
    unlink: 'write',
    unlinkat: 'write',
    truncate: 'write',
  },
  ...{ rename: 'write', renameat: 'write', renameat2: 'write', link: 'write', linkat: 'write' },
  ...{ symlink: 'write', symlinkat: 'write', mknod: 'write', mknodat: 'write' },
  ...{ chmod: 'write', fchmodat: 'write', chown: 'write', lchown: 'write', fchownat: 'write' },
  ...{
    utime: 'write',
    utimes: 'write',
    futimesat: 'write',
    utimensat: 'write',
    setxattr: 'write',
    removexattr: 'write',
  },
};
const CALLS = '%file,getdents64,clone,clone3,fork,vfork';

/** Runs a command under strace; `log` is the file that the tracer writes. */
export function underStrace(
  command: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly log: string },
): { readonly status: number | null; readonly output: string; readonly seen: readonly Seen[] } {
  const directory = mkdtempSync(join(tmpdir(), 'bake-strace-'));
  try {
    const file = join(directory, 'calls');
    const args = ['-f', '-y', '-qq', '--seccomp-bpf', '-s', '8192', '-e', `trace=${CALLS}`, '-o', file];
    const { status, stdout, stderr } = spawnSync('strace', [...args, '--', ...command], {
      cwd: options.cwd,
      env: options.env,
      encoding: 'utf8',
    });
    const seen = readCalls(readFileSync(file, 'latin1'), options.cwd, options.log);
    return { status, output: stdout + stderr, seen };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function readCalls(text: string, cwd: string, log: string): readonly Seen[] {
  const lines = wholeLines(text);
  const parents = new Map<string, string>();
  for (const { pid, line } of lines) {
    const child = /^(?:clone3?|v?fork)\(.*\) += (\d+)/.exec(line)?.[1];
    if (child !== undefined) parents.set(child, pid);
  }
  const processes = new Map<string, Process>();
  const processOf = (pid: string): Process => {
    const known = processes.get(pid);
    if (known) return known;
    const parent = parents.get(pid);
    const made =
      parent === undefined ? { cwd, image: { program: '', isTraced: false } } : { ...processOf(parent) };
    processes.set(pid, made);
    return made;
  };
  return lines.flatMap(({ pid, line }) => takeCall(line, processOf(pid), log));
}

/** Calls that another process interrupted are put together again, where they began. */
function wholeLines(text: string): readonly { pid: string; line: string }[] {
  const lines: { pid: string; line: string }[] = [];
  const open = new Map<string, { pid: string; line: string }>();
  for (const [, pid = '', line = ''] of text.matchAll(/^(\d+) +(.*)$/gm)) {
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(line)?.[1];
    const begun = open.get(pid);
    if (resumed !== undefined && begun) {
      begun.line += resumed;
      open.delete(pid);
      continue;
    }
    const entry = { pid, line: line.replace(/ ?<unfinished \.\.\.>$/, '') };
    if (entry.line !== line) open.set(pid, entry);
    lines.push(entry);
  }
  return lines;
}

function takeCall(line: string, process: Process, log: string): readonly Seen[] {
  const [, call = '', rest = ''] = /^(\w+)\((.*)$/.exec(line) ?? [];
  const paths = pathsIn(rest, process);
  const [first] = paths;
  const isDone = / = (?!-1 )\S+.*$/.test(rest);
  if (call === 'execve') {
    if (isDone && first !== undefined) process.image = { program: first, isTraced: false };
    return [];
  }
  // Of an open file the name is empty.
  if (call !== 'getdents64' && (first === undefined || /^\d+<[^>]*>, ""/.test(rest))) return [];
  if ((call === 'chdir' || call === 'getcwd') && isDone && first !== undefined) process.cwd = first;
  if (call === 'getcwd') return [];
  if (first === log) process.image.isTraced = true;
  return waysOf(call, rest, paths, line).map(([way, path]) => ({ way, path, image: process.image }));
}

/** The paths that a call names; what the first is relative to is remembered. */
function pathsIn(rest: string, process: Process): readonly string[] {
  const directory = /^AT_FDCWD<([^>]*)>/.exec(rest)?.[1];
  if (directory !== undefined) process.cwd = directory;
  const named = rest.matchAll(/(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g);
  return [...named].map(([, base = process.cwd, text = '']) => below(base, unescaped(text)));
}

function waysOf(
  call: string,
  rest: string,
  paths: readonly string[],
  line: string,
): readonly (readonly [Way, string])[] {
  const [first = ''] = paths;
  if (call === 'getdents64') return [['list', /^\d+<([^>]*)>/.exec(rest)?.[1] ?? '']];
  if (call === 'open' || call === 'openat') return opened(rest).map((way) => [way, first]);
  const way = WAYS[call];
  if (way === undefined) throw new Error(`a system call that no test knows: ${line}`);
  if (way === 'write') {
    // The text of a link and the name of an attribute are no paths.
    const ours = call.startsWith('symlink') ? paths.slice(-1) : call.endsWith('xattr') ? [first] : paths;
    return ours.map((path) => ['write', path]);
  }
  return [[way === 'stat' && rest.includes('NOFOLLOW') ? 'lstat' : way, first]];
}

function opened(flags: string): readonly Way[] {
  if (flags.includes('O_DIRECTORY')) return ['enter'];
  const makesNew = flags.includes('O_TRUNC') || /O_CREAT\|O_EXCL/.test(flags);
  const writes = /O_WRONLY|O_RDWR|O_CREAT/.test(flags);
  return [...(makesNew ? [] : (['open'] as const)), ...(writes ? (['write'] as const) : [])];
}

function below(directory: string, path: string): string {
  return path.startsWith('/') ? path : `${directory}/${path}`;
}

/** As strace prints a name, byte by byte. */
function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-7]{1,3}|.)/g, (_, code: string) =>
    /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : code,
  );
  return Buffer.from(bytes, 'latin1').toString();
}
