/** All that a watched stage may see of the checkout: its project, less what git ignores, the cache, and what stages make or are given. */
import { dirname, join } from 'node:path';
import type { Host, Stamp } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import type { HiddenReason } from '../model/failure-stage.ts';
import { byCodeUnit } from '../model/json.ts';
import type { PlannedAction } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { ViewRequest } from '../stages/kind.ts';
import { toolPath } from './environment.ts';
import { sortedByPath } from './inputs.ts';
import type { Looks } from './looks.ts';
import { referencesOf } from './options.ts';
import type { Session } from './session.ts';

/** What is copied for each playbook should be a project, not all that somebody has. */
const MOST_FILES = 50_000;
const MOST_BYTES = 8 * 1024 ** 3;
/** Of a file that is no part of a project if a stage is given it. */
const LARGE_BYTES = 32 * 1024 ** 2;
const GIT_PATIENCE_MS = 60_000;
/** So many are told of when there is too much. */
const TOLD = 3;

/** Paths from the pipeline's directory that no view has, a directory with all in it, and why. */
export type LeftOut = ReadonlyMap<string, Extract<HiddenReason, 'ignored' | 'given'>>;

/**
 * What views leave out besides the cache and outputs: what git ignores, and large files that the pipeline gives to stages as they
 * are, disks and images of installers.
 */
export async function leftOutOf({
  host,
  plan,
  looks,
}: Pick<Session, 'host' | 'plan' | 'looks'>): Promise<LeftOut> {
  const ignored = await ignoredByGit(host, plan.root);
  const named = plan.actions.flatMap((action) => referencesOf(action, action.options).files);
  const given = [...new Set(named)].filter((path) => {
    const stamp = host.files.stamp(looks.absolute(path));
    return stamp?.type === 'file' && stamp.sizeBytes >= LARGE_BYTES;
  });
  return new Map([
    ...given.map((path) => [path, 'given'] as const),
    ...[...ignored].map((path) => [path, 'ignored'] as const),
  ]);
}

export interface ProjectView {
  /** Files and links by their path from the pipeline's directory, sorted. */
  readonly files: ReadonlyMap<string, Stamp>;
  /** Those that were walked through, the empty ones among them. */
  readonly directories: ReadonlySet<string>;
}

/** What stands in the way when a view is made. */
type ViewTrouble = { readonly action: PlannedAction; readonly host: Host; readonly looks: Looks };

/**
 * Walks through what is asked for. A link stays a link, and what it leads to inside of the pipeline's directory is seen too.
 * Nothing is noted: what counts is what is read.
 */
export function viewOf(
  { directories, files }: ViewRequest,
  leftOut: LeftOut,
  by: ViewTrouble,
): Result<ProjectView, Failure> {
  const walk = new ViewWalk(leftOut, by);
  for (const path of [...directories, ...files]) walk.enter(path === '' ? '.' : path);
  return walk.end(directories);
}

class ViewWalk {
  readonly #files = new Map<string, Stamp>();
  readonly #directories = new Set<string>();
  readonly #leftOut: LeftOut;
  readonly #by: ViewTrouble;
  readonly #looks: Looks;
  readonly #root: string;
  #bytes = 0;
  #failure: Failure | null = null;

  constructor(leftOut: LeftOut, by: ViewTrouble) {
    this.#leftOut = leftOut;
    this.#by = by;
    this.#looks = by.looks.anew();
    this.#root = by.host.files.realPath(by.looks.root) ?? by.looks.root;
  }

  end(asked: readonly string[]): Result<ProjectView, Failure> {
    if (this.#failure !== null) return fail(this.#failure);
    if (this.#isTooMuch()) return fail(this.#tooMuch(asked));
    return ok({ files: sortedByPath(this.#files), directories: this.#directories });
  }

  /** A path that was asked for, or that a link leads to. */
  enter(path: string): void {
    if (this.#isOver() || this.#files.has(path) || this.#directories.has(path)) return;
    // The way there may lead over a link as well as its end.
    const slash = path.lastIndexOf('/');
    if (slash > 0) {
      const parent = path.slice(0, slash);
      const stamp = this.#looks.stamp(parent);
      if (stamp?.type !== 'directory') {
        this.enter(parent);
        return;
      }
    }
    const stamp = this.#looks.stamp(path);
    if (stamp !== null) this.#meet(path, stamp);
  }

  #meet(path: string, stamp: Stamp): void {
    if (this.#isOver()) return;
    if (stamp.type === 'directory') this.#directory(path);
    else if (stamp.type === 'link') this.#link(path, stamp);
    else if (stamp.type === 'file') {
      this.#files.set(path, stamp);
      this.#bytes += stamp.sizeBytes;
    } else if (stamp.type === 'unknown') this.#unreadable(path, stamp.errno ?? '');
  }

  #directory(path: string): void {
    if (this.#directories.has(path)) return;
    this.#directories.add(path);
    const { names, trouble } = this.#looks.listNow(path);
    if (trouble !== null) this.#unreadable(trouble.path, trouble.errno);
    for (const name of names) {
      const below = path === '.' ? name : `${path}/${name}`;
      const stamp = this.#leftOut.has(below) ? null : this.#looks.stamp(below);
      if (stamp !== null) this.#meet(below, stamp);
    }
  }

  #link(path: string, stamp: Stamp): void {
    this.#files.set(path, stamp);
    const end = this.#looks.endOf(this.#looks.absolute(path));
    if (end.type !== 'found') return;
    for (const place of [...end.passed.slice(1), end.place]) {
      const inside = this.#inside(place);
      if (inside !== null && !this.#leftOut.has(inside) && !this.#looks.isApart(inside)) this.enter(inside);
    }
  }

  /** From the pipeline's directory; null outside of it, and for itself: a link to it would bring everything. */
  #inside(place: string): string | null {
    return place.startsWith(`${this.#root}/`) ? place.slice(this.#root.length + 1) : null;
  }

  #unreadable(path: string, errno: string): void {
    const { stage, location } = this.#by.action;
    this.#failure ??= { code: 'input-unreadable', stage, path: this.#inside(path) ?? path, errno, location };
  }

  #isOver(): boolean {
    return this.#failure !== null || this.#isTooMuch();
  }

  #isTooMuch(): boolean {
    return this.#files.size > MOST_FILES || this.#bytes > MOST_BYTES;
  }

  #tooMuch(projects: readonly string[]): Failure {
    const { stage, location } = this.#by.action;
    const largest = [...this.#files]
      .sort(([, a], [, b]) => b.sizeBytes - a.sizeBytes)
      .slice(0, TOLD)
      .map(([path, { sizeBytes }]) => ({ path, sizeBytes }));
    return {
      code: 'project-too-large',
      stage,
      projects,
      files: this.#files.size,
      sizeBytes: this.#bytes,
      mostFiles: MOST_FILES,
      mostBytes: MOST_BYTES,
      largest,
      location,
    };
  }
}

/**
 * Notes everything that decides what git ignores in some directories of the checkout: were it changed, a name might be seen
 * there that was not.
 */
export function noteIgnoreRules(host: Host, looks: Looks, directories: Iterable<string>): void {
  const noted = new Set<string>();
  const note = (path: string) => looks.add(path, host.files.stamp(path));
  for (const directory of directories) {
    for (let place = looks.absolute(directory); !noted.has(place); place = dirname(place)) {
      noted.add(place);
      note(join(place, '.gitignore'));
      const git = join(place, '.git');
      const stamp = host.files.stamp(git);
      if (stamp === null) continue;
      looks.add(git, stamp);
      // What it keeps is not ignored, whatever the rules say.
      for (const file of ['info/exclude', 'index']) if (stamp.type === 'directory') note(join(git, file));
      break;
    }
  }
}

/**
 * What git ignores below the pipeline's directory, by the path from there; a directory stands for all in it. Nothing where
 * there is no git or no repository. The user's own list of what git should ignore does not count: it is on no other machine.
 */
async function ignoredByGit(host: Host, root: string): Promise<ReadonlySet<string>> {
  const path = toolPath(host.env);
  const git = host.processes.find('git', path);
  if (git === null) return new Set();
  const settings = ['core.excludesFile=/dev/null', 'core.fsmonitor=false', 'core.quotePath=false'];
  const wanted = ['ls-files', '-z', '--others', '--ignored', '--exclude-standard', '--directory'];
  const ran = await host.processes.run(git, [...settings.flatMap((setting) => ['-c', setting]), ...wanted], {
    cwd: root,
    env: { PATH: path, HOME: host.env['HOME'] ?? '/', LANG: 'C.UTF-8', GIT_OPTIONAL_LOCKS: '0' },
    capture: true,
    timeoutMs: GIT_PATIENCE_MS,
  });
  if (!ran.ok || ran.value.exitCode !== 0) return new Set();
  const paths = ran.value.stdout.split('\0').filter((one) => one !== '');
  return new Set(paths.map((one) => one.replace(/\/$/, '')).sort(byCodeUnit));
}
