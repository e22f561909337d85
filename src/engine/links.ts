/**
 * What links among the inputs lead to: a stage reads nothing through a link that is not hashed. See docs/design/fingerprint.md.
 *
 * A link to what the action declares anyway stays a link. Another relative link would lead elsewhere from a workspace: what it
 * leads to takes its place. An absolute link stays, and what it leads to is an input under its own absolute path.
 */
import type { Files, Stamp } from '../host/host.ts';
import { everyFileBelow } from './inputs.ts';
import type { LinkEnd } from './link-end.ts';
import type { Looks } from './looks.ts';

/** Why a link cannot be an input. */
export type LinkProblem =
  /** Relative, out of the pipeline's directory, to where nothing is: from a workspace it might lead to something. */
  | 'nothing-there'
  /** To a directory that holds the pipeline, or the link itself. */
  | 'holds-the-link'
  | 'too-many-files';

export interface LinkTrouble {
  readonly path: string;
  readonly target: string;
  readonly problem: LinkProblem;
}

/** Declared files and all that their links lead to. */
export interface Linked {
  /** Path in the workspace → stamp of what lies there: a file, or a link that stays. An absolute path is read where it is. */
  readonly files: Map<string, Stamp>;
  /** Where the content of a path lies that is not where it is named. */
  readonly places: Map<string, string>;
  /** Absolute paths of links and of absences on the way: should one change, another file would be read. */
  readonly passed: Map<string, Stamp | null>;
  readonly troubles: LinkTrouble[];
  readonly unreadable: { readonly path: string; readonly errno: string }[];
  /** Neither file nor directory. */
  readonly special: string[];
}

/** So many files may one action read through links: a link to `/usr` is a mistake. */
const MOST_LINKED = 100_000;
/** Nothing can be read from it, and what is linked to it is meant to be nothing: as systemd masks a unit. */
const NOTHING = '/dev/null';

/** A directory that is one in the workspace, and what lies there of it. */
interface Mapping {
  /** Path in the workspace, empty for the workspace itself. */
  readonly at: string;
  /** Real absolute path. */
  readonly place: string;
  readonly isStaged: (relative: string) => boolean;
  /** Real directories that are being looked through. */
  readonly within: readonly string[];
}

/** Whether any of the files is a link: most often none is, and nothing has to be done. */
export function hasLinks(files: ReadonlyMap<string, Stamp>): boolean {
  for (const stamp of files.values()) if (stamp.type === 'link') return true;
  return false;
}

/** `asFiles` are those that an option names: they count by the file they lead to. `isExcluded` holds for what a link brings. */
export function followLinks(
  files: ReadonlyMap<string, Stamp>,
  by: {
    readonly files: Files;
    readonly looks: Looks;
    readonly asFiles: ReadonlySet<string>;
    readonly isExcluded: (path: string) => boolean;
    /** Whether the action runs where its links are. */
    readonly inPlace: boolean;
    /** Directories that are there too, whatever is in them. */
    readonly directories?: ReadonlySet<string>;
  },
): Linked {
  const links = new Links(by);
  links.followAll(files);
  return links.linked;
}

class Links {
  readonly linked: Linked = {
    files: new Map(),
    places: new Map(),
    passed: new Map(),
    troubles: [],
    unreadable: [],
    special: [],
  };
  readonly #by: Parameters<typeof followLinks>[1];
  readonly #read = new Set<string>();
  #added = 0;

  constructor(by: Parameters<typeof followLinks>[1]) {
    this.#by = by;
  }

  followAll(declared: ReadonlyMap<string, Stamp>): void {
    const { looks, asFiles } = this.#by;
    const directories = directoriesOf(declared.keys());
    const mapping: Mapping = {
      at: '',
      place: this.#by.files.realPath(looks.root) ?? looks.root,
      isStaged: (path) =>
        declared.has(path) || directories.has(path) || this.#by.directories?.has(path) === true,
      within: [],
    };
    for (const [path, stamp] of declared) {
      if (stamp.type === 'link') {
        const how = asFiles.has(path) ? 'file' : directories.has(path) ? 'follow' : 'any';
        this.#meet(path, looks.absolute(path), mapping, how);
      } else if (!this.linked.files.has(path)) this.linked.files.set(path, stamp);
    }
  }

  #meet(path: string, link: string, mapping: Mapping, how: 'file' | 'follow' | 'any'): void {
    if (mapping.at !== '' && this.#by.isExcluded(path)) return;
    const { linked } = this;
    const { files } = this.#by;
    const text = files.readLink(link);
    const end = this.#endOf(link);
    const stamp = files.stamp(link);
    if (!text.ok) linked.unreadable.push({ path, errno: text.failure.errno });
    else if (end.type === 'unknown') linked.unreadable.push({ path, errno: end.errno });
    else if (end.type === 'nowhere') this.#toNowhere(path, text.value, stamp);
    else if (how === 'file' && end.stamp.type !== 'file') linked.special.push(path);
    else if (how === 'any' && (text.value.startsWith('/') || staysWithin(end, path, text.value, mapping))) {
      if (stamp !== null) linked.files.set(path, stamp);
      if (text.value.startsWith('/')) this.#readThere(path, end, mapping.within);
    } else this.#replace(path, text.value, end, mapping);
  }

  #toNowhere(path: string, text: string, stamp: Stamp | null): void {
    if (stamp === null) return;
    if (!this.#by.inPlace && leavesTop(path, text))
      this.linked.troubles.push({ path, target: text, problem: 'nothing-there' });
    else this.linked.files.set(path, stamp);
  }

  /** What a link leads to takes its place. */
  #replace(path: string, target: string, { place, stamp }: Found, { within }: Mapping): void {
    if (stamp.type === 'file') this.#add(path, place, stamp, target);
    else if (stamp.type !== 'directory') this.linked.special.push(path);
    else if (this.#holds(place, within))
      this.linked.troubles.push({ path, target, problem: 'holds-the-link' });
    else this.#replaceDirectory(path, target, place, within);
  }

  #replaceDirectory(path: string, target: string, place: string, within: readonly string[]): void {
    const below = this.#below(path, place, target);
    const directories = directoriesOf(below.keys());
    const mapping: Mapping = {
      at: path,
      place,
      isStaged: (relative) => below.has(relative) || directories.has(relative),
      within: [...within, place],
    };
    for (const [relative, found] of below) {
      const at = `${path}/${relative}`;
      if (found.type === 'link') this.#meet(at, `${place}/${relative}`, mapping, 'any');
      else this.#add(at, `${place}/${relative}`, found, target);
    }
  }

  /** What an absolute link leads to is read where it is. */
  #readThere(path: string, { place, stamp }: Found, within: readonly string[]): void {
    if (place === NOTHING || this.#read.has(place)) return;
    this.#read.add(place);
    if (stamp.type === 'file') this.#add(place, place, stamp, place);
    else if (stamp.type !== 'directory') this.linked.special.push(path);
    else if (this.#holds(place, within))
      this.linked.troubles.push({ path, target: place, problem: 'holds-the-link' });
    else this.#readDirectory(path, place, within);
  }

  #readDirectory(path: string, place: string, within: readonly string[]): void {
    const { linked } = this;
    for (const [relative, found] of this.#below(path, place, place)) {
      const own = `${place}/${relative}`;
      if (found.type !== 'link') {
        this.#add(own, own, found, place);
        continue;
      }
      linked.files.set(own, found);
      linked.places.set(own, own);
      const end = this.#endOf(own);
      if (end.type === 'unknown') linked.unreadable.push({ path: own, errno: end.errno });
      else if (end.type === 'found' && !isBelow(end.place, place))
        this.#readThere(path, end, [...within, place]);
    }
  }

  #below(path: string, place: string, target: string): ReadonlyMap<string, Stamp> {
    const found = everyFileBelow(place, this.#by.looks, {
      trouble: (where, errno) => this.linked.unreadable.push({ path: where, errno }),
      most: MOST_LINKED - this.#added,
    });
    if (found === null) {
      this.linked.troubles.push({ path, target, problem: 'too-many-files' });
      return new Map();
    }
    return found;
  }

  #add(path: string, place: string, stamp: Stamp, target: string): void {
    // What is read where it lies is there, excluded or not.
    if (!path.startsWith('/') && this.#by.isExcluded(path)) return;
    this.#added += 1;
    if (this.#added === MOST_LINKED + 1)
      this.linked.troubles.push({ path, target, problem: 'too-many-files' });
    this.linked.files.set(path, stamp);
    this.linked.places.set(path, place);
  }

  /** Whether a directory holds the checkout, or one that is being looked through: what is in it would be without end. */
  #holds(place: string, within: readonly string[]): boolean {
    const root = this.#by.files.realPath(this.#by.looks.root) ?? this.#by.looks.root;
    return [root, ...within].some((inner) => isBelow(inner, place));
  }

  /** Where a link leads; what is on the way is looked at again when the stage has ended. */
  #endOf(link: string): LinkEnd {
    return this.#by.looks.endOf(link, (place, stamp) => this.linked.passed.set(place, stamp));
  }
}

type Found = Extract<LinkEnd, { type: 'found' }>;

/** Whether a relative link leads to the same in the workspace as where it is: over nothing but what lies in both. */
function staysWithin(end: Found, path: string, text: string, { at, place, isStaged }: Mapping): boolean {
  const inside = at === '' ? path : path.slice(at.length + 1);
  // The link itself must lie where it is named, and its text must not lead over what is above.
  if (end.passed[0] !== `${place}/${inside}` || leavesTop(inside, text)) return false;
  return [...end.passed, end.place].every((one) => {
    if (one === place) return true;
    return isBelow(one, place) && isStaged(one.slice(place.length + 1));
  });
}

/** Whether a relative link at `path` leads above the top at any step. */
function leavesTop(path: string, text: string): boolean {
  if (text.startsWith('/')) return false;
  let depth = path.split('/').length - 1;
  for (const name of text.split('/')) {
    if (name === '..') depth -= 1;
    else if (name !== '' && name !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

/** Whether a path is a directory or lies in it. */
function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/** Every directory above relative paths; the empty text stands for the top. */
export function directoriesOf(paths: Iterable<string>): ReadonlySet<string> {
  const directories = new Set<string>(['']);
  for (const path of paths) {
    if (path.startsWith('/')) continue;
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const directory = path.slice(0, end);
      if (directories.has(directory)) break;
      directories.add(directory);
    }
  }
  return directories;
}
