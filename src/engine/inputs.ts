/** Which files of the checkout a list of patterns names: files and links, each with the stamp it had when it was found. */
import type { Stamp } from '../host/host.ts';
import { byCodeUnit } from '../model/json.ts';
import { suggest } from '../model/suggest.ts';
import type { Looks } from './looks.ts';
import type { Pattern, Segment } from './patterns.ts';
import { asksForHidden, matchesPattern, matchesSegment, parsePattern } from './patterns.ts';

export interface FoundInputs {
  /** Relative path → stamp, sorted by path; only files and links. */
  readonly files: ReadonlyMap<string, Stamp>;
  /** Patterns that match nothing, as written. */
  readonly unmatched: readonly string[];
  /** Named outright, but neither file, directory nor link. */
  readonly special: readonly string[];
  /** What could not be looked at: as far as it goes, nobody knows what a pattern names. */
  readonly unreadable: readonly Unreadable[];
  /** Patterns that stand for too much. */
  readonly excessive: readonly { readonly pattern: string; readonly problem: Excess }[];
}

export type Excess = NonNullable<Pattern['problem']> | 'too-many-files';

/** So much that only a mistake finds it: `**` in a checkout that holds everything. Looking at more would take longer than anybody waits. */
const MOST_FILES = 1_000_000;

/** A path that cannot be looked at, or a directory that cannot be listed, and the system's reason. */
export interface Unreadable {
  readonly path: string;
  readonly errno: string;
}

/** Hears of a file or link, by its relative path, at the moment when it is found. */
export type FoundListener = (path: string, stamp: Stamp) => void;

/**
 * Finds what patterns name, in order: a later `!` takes away what earlier ones found. A directory means everything below
 * it. Hidden names count when they are named or are below a directory that is; `.git`, the cache directory and what the
 * pipeline places are never found by a wildcard. `tell` hears of each at once, unless it will be taken away: of some twice.
 */
export function findInputs(
  entries: readonly string[],
  looks: Looks,
  tell: FoundListener = () => undefined,
): FoundInputs {
  let found = new Map<string, Stamp>();
  const unmatched: string[] = [];
  const special: string[] = [];
  const unreadable = new Map<string, Unreadable>();
  const parsed = entries.map(parsePattern);
  const excessive: { pattern: string; problem: Excess }[] = parsed.flatMap(({ text, problem }) =>
    problem === null ? [] : [{ pattern: text, problem }],
  );
  const patterns = parsed.filter(({ problem }) => problem === null);
  for (const [at, pattern] of patterns.entries()) {
    if (pattern.excludes) {
      for (const path of [...found.keys()]) if (matchesPattern(pattern, path)) found.delete(path);
      continue;
    }
    const exclusions = patterns.slice(at + 1).filter(({ excludes }) => excludes);
    const isExcluded = (path: string) => exclusions.some((exclusion) => matchesPattern(exclusion, path));
    const before = unreadable.size;
    const matched = matchedBy(pattern, looks, {
      tell(path, stamp) {
        if (!isExcluded(path)) tell(path, stamp);
      },
      trouble(path, errno) {
        const own = named(path, looks);
        if (!isExcluded(own)) unreadable.set(own, { path: own, errno });
      },
    });
    if (matched.size > MOST_FILES) excessive.push({ pattern: pattern.text, problem: 'too-many-files' });
    if (matched.size === 0 && unreadable.size === before)
      (isSpecial(pattern, looks) ? special : unmatched).push(pattern.text);
    found = found.size === 0 ? matched : new Map([...found, ...matched]);
  }
  return { files: sortedByPath(found), unmatched, special, unreadable: [...unreadable.values()], excessive };
}

function isSpecial(pattern: Pattern, looks: Looks): boolean {
  return pattern.literal && looks.stamp(literalPath(pattern))?.type === 'other';
}

/** By path; a list that is in order stays as it is. */
export function sortedByPath<T>(files: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  let before = '';
  for (const path of files.keys()) {
    if (path < before) return new Map([...files].sort(([a], [b]) => byCodeUnit(a, b)));
    before = path;
  }
  return files;
}

function literalPath(pattern: Pattern): string {
  return (pattern.alternatives[0] ?? []).map((part) => (part.type === 'name' ? part.name : '')).join('/');
}

/** Relative to the pipeline's directory where it lies below that. */
function named(place: string, looks: Looks): string {
  return place.startsWith(`${looks.root}/`) ? place.slice(looks.root.length + 1) : place;
}

function matchedBy(
  pattern: Pattern,
  looks: Looks,
  hears: Pick<Search, 'tell' | 'trouble'>,
): Map<string, Stamp> {
  const matched = new Map<string, Stamp>();
  for (const segments of pattern.alternatives) {
    const hidden = segments[0]?.type === 'name';
    const forks = segments.filter(({ type }) => type === 'any-depth').length;
    const been = forks > 1 ? new Set<string>() : null;
    descend('', segments, 0, { looks, matched, hidden, been, whole: new Set(), most: MOST_FILES, ...hears });
  }
  return matched;
}

interface Search {
  readonly looks: Looks;
  readonly matched: Map<string, Stamp>;
  /** Whether wildcards match hidden names: they do below a directory that the pattern names. */
  readonly hidden: boolean;
  /** Where the search has been with which segment, if it could come there on several ways. */
  readonly been: Set<string> | null;
  /** Directories of which all is found. */
  readonly whole: Set<string>;
  /** One file more, and the search is given up. */
  readonly most: number;
  readonly tell: FoundListener;
  /** Hears of what cannot be looked at. */
  readonly trouble: (path: string, errno: string) => void;
}

/** Names in a directory; that they are not all is told. */
function namesIn(directory: string, { looks, trouble }: Search): readonly string[] {
  const names = looks.list(directory);
  const failure = looks.listTrouble(directory);
  // Of a name that is no UTF-8 the path is that name's own.
  if (failure !== null) trouble(failure.path, failure.errno);
  return names;
}

/** The stamp of what there is; null for what is not, and for what cannot be looked at, which is told. */
function seenAt(path: string, { looks, trouble }: Search): Stamp | null {
  const stamp = looks.stamp(path);
  if (stamp?.type !== 'unknown') return stamp;
  trouble(path, stamp.errno ?? '');
  return null;
}

function descend(directory: string, segments: readonly Segment[], at: number, search: Search): void {
  const segment = segments[at];
  if (segment === undefined) {
    everythingBelow(directory, search);
    return;
  }
  if (hasBeen(search.been, `${at}:${directory}`)) return;
  if (segment.type === 'name') {
    meet(join(directory, segment.name), segments, at + 1, search);
    return;
  }
  for (const name of namesIn(directory, search)) {
    if (name.startsWith('.') && !search.hidden && !asksForHidden(segment)) continue;
    const path = join(directory, name);
    if (segment.type === 'any-depth') {
      const stamp = seenAt(path, search);
      if (stamp?.type === 'directory') descend(path, segments, at, search);
      else if (stamp !== null && at + 1 === segments.length) match(path, stamp, search);
    } else if (matchesSegment(segment, name)) meet(path, segments, at + 1, search);
  }
  if (segment.type === 'any-depth' && at + 1 < segments.length) descend(directory, segments, at + 1, search);
}

/** Whether the search has been here before, which it keeps in mind. */
function hasBeen(been: Set<string> | null, here: string): boolean {
  if (been === null) return false;
  const before = been.size;
  return been.add(here).size === before;
}

/** A path that matched so far: it is an input if nothing more is asked, else the search goes on below it. */
function meet(path: string, segments: readonly Segment[], next: number, search: Search): void {
  const stamp = seenAt(path, search);
  if (stamp === null) return;
  if (stamp.type === 'directory') descend(path, segments, next, search);
  else if (next === segments.length) match(path, stamp, search);
  else if (stamp.type === 'link' && leadsToDirectory(path, search)) descend(path, segments, next, search);
}

/** Of a link that a path goes through. */
function leadsToDirectory(path: string, { looks, trouble }: Search): boolean {
  const end = looks.endOf(looks.absolute(path));
  if (end.type === 'unknown') trouble(path, end.errno);
  if (end.type !== 'found' || end.stamp.type !== 'directory') return false;
  looks.add(end.place, end.stamp);
  return true;
}

function match(path: string, stamp: Stamp, { matched, most, tell }: Search): void {
  if (stamp.type === 'other' || matched.size > most) return;
  matched.set(path, stamp);
  tell(path, stamp);
}

function everythingBelow(directory: string, search: Search): void {
  if (search.whole.has(directory) || search.matched.size > search.most) return;
  search.whole.add(directory);
  for (const name of namesIn(directory, search)) {
    const path = join(directory, name);
    const stamp = seenAt(path, search);
    if (stamp === null) continue;
    if (stamp.type === 'directory') everythingBelow(path, search);
    else match(path, stamp, search);
  }
}

function join(directory: string, name: string): string {
  return directory === '' || directory === '/' ? directory + name : `${directory}/${name}`;
}

/**
 * All files and links below a directory anywhere, by their path from there, sorted; hidden ones too. Null when they are more
 * than `most`.
 */
export function everyFileBelow(
  place: string,
  looks: Looks,
  by: { readonly trouble: (path: string, errno: string) => void; readonly most: number },
): ReadonlyMap<string, Stamp> | null {
  const below = new Map<string, Stamp>();
  const directory = place === looks.root ? '' : named(place, looks);
  const matched = new Map<string, Stamp>();
  const nothing = () => undefined;
  const { most, trouble } = by;
  everythingBelow(directory, {
    looks,
    matched,
    hidden: true,
    been: null,
    whole: new Set(),
    most,
    tell: nothing,
    trouble,
  });
  if (matched.size > most) return null;
  const start = directory === '' ? 0 : directory === '/' ? 1 : directory.length + 1;
  for (const [path, stamp] of matched) below.set(path.slice(start), stamp);
  return sortedByPath(below);
}

/** One path without wildcards: a file, a link, or everything below a directory. */
export function findPath(
  path: string,
  looks: Looks,
  trouble: (path: string, errno: string) => void = () => undefined,
): ReadonlyMap<string, Stamp> {
  const segments = path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((name): Segment => ({ type: 'name', name }));
  const matched = new Map<string, Stamp>();
  const [been, whole, most, tell] = [null, new Set<string>(), MOST_FILES, () => undefined];
  descend('', segments, 0, { looks, matched, hidden: true, been, whole, most, tell, trouble });
  return matched;
}

/** Names of files near to a path that does not exist: what could have been meant. */
export function nearestTo(path: string, looks: Looks): readonly string[] {
  const slash = path.lastIndexOf('/');
  const directory = slash < 0 ? '' : path.slice(0, slash);
  if (/[*?[{]/.test(path) || looks.stamp(directory)?.type !== 'directory') return [];
  const near = suggest(path.slice(slash + 1), looks.list(directory));
  return near === null ? [] : [join(directory, near)];
}

/** Whether any exclusion among the entries of `inputs` takes a path away. */
export function excludedBy(entries: readonly string[]): (path: string) => boolean {
  const exclusions = entries.map(parsePattern).filter(({ excludes }) => excludes);
  return (path) => exclusions.some((exclusion) => matchesPattern(exclusion, path));
}
