/** Reads what the tracer wrote while ansible-playbook ran: which paths were asked for, and how. See tracer.py for the records. */
import { posix } from 'node:path';
import { type Asks, isOfKernel, moreAsks } from '../../model/observation.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { type Child, childrenReads } from './children.ts';

export interface Trace {
  /** By path: absolute, with each `..` where it was. */
  readonly lookups: ReadonlyMap<string, Asks>;
  /** Paths that were written, made, renamed or removed. */
  readonly wrote: readonly string[];
  /** Commands, for people to read, of which nobody knows what they read; none when the whole run was traced. */
  readonly untraced: readonly string[];
}

export interface TraceOptions {
  /** Absolute directories in which nothing counts that was asked for. */
  readonly ignored: readonly string[];
}

/** Files that come and go with a run and decide nothing. */
const NOISE = [
  /\/\.ansible\/cp(?:\/|$)/,
  /\.ansible_lockfile$/,
  /^\/usr(?:\/local)?\/(?:share|lib)\/locale(?:-langpack)?(?:\/|$)/,
  /^\/(?:usr|usr\/local|opt\/local)\/(?:bin|games)\/cowsay$/,
];
const PLAYBOOK = 'ansible-playbook';
const NOTHING: Asks = { open: false, stat: false, link: false, list: false };
/** A write tells whether something was there. */
const ASKED: { readonly [kind: string]: Asks } = {
  r: { ...NOTHING, open: true },
  s: { ...NOTHING, stat: true },
  k: { ...NOTHING, link: true },
  l: { ...NOTHING, list: true },
  w: { ...NOTHING, stat: true },
};
/** More links than this the system does not follow. */
const FOLLOWED_LINKS = 40;
/** More paths than this from links that a run itself made are no sign of a playbook, but of links in a circle. */
const FOLLOWED_PATHS = 20_000;

/** What was said, in the order of the lines. */
interface Told {
  readonly lookups: Map<string, Asks>;
  readonly wrote: Set<string>;
  /** Where that is from which came to a path during the run, by path. */
  readonly sources: Map<string, Set<string>>;
  readonly children: Child[];
  /** Command lines of the processes that told, the first one's apart. */
  readonly spoken: (readonly string[])[];
}

/** The trace; fails, with a sentence, when it does not tell everything that Python read. */
export function readTrace(text: string, options: TraceOptions): Result<Trace, string> {
  const lines = text.split('\n');
  if (lines.pop() !== '') return fail('The last line of the trace is cut.');
  const told: Told = {
    lookups: new Map(),
    wrote: new Set(),
    sources: new Map(),
    children: [],
    spoken: [],
  };
  for (const [index, line] of lines.entries()) {
    const problem = take(told, parsed(line));
    if (problem !== null)
      return fail(problem === '' ? `Line ${index + 1} of the trace is unreadable.` : problem);
  }
  const [main] = told.spoken;
  if (!lines[0]?.startsWith('["p",') || !main?.some((word) => posix.basename(word) === PLAYBOOK))
    return fail(`${PLAYBOOK} did not tell what it read: its Python has not loaded the tracer.`);
  const children = childrenReads(told.children, told.spoken.slice(1));
  for (const path of children.opened) ask(told.lookups, path, ASKED['r'] ?? NOTHING);
  if (!follow(told)) return fail('The run made links that lead in circles.');
  return counted(told, children.untraced, options);
}

function parsed(line: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(line);
    return Array.isArray(value) ? (value as readonly unknown[]) : [];
  } catch {
    return [];
  }
}

/** Takes one record; gives what is wrong with it, an empty text when it is none, or null. */
function take(told: Told, record: readonly unknown[]): string | null {
  const [kind, first, second, third] = record;
  switch (kind) {
    case 'p':
      if (record.length !== 4 || typeof first !== 'number' || !areTexts(second) || !isPath(third)) return '';
      told.spoken.push(second);
      return null;
    case 'e':
      if (record.length !== 4 || !areTexts(first) || typeof second !== 'string' || typeof third !== 'string')
        return '';
      told.children.push({ argv: first, cwd: second, program: third });
      return null;
    case 'm': {
      if (record.length !== 3 || !isPath(first) || !isPath(second)) return '';
      const [from, to] = [plain(first), plain(second)];
      told.sources.set(to, (told.sources.get(to) ?? new Set()).add(from));
      return null;
    }
    case '!':
      return record.length === 2 && typeof first === 'string' ? `The tracer had trouble: ${first}.` : '';
    default:
      return typeof kind === 'string' && record.length === 2 && isPath(first)
        ? takeAsked(told, kind, first)
        : '';
  }
}

function takeAsked(told: Told, kind: string, path: string): string | null {
  const asks = Object.hasOwn(ASKED, kind) ? ASKED[kind] : undefined;
  if (!asks) return '';
  // With a slash at its end, a link is followed.
  ask(told.lookups, path, kind === 'k' && /\/\.?$/.test(path) ? { ...asks, stat: true } : asks);
  if (kind === 'w') told.wrote.add(plain(path));
  return null;
}

function ask(lookups: Map<string, Asks>, path: string, asks: Asks): boolean {
  const key = plain(path);
  const before = lookups.get(key) ?? NOTHING;
  const after = moreAsks(before, asks);
  lookups.set(key, after);
  return JSON.stringify(before) !== JSON.stringify(after);
}

/** What was asked of a path that the run itself moved or linked there was asked of the place it came from, too. */
function follow(told: Told): boolean {
  const longest = told.sources.size + FOLLOWED_LINKS;
  const left = [...told.lookups].map(([path, asks]) => ({ path, asks, steps: 0 }));
  let count = 0;
  for (let next = left.pop(); next; next = left.pop()) {
    const { path, asks, steps } = next;
    for (const origin of steps > longest ? [] : originsOf(path, told.sources)) {
      count += 1;
      if (count > FOLLOWED_PATHS) return false;
      if (ask(told.lookups, origin, asks)) left.push({ path: origin, asks, steps: steps + 1 });
    }
  }
  return true;
}

/** Where that may come from which is at a path: something moved or linked there, or to a directory above. */
function originsOf(path: string, sources: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const origins: string[] = [];
  if (sources.size === 0) return origins;
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
    for (const source of sources.get(path.slice(0, end)) ?? []) origins.push(plain(source + path.slice(end)));
  return origins;
}

/** Leaves out what does not count. */
function counted(told: Told, untraced: readonly string[], { ignored }: TraceOptions): Result<Trace, string> {
  const places = ignored.map(plain);
  const counts = (path: string): boolean => {
    const place = plain(posix.normalize(path));
    return (
      !isOfKernel(place) &&
      !NOISE.some((noise) => noise.test(place)) &&
      !places.some((directory) => place === directory || place.startsWith(`${directory}/`))
    );
  };
  const lookups = new Map([...told.lookups].filter(([path]) => counts(path)));
  const wrote = [...told.wrote].filter(counts);
  const unknown = [...lookups.keys(), ...wrote].find((path) => /\p{Surrogate}/u.test(path));
  if (unknown !== undefined)
    return fail(`A name that is no UTF-8 was asked for: ${JSON.stringify(unknown)}.`);
  return ok({ lookups, wrote, untraced });
}

/** The same path without what has no meaning in it: `//`, `/./`, and a slash at its end. A `..` has one. */
function plain(path: string): string {
  return path.replace(/\/(?:\.?\/)+/g, '/').replace(/\/\.?$/, '') || '/';
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/');
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
