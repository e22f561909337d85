/** Remembers every look at the checkout, with the answer, so that the next run can tell by stamps alone whether any would differ. */
import type { Files, Names, Stamp } from '../host/host.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { type LinkEnd, linkEnd } from './link-end.ts';

/** Wildcards never match these, wherever they are. */
const NEVER = '.git';

/** An action that looked at more is looked at anew by every run: the hash memo is made for that. */
export const MOST_LOOKS = 1_000;

/** What one command knows of a checkout. */
interface Known {
  readonly files: Files;
  readonly apart: ReadonlySet<string>;
  /** The directories in which those lie: in all others no name has to be looked for. */
  readonly besideApart: ReadonlySet<string>;
  /** By the path from the root where it is below that: the very text that an input is found by is hashed once and kept once. */
  readonly seen: Map<string, Stamp | null>;
  readonly lists: Map<string, readonly string[]>;
  /** Directories whose names are not all known. */
  readonly troubles: Map<string, HostFailure>;
}

export class Looks {
  readonly root: string;
  readonly #known: Known;
  readonly #noted = new Set<string>();
  readonly #most: number;

  /** `apart` holds relative paths that wildcards do not enter: the cache directory and what the pipeline places. */
  constructor(files: Files, root: string, apart: Iterable<string>, known?: Known, most = Infinity) {
    this.root = root;
    this.#known = known ?? knowNothing(files, apart);
    this.#most = most;
  }

  absolute(path: string): string {
    return path === '' || path === '.' ? this.root : path.startsWith('/') ? path : `${this.root}/${path}`;
  }

  /** The stamp of a path, relative to the pipeline's directory or absolute; the first answer is the one remembered. */
  stamp(path: string): Stamp | null {
    const place = this.absolute(path);
    const stamp = this.#known.files.stamp(place);
    this.#note(place);
    const key = path.startsWith('/') || place === this.root ? this.#keyOf(place) : path;
    if (!this.#known.seen.has(key)) this.#known.seen.set(key, stamp);
    return stamp;
  }

  /** The same looks for one who notes for itself what it asked for: `most` and one more, which says that there were too many. */
  noting(most = Infinity): Looks {
    return new Looks(this.#known.files, this.root, [], this.#known, most);
  }

  /** Looks that know nothing yet of the same checkout. */
  anew(): Looks {
    return new Looks(this.#known.files, this.root, this.#known.apart);
  }

  #note(place: string): void {
    if (this.#noted.size <= this.#most) this.#noted.add(place);
  }

  /** Absolute paths of what was asked for or added here, and not through one that notes for itself. */
  noted(): ReadonlySet<string> {
    return this.#noted;
  }

  /** Names in a directory, without what wildcards never match. Read once in a run. */
  list(directory: string): readonly string[] {
    const known = this.#known.lists.get(directory);
    if (known !== undefined) {
      this.#note(this.absolute(directory));
      return known;
    }
    const { names, trouble } = this.listNow(directory);
    if (trouble !== null) this.#known.troubles.set(directory, trouble);
    this.#known.lists.set(directory, names);
    return names;
  }

  /** The same as they are at this moment. */
  listNow(directory: string): Names {
    this.stamp(directory);
    const { names, trouble } = this.#known.files.list(this.absolute(directory));
    const within = directory === '.' ? '' : directory;
    const prefix = within === '' ? '' : `${within}/`;
    const isNextToApart = this.#known.besideApart.has(within);
    const shown = names.filter((name) => name !== NEVER && !(isNextToApart && this.isApart(prefix + name)));
    return { names: shown, trouble };
  }

  /** Whether a path is one that wildcards do not enter; those below it are not asked for. */
  isApart(path: string): boolean {
    return this.#known.apart.has(path);
  }

  /** Why `list` may not have given all names of a directory; null when it has. */
  listTrouble(directory: string): HostFailure | null {
    return this.#known.troubles.get(directory) ?? null;
  }

  /** Where a link at an absolute path leads; everything on the way counts as looked at. */
  endOf(link: string, meets: (place: string, stamp: Stamp | null) => void = () => undefined): LinkEnd {
    const end = linkEnd(this.#known.files, link, (place, stamp) => {
      this.add(place, stamp);
      meets(place, stamp);
    });
    // A directory counts by what is looked for in it.
    if (end.type === 'found' && end.stamp.type !== 'directory') this.add(end.place, end.stamp);
    return end;
  }

  /** Adds what was looked at elsewhere: a tool's binary, a file of variables. */
  add(place: string, stamp: Stamp | null): void {
    this.#note(place);
    const key = this.#keyOf(place);
    if (!this.#known.seen.has(key)) this.#known.seen.set(key, stamp);
  }

  #keyOf(place: string): string {
    return place.startsWith(`${this.root}/`) ? place.slice(this.root.length + 1) : place;
  }

  /** Every absolute path looked at, with its stamp at that moment. */
  all(): ReadonlyMap<string, Stamp | null> {
    const all = new Map<string, Stamp | null>();
    for (const [key, stamp] of this.#known.seen) all.set(this.absolute(key), stamp);
    return all;
  }
}

function knowNothing(files: Files, apart: Iterable<string>): Known {
  const set = new Set(apart);
  const parents = [...set].map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/'))));
  return {
    files,
    apart: set,
    besideApart: new Set(parents),
    seen: new Map(),
    lists: new Map(),
    troubles: new Map(),
  };
}
