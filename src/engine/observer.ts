/** Answers what was asked of paths, by the checkout and the host as they are now: the same questions of the same files give the same answers. */
import type { Cache } from '../cache/cache.ts';
import type { Host, Stamp } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { canonicalJson } from '../model/json.ts';
import {
  type Asks,
  entryOf,
  isOfKernel,
  MOST_NAMES,
  type Observation,
  type SeenKind,
} from '../model/observation.ts';
import { ok, type Result } from '../model/result.ts';
import { EXECUTABLE } from './fingerprint.ts';
import type { Looks } from './looks.ts';

/** Links on the way of one path, as the kernel counts them. */
const MOST_LINKS = 40;

/** The end of a path. */
interface Spot {
  /** Absolute, without links; null where nothing is. */
  readonly place: string | null;
  readonly stamp: Stamp | null;
  /** Absolute paths of the links on the way. */
  readonly passed: readonly string[];
}

/** A path in the terms of a trace. */
export interface Located {
  /**
   * Relative to the pipeline's directory, `.` for itself; absolute outside of it. No directory on the way is a link, as far
   * as there are directories.
   */
  readonly key: string;
  /** The links on the way, in the same terms: had one led elsewhere, another path would have been asked for. */
  readonly links: readonly string[];
}

/** What was seen of a path, but for the digest of its content. */
interface Seen {
  readonly observation: Observation;
  /** The file whose content is asked for. */
  readonly content: { readonly place: string; readonly stamp: Stamp } | null;
}

/** Knows what it has seen once: made anew for every moment that is looked at. */
export class Observer {
  readonly #by: { readonly host: Host; readonly cache: Pick<Cache, 'digestsOf'>; readonly looks: Looks };
  /** Of the pipeline's directory, without links. */
  readonly #root: string;
  readonly #isHidden: (path: string) => boolean;
  /** Directories of which not all names were given. */
  readonly shortened = new Set<string>();
  readonly #spots = new Map<string, Spot>();

  /** `isHidden`: names that no listing gives, by their path from the pipeline's directory. All that is looked at is noted in `looks`. */
  constructor(
    by: { readonly host: Host; readonly cache: Pick<Cache, 'digestsOf'>; readonly looks: Looks },
    isHidden: (path: string) => boolean = () => false,
  ) {
    this.#by = by;
    this.#root = by.host.files.realPath(by.looks.root) ?? by.looks.root;
    this.#isHidden = isHidden;
  }

  /** An absolute path, as a process said it, in the terms of a trace. */
  locate(path: string): Located {
    const { parent, name } = split(path);
    if (name === '') return { key: this.#keyOf(path), links: [] };
    const within = this.#follow(parent);
    const links = within.passed.map((place) => this.#keyOf(place));
    if (within.stamp?.type === 'directory' && within.place !== null) {
      const place = name === '..' ? split(within.place).parent : join(within.place, name);
      return { key: this.#keyOf(place), links };
    }
    // Nothing can be found there before something is found above it.
    const above = this.locate(parent);
    const key = name === '..' ? above.key : `${above.key}/${name}`;
    return { key, links: [...above.links, ...links] };
  }

  /** The answers to all that is asked; a failure where the content of a file cannot be read. */
  async observe(
    asked: ReadonlyMap<string, Asks>,
  ): Promise<Result<ReadonlyMap<string, Observation>, Failure>> {
    const seen = new Map<string, Observation>();
    const stamps = new Map<string, Stamp>();
    const places = new Map<string, string>();
    for (const [key, asks] of asked) {
      const { observation, content } = this.#see(key, asks);
      seen.set(key, observation);
      if (content === null) continue;
      stamps.set(key, content.stamp);
      places.set(key, content.place);
    }
    const digests = await this.#by.cache.digestsOf(stamps, (key) => places.get(key) as string);
    if (!digests.ok) return digests;
    let next = 0;
    for (const key of stamps.keys())
      seen.set(key, { ...seen.get(key), digest: digests.value[next++] as Digest });
    return ok(seen);
  }

  /** Whether anything is at a path, a link that leads nowhere among them. */
  has(key: string): boolean {
    const path = this.#absolute(key);
    const { parent, name } = split(path);
    const { place, stamp } = this.#follow(parent);
    if (name === '' || place === null || stamp?.type !== 'directory') return name === '';
    return this.#by.host.files.stamp(join(place, name)) !== null;
  }

  /** Where a path leads when links are followed, in the terms of a trace; null where nothing is. */
  endOf(key: string): string | null {
    const { place } = this.#follow(this.#absolute(key));
    return place === null ? null : this.#keyOf(place);
  }

  /** The names in a directory that a listing gives. */
  namesIn(key: string): readonly string[] {
    const { names } = this.#by.looks.listNow(key);
    const shown = names.filter((name) => !this.#isHidden(key === '.' ? name : `${key}/${name}`));
    if (shown.length < names.length) this.shortened.add(key);
    return shown;
  }

  #see(key: string, asks: Asks): Seen {
    const { looks } = this.#by;
    const own = looks.stamp(key);
    const spot = this.#follow(this.#absolute(key));
    this.#note(spot);
    // Over links anything can be reached.
    const kind = isOfKernel(spot.place ?? '') ? 'other' : kindOf(spot.stamp);
    let observation: Observation = asks.stat ? { is: kind } : {};
    if (asks.link) observation = { ...observation, ...this.#linkAt(key, own, kind) };
    const isFile = kind === 'file' || kind === 'executable';
    if ((asks.open && !isFile) || (asks.list && kind !== 'directory'))
      observation = { ...observation, is: kind };
    // Whoever asks whether a file is there is told how large it is.
    if (isFile && observation.is !== undefined && !asks.open && spot.stamp !== null)
      observation = { ...observation, sizeBytes: spot.stamp.sizeBytes };
    if (asks.list && kind === 'directory' && spot.place !== null) {
      const entries = this.#entries(spot.place);
      observation = { ...observation, ...(entries === null ? { is: 'unreadable' } : { entries }) };
    }
    const { place, stamp } = spot;
    const content = asks.open && isFile && place !== null && stamp !== null ? { place, stamp } : null;
    return { observation, content };
  }

  #linkAt(key: string, own: Stamp | null, kind: SeenKind): Observation {
    if (own?.type !== 'link') return { link: null, is: kind };
    const text = this.#by.host.files.readLink(this.#absolute(key));
    return text.ok ? { link: text.value } : { is: 'unreadable' };
  }

  /** The names in a directory and what each is; null when they are not all known. */
  #entries(place: string): NonNullable<Observation['entries']> | null {
    const directory = this.#keyOf(place);
    if (this.#by.looks.listNow(directory).trouble !== null) return null;
    const entries = this.namesIn(directory).map((name) => {
      const spot = this.#follow(join(place, name));
      if (spot.passed.length > 0) this.#note(spot);
      return entryOf(name, kindOf(spot.stamp), spot.passed.length > 0);
    });
    return entries.length > MOST_NAMES ? this.#by.host.hashing.digestBytes(canonicalJson(entries)) : entries;
  }

  /** Where a path was followed over links, the answer is that of what they lead to. */
  #note({ passed, place, stamp }: Spot): void {
    if (passed.length === 0) return;
    const { looks, host } = this.#by;
    for (const link of passed) looks.add(this.#named(link), host.files.stamp(link));
    if (place !== null) looks.add(this.#named(place), stamp);
  }

  #follow(path: string, hops = 0): Spot {
    const known = this.#spots.get(path);
    if (known !== undefined) return known;
    const spot = this.#step(path, hops);
    this.#spots.set(path, spot);
    return spot;
  }

  #step(path: string, hops: number): Spot {
    const { files } = this.#by.host;
    const { parent, name } = split(path);
    if (name === '' || path === this.#root) return { place: path, stamp: files.stamp(path), passed: [] };
    const within = this.#follow(parent, hops);
    if (within.place === null || within.stamp?.type !== 'directory')
      return {
        place: null,
        stamp: within.stamp?.type === 'unknown' ? within.stamp : null,
        passed: within.passed,
      };
    if (name === '..') {
      const above = split(within.place).parent;
      return { place: above, stamp: files.stamp(above), passed: within.passed };
    }
    const place = join(within.place, name);
    const stamp = files.stamp(place);
    if (stamp?.type !== 'link') return { place: stamp === null ? null : place, stamp, passed: within.passed };
    const passed = [...within.passed, place];
    const text = files.readLink(place);
    if (!text.ok || hops >= MOST_LINKS) return { place: null, stamp: null, passed };
    const target = text.value.startsWith('/') ? text.value : join(within.place, text.value);
    const end = this.#follow(target, hops + 1);
    const all = [...passed, ...end.passed];
    // Links that lead over two others each double the way with every one.
    if (all.length > MOST_LINKS) return { place: null, stamp: null, passed: all.slice(0, MOST_LINKS) };
    return { ...end, passed: all };
  }

  #absolute(key: string): string {
    if (key === '.') return this.#root;
    return key.startsWith('/') ? key : join(this.#root, key);
  }

  /** As `looks` names it: the same path may be written in two ways. */
  #named(place: string): string {
    return this.#by.looks.absolute(this.#keyOf(place));
  }

  #keyOf(place: string): string {
    for (const root of [this.#root, this.#by.looks.root]) {
      if (place === root) return '.';
      const prefix = root === '/' ? root : `${root}/`;
      if (place.startsWith(prefix)) return place.slice(prefix.length);
    }
    return place;
  }
}

function kindOf(stamp: Stamp | null): SeenKind {
  if (stamp === null) return 'absent';
  if (stamp.type === 'unknown') return 'unreadable';
  if (stamp.type === 'directory') return 'directory';
  if (stamp.type !== 'file') return 'other';
  return (stamp.mode & EXECUTABLE) === 0 ? 'file' : 'executable';
}

/** Empty and `.` names lead nowhere else. The name is empty for the top. */
function split(path: string): { readonly parent: string; readonly name: string } {
  const clean = path.replace(/(?:\/\.?)+$/, '');
  const slash = clean.lastIndexOf('/');
  return { parent: clean.slice(0, slash) || '/', name: clean.slice(slash + 1) };
}

function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}
