/** The tracer in real Pythons: all that a program asks of the file system is told, and the program does not notice. */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readTrace } from '../../../src/stages/ansible/trace.ts';
import { underStrace } from '../../support/strace.ts';
import { placeTracer, pythons, unanswered } from '../../support/traced.ts';

const work = mkdtempSync(join(tmpdir(), 'bake-tracer-'));
afterAll(() => rmSync(work, { recursive: true }));

const ASKS = join(import.meta.dirname, '../../support/asks-everything.py');
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const isNew = (version: string) => version.startsWith('3.') && Number(version.slice(2)) >= 8;
const NEW = [...pythons()].filter(([version]) => isNew(version));
const OLD = [...pythons()].filter(([version]) => !isNew(version));
const PYTHON = '/usr/bin/python3';

let count = 0;
function place(): string {
  count += 1;
  const directory = join(work, String(count));
  mkdirSync(directory);
  return directory;
}

type Told = readonly [kind: string, ...rest: readonly unknown[]];

interface Run extends SpawnSyncReturns<string> {
  readonly directory: string;
  /** Everything that was told; null without a log. */
  readonly told: readonly Told[] | null;
}

/** Runs a Python program with the tracer, or without, in a directory of its own. */
function run(
  program: string,
  { python = PYTHON, isTraced = true, env = {}, directory = place() } = {} as {
    readonly python?: string;
    readonly isTraced?: boolean;
    readonly env?: NodeJS.ProcessEnv;
    readonly directory?: string;
  },
): Run {
  const tracer = placeTracer(`${directory}-tracer`);
  writeFileSync(join(directory, 'program.py'), program);
  const done = spawnSync(python, ['program.py'], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH, ...(isTraced ? tracer.env : { PYTHONDONTWRITEBYTECODE: '1' }), ...env },
  });
  return { ...done, directory, told: existsSync(tracer.log) ? toldIn(tracer.log) : null };
}

function toldIn(log: string): readonly Told[] {
  return readFileSync(log, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Told);
}

/** What was told of paths below the directory of a run, relative to it. */
function below({ told, directory }: Run): readonly string[] {
  return (told ?? []).flatMap(([kind, path]) =>
    typeof path === 'string' && path.startsWith(`${directory}/`)
      ? [`${kind} ${path.slice(directory.length + 1)}`]
      : [],
  );
}

describe('what strace sees, the tracer tells', () => {
  test.each(NEW)('Python %s', (_, python) => {
    const directory = place();
    const project = join(directory, 'project');
    mkdirSync(project);
    // As the program is called whose trace is read.
    const program = join(project, 'ansible-playbook');
    cpSync(ASKS, program);
    spawnSync(python, [program, 'prepare'], { cwd: project, stdio: 'inherit' });
    const { log, env } = placeTracer(join(directory, 'tracer'));
    const asked = underStrace([python, program], { cwd: project, env: { PATH, ...env }, log });
    expect([asked.status, asked.output]).toEqual([0, '']);
    const trace = readTrace(readFileSync(log, 'utf8'), { ignored: [] });
    if (!trace.ok) throw new Error(trace.failure);
    const seen = asked.seen.filter(({ image, path }) => image.isTraced && path.startsWith(project));
    expect(seen.length).toBeGreaterThan(300);
    expect(unanswered(trace.value, seen, project)).toEqual([]);
    for (const name of ['child/forked', 'child/fork', 'child/spawn', 'child/thread', 'child/shell'])
      expect(trace.value.lookups.get(join(project, name))?.stat, name).toBe(true);
  });
});

describe('nothing is lost', () => {
  test('of a process that ends without a word, or is killed', () => {
    const ended = run(`
import os, signal
for name, end in (('a', lambda: os._exit(3)), ('b', lambda: os.kill(os.getpid(), signal.SIGKILL))):
    pid = os.fork()
    if pid == 0:
        os.path.exists('asked-' + name)
        end()
    os.waitpid(pid, 0)
os.path.exists('asked-at-last')
os.kill(os.getpid(), signal.SIGKILL)
`);
    expect(ended.signal).toBe('SIGKILL');
    expect(below(ended)).toEqual(expect.arrayContaining(['s asked-a', 's asked-b', 's asked-at-last']));
  });

  test('of eight processes that write at once: no record is torn', async () => {
    const directory = place();
    const { log, env } = placeTracer(join(directory, 'tracer'));
    const asks = `
import os, sys
for index in range(400):
    os.path.exists('/'.join(['%s-%d' % (sys.argv[1], index)] + [str(index) * 60] * (index % 60)))
`;
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const children = names.map((name) => spawn(PYTHON, ['-c', asks, name], { cwd: directory, env }));
    const ends = await Promise.all(children.map((child) => once(child, 'exit')));
    expect(ends).toEqual(names.map(() => [0, null]));
    const paths = toldIn(log).flatMap(([kind, path]) => (kind === 's' ? [String(path)] : []));
    const asked = names.flatMap((name) => [...Array(400).keys()].map((index) => `${name}-${index}`));
    const found = paths.flatMap((path) => /\/([a-h]-\d+)(?:\/|$)/.exec(path)?.[1] ?? []);
    expect(found.sort()).toEqual(asked.sort());
  });

  test('names with quotes, line breaks, any letter, and bytes that are none', () => {
    const told = below(
      run(`
import os
for name in ('a"b\\\\c', 'a\\nb\\tc', 'größe-漢-😀', b'a\\xffb'):
    os.path.exists(name)
`),
    );
    const names = ['a"b\\c', 'a\nb\tc', 'größe-漢-😀', 'a\udcffb'];
    expect(told).toEqual(expect.arrayContaining(names.map((name) => `s ${name}`)));
  });

  test('a process is told of once, with the file where its program is', () => {
    const { told, directory } = run(
      `
import os, subprocess
subprocess.call(['true', 'popen'])
subprocess.call(['true', 'spawned'], close_fds=False)
subprocess.call('true shell', shell=True)
subprocess.call(['./own'], env={'PATH': '/nowhere'})
subprocess.call(['true', 'sought'], env={'PATH': '/nowhere:/bin'})
os.system('true system')
os.spawnvp(os.P_WAIT, 'true', ['true', 'spawnvp'])
os.posix_spawn('/bin/true', ['true', 'posix_spawn'], os.environ)
os.posix_spawnp('true', ['true', 'posix_spawnp'], os.environ)
os.popen('true popen').close()
`.replace(
        "subprocess.call(['./own']",
        "open('own', 'w').write('#!/bin/sh'); os.chmod('own', 0o755); subprocess.call(['./own']",
      ),
    );
    const started = (told ?? []).filter(([kind]) => kind === 'e').map(([, ...rest]) => rest);
    const there = directory;
    expect(started).toEqual([
      [['true', 'popen'], there, '/usr/bin/true'],
      [['true', 'spawned'], there, '/usr/bin/true'],
      [['/bin/sh', '-c', 'true shell'], there, '/bin/sh'],
      [['./own'], there, `${there}/./own`],
      [['true', 'sought'], there, '/bin/true'],
      [['/bin/sh', '-c', 'true system'], there, '/bin/sh'],
      [['true', 'spawnvp'], there, '/usr/bin/true'],
      [['true', 'posix_spawn'], there, '/bin/true'],
      [['true', 'posix_spawnp'], there, '/usr/bin/true'],
      [['/bin/sh', '-c', 'true popen'], there, '/bin/sh'],
    ]);
  });

  test('of compiled code, its source is told', () => {
    const { log, env } = placeTracer(join(work, 'compiled-tracer'));
    const directory = place();
    writeFileSync(join(directory, 'used.py'), '');
    const { PYTHONDONTWRITEBYTECODE: _, ...writing } = env;
    const importing = () =>
      spawnSync(PYTHON, ['-c', 'import used'], { cwd: directory, env: { PATH, ...writing } });
    importing();
    expect(existsSync(join(directory, '__pycache__'))).toBe(true);
    rmSync(log);
    importing();
    const paths = toldIn(log).map(([kind, path]) => `${kind} ${path}`);
    expect(paths).toContain(`r ${directory}/used.py`);
    expect(paths.filter((path) => path.includes('pyc'))).toEqual([]);
  });
});

describe('what cannot be told makes the log void', () => {
  test('when there is no room for a record', () => {
    const cut = run(`
import os, resource
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for index in range(200):
    os.path.exists('asked-%d' % index)
print('done')
`);
    expect([cut.stdout, cut.stderr, cut.status]).toEqual(['done\n', '', 0]);
    expect((cut.told ?? []).filter(([kind]) => kind === 'p')).toEqual([]);
  });

  test('when the root directory is another one', () => {
    const left = run(`
import os
try:
    os.chroot('not-there')
except OSError:
    print('refused')
`);
    expect(left.stdout).toBe('refused\n');
    expect(left.told?.map(([kind]) => kind)).toContain('!');
  });

  test('but not when a program closes it: that is noticed, and no file of the program is written to', () => {
    const closed = run(`
import os
os.closerange(3, 64)
opened = [open('own-%d' % index, 'w') for index in range(20)]
os.path.exists('asked')
for file in opened:
    file.close()
print(sum(os.path.getsize('own-%d' % index) for index in range(20)))
`);
    expect([closed.stdout, closed.stderr]).toEqual(['0\n', '']);
    expect(below(closed)).toContain('s asked');
  });
});

describe('a program does not notice', () => {
  /** Standard output, the sort of error that it ends with, and the exit status. */
  const outcome = ({ stdout, stderr, status, signal }: Run) => ({
    stdout,
    error: /^(.*\n)*([\w.]*)/.exec(stderr.trimEnd())?.[2],
    status,
    signal,
  });

  test.each([
    ['missing files', "import os\nos.stat('nope')"],
    ['wrong arguments', 'import os\nos.stat()'],
    ['wrong types', 'import os\nos.stat(None)'],
    ['names of no file', "import os\nos.stat('a\\0b')"],
    ['closed directories', "import os\nos.open('a', os.O_RDONLY, dir_fd=77)"],
    ['its own exit', 'raise SystemExit(7)'],
    ['an interruption', 'import os, signal\nos.kill(os.getpid(), signal.SIGINT)'],
    [
      'what a path raises',
      'import os\nclass Path:\n    def __fspath__(self):\n        raise RuntimeError("mine")\nos.stat(Path())',
    ],
    ['endless recursion', "import os\ndef again():\n    os.path.exists('a')\n    again()\nagain()"],
  ])('when it ends by %s', (_, program) => {
    const traced = run(program);
    expect(outcome(traced)).toEqual(outcome(run(program, { isTraced: false })));
    expect(traced.told?.[0]?.[0]).toBe('p');
  });

  test('when a signal comes in the middle', () => {
    const timed = run(`
import os, signal, sys
class Late(Exception):
    pass
def late(*_):
    raise Late()
signal.signal(signal.SIGALRM, late)
caught = 0
for round in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005 + round % 7 * 0.0001)
        index = 0
        while True:
            os.path.exists('asked-%d-%d' % (round, index))
            index += 1
    except Late:
        caught += 1
print(caught)
`);
    expect([timed.stdout, timed.stderr]).toEqual(['300\n', '']);
    expect((timed.told ?? []).filter(([kind]) => kind === '!')).toEqual([]);
  });

  test.each(NEW)('what the standard library does: Python %s', (_, python) => {
    const program = `
import copy, glob, inspect, os, pathlib, pickle, shutil, sys, tempfile
os.makedirs('tree/a/b')
os.symlink('a', 'tree/link')
open('tree/a/file', 'w').close()
print(sorted(glob.glob('tree/**', recursive=True)))
print(sorted(map(str, pathlib.Path('tree').rglob('*'))))
print(pathlib.Path('tree/link').resolve().name, pathlib.Path('tree/link').is_symlink(), pathlib.Path('tree').stat().st_nlink)
print(sorted((os.path.basename(top), sorted(names), sorted(files)) for top, names, files in os.walk('tree')))
print([os.access in each for each in (os.supports_dir_fd, os.supports_effective_ids, os.supports_follow_symlinks)])
print([os.stat in each for each in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks)])
print(shutil.rmtree.avoids_symlink_attacks, os.open in os.supports_dir_fd)
shutil.copytree('tree', 'copy', symlinks=True)
print(sorted(os.listdir('copy')), os.readlink('copy/link'))
shutil.rmtree('copy')
print(os.path.exists('copy'), os.path.exists('tree/a/file'))
try:
    shutil.rmtree('tree/link')
except OSError as error:
    print(error)
print(pickle.loads(pickle.dumps(os.stat)) is os.stat, copy.deepcopy(os.stat) is os.stat, inspect.signature(os.stat))
print(os.stat, os.stat.__name__, os.open.__name__, os.stat.__doc__[:20], callable(os.stat))
class Kept:
    look = os.stat
print(Kept().look('tree').st_nlink)
print(sys.path[1:], 'tracer' in str(sys.modules.get('sitecustomize')), sys.dont_write_bytecode)
print(os.listdir(), sorted(os.listdir(os.open('tree', os.O_RDONLY))), os.open.__self__ if False else '')
`;
    const [traced, plain] = [run(program, { python }), run(program, { python, isTraced: false })];
    expect([traced.stdout, traced.stderr]).toEqual([plain.stdout, plain.stderr]);
    expect([plain.status, traced.told === null]).toEqual([0, false]);
  });

  test.each([...NEW, ...OLD])('of the sitecustomize that the tracer hides: Python %s', (_, python) => {
    const hidden = place();
    const hiding = (text: string) => {
      writeFileSync(join(hidden, 'sitecustomize.py'), text);
      const program = 'import sitecustomize\nprint(sitecustomize.VALUE)';
      const directory = place();
      const first = placeTracer(`${directory}-tracer`).env['PYTHONPATH'];
      return [`${first}:${hidden}`, hidden].map((PYTHONPATH) => {
        const { stdout, stderr, status } = run(program, { python, directory, env: { PYTHONPATH } });
        return [stdout, stderr, status];
      });
    };
    const [good, alone] = hiding('VALUE = __name__ + " was run"\n');
    expect([good, alone]).toEqual([alone, ['sitecustomize was run\n', '', 0]]);
    const [bad, badAlone] = hiding('import not_there_at_all\n');
    expect([bad, bad?.[2]]).toEqual([badAlone, 1]);
  });

  test('without a directory for the log', () => {
    const directory = place();
    const quiet = run(`import os\nprint(os.path.exists('a'))`, {
      directory,
      env: { PYTHONPATH: '/nowhere' },
    });
    expect([quiet.stdout, quiet.stderr, quiet.told]).toEqual(['False\n', '', null]);
  });

  test('older Pythons are left alone', () => {
    for (const [version, python] of OLD) {
      const old = run(`import os\nprint(os.path.exists('a'))`, { python });
      expect([version, old.stdout, old.stderr, old.told]).toEqual([version, 'False\n', '', null]);
    }
  });
});
