/** The directories that a cache reads and writes, and what happens when one cannot be written: the run goes on in a temporary one. */
import type { Host, ProcessIdentity, Stamp } from '../host/host.ts';
import type { PrivateLayout } from '../incremental/private-place.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { CacheMode } from './cache.ts';
import type { SpareFile } from './heartbeat.ts';
import { type Layout, layoutOf } from './layout.ts';
import { type OwnPlace, ownPlace } from './own-place.ts';
import { removeStandIns, standInName } from './stand-ins.ts';

/** https://bford.info/cachedir/ : backup programs leave such a directory out. */
const CACHEDIR_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This directory holds results that bake can build again. It may be deleted at any time.
`;

/** What the parts of the local cache share. */
export interface Store {
  readonly host: Host;
  /** The cache directory that the user chose. */
  readonly main: Layout;
  readonly mode: CacheMode;
  /**
   * Where to look, in this order: the temporary one once there is something that was not to be, or could not be, written to the
   * main one (it may hold anew what is damaged there); the main one; the one below it that is only read.
   */
  layouts(): readonly Layout[];
  /** Whether this process may change what lies in a layout. */
  isWritten(layout: Layout): boolean;
  /** Whether a path lies in the layout that is below the main one. */
  isBelow(path: string): boolean;
  /** Takes a blob or an index file for absent from now on: it is damaged, and lies where it cannot be moved away. */
  hide(path: string): void;
  isHidden(path: string): boolean;
  /** It has been replaced. */
  unhide(path: string): void;
  /** What is this user's alone, whichever of the two is written to. */
  readonly own: PrivateLayout;
  /** The part of a layout that is this user's alone. */
  ownIn(layout: Layout): PrivateLayout;
  /** Where a digest's file lies, or would lie. */
  locate(digest: Digest): { readonly path: string; readonly stamp: Stamp | null; readonly layout: Layout };
  /**
   * Runs `work` on the layout that is written to, its directories made before. When the main one refuses, that is said
   * once, and `work` runs again on a temporary one; `cache-unusable` when that refuses too. So `work` may find half of it
   * done, in this layout or in another.
   */
  write<T>(work: (layout: Layout) => Promise<Result<T, HostFailure>>): Promise<Result<T, Failure>>;
  /** Says that nothing more can be written to a layout, and whether there is another one for what comes. */
  leave(layout: Layout, path: string, errno: string): Promise<boolean>;
  /** The directories of a layout that somebody removed while it was in use. */
  makeAgain(layout: Layout): Promise<Result<void, HostFailure>>;
  /** A directory with the modes of the cache. */
  makeDirectory(layout: Layout, path: string): Promise<Result<void, HostFailure>>;
  /** Makes `own`, for what is learnt where nothing has been stored; whether it is there. */
  openOwn(): Promise<boolean>;
  /** Where stand-ins lie for a cache that is not to be written. */
  readonly standIns: string;
  /** Where the files lie by which processes keep from building the same: the user's own when nothing is stored for others. */
  readonly locks: string;
  /** A path for a file on its way there or from there. */
  lockAside(): string;
  /** Makes the directory of locks. */
  openLocks(): Promise<void>;
  /** Whether nothing may be written, not even what was learnt: for commands that only look. */
  readonly lookOnly: boolean;
  /** Said once per cause. */
  warn(warning: Failure): void;
  /** A path on the file system of the layout that nobody else uses, nor can foretell. */
  temporaryPath(layout: Layout): string;
  /** For files that are nothing but temporary, on whatever file system. */
  readonly temporaryDirectory: string;
  /** Files of ours under temporary names that have a text and no other use now. */
  readonly spareFiles: SpareFile[];
  /** Removes the temporary layout and spare files. */
  close(): Promise<void>;
}

interface StoreOptions {
  readonly onWarning: (warning: Failure) => void;
  readonly lookOnly: boolean;
  /** Parent of the temporary directory that stands in when the cache cannot be written. */
  readonly temporaryDirectory: string;
  readonly mode: CacheMode;
  /** Absolute directory of a cache below this one, which is only read. */
  readonly shared: string | null;
}

/** A layout whose directories are there. */
interface Prepared {
  /** Of what is shared; null where the umask decides. */
  readonly mode: number | null;
}

/** The store in a cache directory; nothing is touched until the first write. */
export function openStore(host: Host, directory: string, options: StoreOptions): Store {
  const { files } = host;
  const { mode, lookOnly } = options;
  const main = layoutOf(directory);
  const below = options.shared === null ? null : layoutOf(options.shared);
  const lasting = mode === 'off' ? [] : [main, ...(below === null ? [] : [below])];
  const own = ownPlace(host, directory, options);
  const hidden = new Set<string>();
  const ownOf = new Map<Layout, OwnPlace>([[main, own]]);
  const prepared = new Map<Layout, Prepared>();
  const said = new Set<string>();
  let standIn: Layout | null = null;
  let layouts: readonly Layout[] = lasting;
  let makingStandIn: Promise<Result<Layout, Failure>> | null = null;

  const makeOwn = async (
    place: OwnPlace,
    mode: number | null,
    old: readonly string[],
  ): Promise<Result<void, HostFailure>> => {
    const owned = place.make(mode, old);
    if (!owned.ok) return owned;
    for (const warning of owned.value) store.warn(warning);
    for (const path of [place.layout.temporary, place.layout.work, place.layout.memo]) {
      const made = await files.makeDirectory(path);
      if (!made.ok) return made;
    }
    return ok(undefined);
  };

  const prepare = async (layout: Layout): Promise<Result<void, HostFailure>> => {
    if (prepared.has(layout)) return ok(undefined);
    const isNew = files.stamp(layout.root) === null;
    const mode = sharedMode(files.stampTarget(layout.directory));
    const made = await makeShared(host, layout, mode);
    if (!made.ok) return made;
    const place = ownOf.get(layout) as OwnPlace;
    const owned = await makeOwn(place, mode, isNew ? [] : layout.old);
    if (!owned.ok) return owned;
    prepared.set(layout, { mode });
    return ok(undefined);
  };

  const attempt = async <T>(
    layout: Layout,
    work: (layout: Layout) => Promise<Result<T, HostFailure>>,
  ): Promise<Result<T, HostFailure>> => {
    const ready = await prepare(layout);
    if (!ready.ok) return ready;
    const result = await work(layout);
    if (result.ok || !isGone(result.failure) || isWhole(layout)) return result;
    // Somebody removed the cache while it was in use: it is made again, and what is to be written now can be.
    const again = await store.makeAgain(layout);
    return again.ok ? work(layout) : again;
  };

  const isWhole = (layout: Layout): boolean => {
    const { temporary, work } = store.ownIn(layout);
    return [layout.temporary, layout.inUse, layout.locks, temporary, work].every(
      (path) => files.stamp(path) !== null,
    );
  };

  /** Whether the cache itself refused; a file of a workspace that cannot be read says nothing about the cache. */
  const isTroubleOf = (layout: Layout, failure: HostFailure): boolean =>
    failure.action !== 'read' &&
    [layout.directory, store.ownIn(layout).root].some((place) => failure.path.startsWith(place));

  /** A cache that is not to be written is most often on a file system with more room than that of temporary files. */
  const standInParent = async (): Promise<string> => {
    const isThere =
      mode !== 'write' && (await store.openOwn()) && (await files.makeDirectory(store.standIns)).ok;
    return isThere ? store.standIns : options.temporaryDirectory;
  };

  const makeStandIn = async (): Promise<Result<Layout, Failure>> => {
    const parent = await standInParent();
    await removeStandIns(host, parent);
    const made = await files.makeTemporaryDirectory(parent, standInName(host.identity));
    if (!made.ok) return fail({ code: 'cache-unusable', directory, problem: told(made.failure) });
    const layout = layoutOf(made.value);
    ownOf.set(layout, ownPlace(host, made.value, options));
    standIn = layout;
    layouts = [layout, ...lasting];
    return ok(layout);
  };

  const store: Store = {
    host,
    main,
    own: own.layout,
    mode,
    lookOnly,
    temporaryDirectory: options.temporaryDirectory,
    layouts: () => layouts,
    isWritten: (layout) => !lookOnly && (layout === standIn || (layout === main && mode === 'write')),
    isBelow: (path) => below !== null && path.startsWith(`${below.root}/`),
    hide: (path) => void hidden.add(path),
    isHidden: (path) => hidden.has(path),
    unhide: (path) => void hidden.delete(path),
    ownIn: (layout) => (ownOf.get(layout) as OwnPlace).layout,
    locate(digest) {
      for (const layout of layouts) {
        const path = layout.blob(digest);
        const stamp = hidden.has(path) ? null : files.stamp(path);
        if (stamp !== null) return { path, stamp, layout };
      }
      return { path: main.blob(digest), stamp: null, layout: main };
    },
    async leave(layout, path, errno) {
      if (layout !== main) return false;
      store.warn({ code: 'cache-not-writable', directory, path, errno });
      // One for all that fail at the same time.
      makingStandIn ??= makeStandIn();
      return (await makingStandIn).ok;
    },
    async write(work) {
      if (standIn === null && mode === 'write') {
        const result = await attempt(main, work);
        if (result.ok || !isTroubleOf(main, result.failure)) return result;
        const { path, errno } = result.failure;
        await store.leave(main, path, errno);
      }
      makingStandIn ??= makeStandIn();
      const other = await makingStandIn;
      if (!other.ok) return other;
      const result = await attempt(other.value, work);
      if (result.ok || !isTroubleOf(other.value, result.failure)) return result;
      return fail({
        code: 'cache-unusable',
        directory: other.value.directory,
        problem: told(result.failure),
      });
    },
    standIns: `${own.layout.root}/stand-ins`,
    openOwn: async () =>
      prepared.has(main) || (await makeOwn(own, sharedMode(files.stampTarget(directory)), main.old)).ok,
    locks: mode === 'write' ? main.locks : `${own.layout.root}/locks`,
    lockAside: () =>
      mode === 'write'
        ? store.temporaryPath(main)
        : `${own.layout.temporary}/${temporaryPrefix(host.identity)}${files.randomName()}`,
    async openLocks() {
      if (mode === 'write') await store.write(async () => ok(undefined));
      else if (await store.openOwn()) await files.makeDirectory(store.locks);
    },
    makeAgain(layout) {
      prepared.delete(layout);
      return prepare(layout);
    },
    makeDirectory: (layout, path) => files.makeDirectory(path, prepared.get(layout)?.mode ?? undefined),
    warn(warning) {
      const cause = JSON.stringify(
        warning.code === 'cache-not-writable' ? [warning.code, warning.errno] : warning,
      );
      if (said.has(cause)) return;
      said.add(cause);
      options.onWarning(warning);
    },
    temporaryPath(layout) {
      const { temporary } = ownOf.get(layout)?.isInside === true ? store.ownIn(layout) : layout;
      return `${temporary}/${temporaryPrefix(host.identity)}${files.randomName()}`;
    },
    spareFiles: [],
    async close() {
      for (const { path } of store.spareFiles.splice(0)) await files.remove(path);
      if (makingStandIn !== null) await makingStandIn;
      if (standIn !== null) await files.remove(standIn.directory);
      [standIn, makingStandIn, layouts] = [null, null, lasting];
    },
  };
  return store;
}

/** Makes the shared directories of a layout, with the tag that keeps it out of backups. */
async function makeShared(
  host: Host,
  layout: Layout,
  mode: number | null,
): Promise<Result<void, HostFailure>> {
  const { files } = host;
  for (const path of [layout.root, layout.temporary, layout.content, layout.index, layout.inUse]) {
    // Nobody can put another one in the place of a directory in a sticky one.
    const made = await files.makeDirectory(path, mode === null ? undefined : mode | STICKY);
    if (!made.ok) return made;
  }
  // Whoever takes over from a dead builder removes what was that one's.
  const locks = await files.makeDirectory(layout.locks, mode ?? undefined);
  if (!locks.ok) return locks;
  const tag = `${layout.directory}/CACHEDIR.TAG`;
  if (files.stamp(tag) !== null) return ok(undefined);
  const tagged = await files.writeFile(tag, CACHEDIR_TAG);
  // Another process may have been quicker.
  return tagged.ok || tagged.failure.errno === 'EEXIST' ? ok(undefined) : tagged;
}

const STICKY = 0o1000;

/** Whoever may write the cache directory may write all in it; set-group-id keeps what is made in its group. Null: not shared. */
function sharedMode(directory: Stamp | null): number | null {
  const writers = (directory?.mode ?? 0) & 0o022;
  return writers === 0 ? null : 0o2755 | writers;
}

function isGone(failure: HostFailure): boolean {
  return failure.errno === 'ENOENT';
}

function told(failure: HostFailure): string {
  return failure.code === 'file-trouble' ? `${failure.path}: ${failure.errno}` : failure.code;
}

/** How the names of a process's temporary files begin. */
export function temporaryPrefix({ pid, startedAt }: Pick<ProcessIdentity, 'pid' | 'startedAt'>): string {
  return `${pid.toString(36)}-${startedAt}-`;
}
