/** Runs Pythons, and what is written in it, with the tracer of ansible-step, and compares what it told with what strace saw. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, posix } from 'node:path';
import type { Trace } from '../../src/stages/ansible/trace.ts';
import tracer from '../../src/stages/ansible/tracer.py';
import type { Seen } from './strace.ts';

/** Every Python of this host by its version, `3.11`. */
export function pythons(): ReadonlyMap<string, string> {
  const versions = join(homedir(), '.pyenv/versions');
  const places = [
    '/usr/bin/python3',
    ...(existsSync(versions) ? readdirSync(versions).map((name) => join(versions, name, 'bin/python')) : []),
    ...[...Array(15).keys()].map((minor) => `/usr/local/bin/python3.${minor}`),
  ];
  const asked = 'import sys; print("%d.%d" % sys.version_info[:2])';
  const found = new Map<string, string>();
  for (const place of places.filter(existsSync)) {
    const version = execFileSync(place, ['-c', asked], { encoding: 'utf8' }).trim();
    if (!found.has(version)) found.set(version, place);
  }
  return found;
}

/** Puts the tracer into a directory; gives its log and the environment in which Pythons tell. */
export function placeTracer(directory: string): { readonly log: string; readonly env: NodeJS.ProcessEnv } {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'sitecustomize.py'), tracer);
  return { log: join(directory, 'log'), env: { PYTHONPATH: directory, PYTHONDONTWRITEBYTECODE: '1' } };
}

/** What strace saw and the trace does not answer, below a directory: a line for each, in order. */
export function unanswered(trace: Trace, seen: readonly Seen[], directory: string): readonly string[] {
  const listed = new Set(
    [...trace.lookups].filter(([, { list }]) => list).flatMap(([path]) => [path, ...realPath(path)]),
  );
  const isAnswered = ({ way, path: raw }: Seen): boolean => {
    const path = plain(raw);
    const asks = trace.lookups.get(path);
    // An entry of a listing is asked what its link leads to: that is in the answer to the listing.
    const parent = posix.dirname(path);
    const isEntry = [parent, ...realPath(parent)].some((directory) => listed.has(directory));
    if (way === 'list') return listed.has(path);
    if (way === 'enter') return asks !== undefined && (asks.list || asks.open || asks.stat);
    if (way === 'stat') return asks?.stat === true || isEntry;
    if (way === 'lstat') return asks?.link === true || isEntry;
    if (way === 'write') return trace.wrote.includes(path) && asks?.stat === true;
    return asks?.[way] === true;
  };
  const missed = seen
    .filter(({ path }) => path === directory || path.startsWith(`${directory}/`))
    .filter(({ path }) => !/\/__pycache__|\.ansible_lockfile$/.test(path))
    .filter((each) => !isAnswered(each))
    .map(
      ({ way, path, image }) =>
        `${posix.basename(image.program)}: ${way} ${path.slice(directory.length + 1)}`,
    );
  return [...new Set(missed)].sort();
}

function realPath(path: string): readonly string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}

function plain(path: string): string {
  return path.replace(/\/(?:\.?\/)+/g, '/').replace(/\/\.?$/, '') || '/';
}
