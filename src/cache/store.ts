/** The directories that a cache reads and writes, and what happens when one cannot be written: the run goes on in a temporary one. */
import type { Host, ProcessIdentity, Stamp } from '../host/host.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { SpareFile } from './heartbeat.ts';
import { type Layout, layoutOf } from './layout.ts';

/** https://bford.info/cachedir/ : backup programs leave such a directory out. */
const CACHEDIR_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This directory holds results that bake can build again. It may be deleted at any time.
`;

/** What the parts of the local cache share. */
export interface Store {
  readonly host: Host;
  /** The cache directory that the user chose. */
  readonly main: Layout;
  /** Where to look, in this order: the temporary one once something could not be written (it may hold anew what is damaged in the main one), and the main one. */
  layouts(): readonly Layout[];
  /** Where a digest's file lies, or would lie. */
  locate(digest: Digest): { readonly path: string; readonly stamp: Stamp | null };
  /**
   * Runs `work` on the layout that is written to, its directories made before. When the main one refuses, that is said
   * once, and `work` runs again on a temporary one; `cache-unusable` when that refuses too.
   */
  write<T>(work: (layout: Layout) => Promise<Result<T, HostFailure>>): Promise<Result<T, Failure>>;
  /** A directory with the modes of the cache. */
  makeDirectory(layout: Layout, path: string): Promise<Result<void, HostFailure>>;
  /** Whether nothing may be written, not even what was learnt: for commands that only look. */
  readonly lookOnly: boolean;
  /** Said once per cause. */
  warn(warning: Failure): void;
  /** A path under the layout's temporary directory that nobody else uses. */
  temporaryPath(layout: Layout): string;
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
}

/** The store in a cache directory; nothing is touched until the first write. */
export function openStore(host: Host, directory: string, options: StoreOptions): Store {
  const main = layoutOf(directory);
  const prepared = new Map<Layout, number | null>();
  const said = new Set<string>();
  let standIn: Layout | null = null;
  let temporaryNames = 0;

  /** Makes the directories once; the mode is null where the umask decides. */
  const prepare = async (layout: Layout): Promise<Result<void, HostFailure>> => {
    if (prepared.has(layout)) return ok(undefined);
    const mode = sharedMode(host.files.stampTarget(layout.directory));
    for (const path of [
      layout.root,
      layout.temporary,
      layout.content,
      layout.index,
      layout.locks,
      layout.work,
      layout.checkouts,
      layout.quick,
    ]) {
      const made = await host.files.makeDirectory(path, mode ?? undefined);
      if (!made.ok) return made;
    }
    const tag = `${layout.directory}/CACHEDIR.TAG`;
    if (host.files.stamp(tag) === null) {
      const tagged = await host.files.writeFile(tag, CACHEDIR_TAG);
      if (!tagged.ok) return tagged;
    }
    prepared.set(layout, mode);
    return ok(undefined);
  };

  const attempt = async <T>(
    layout: Layout,
    work: (layout: Layout) => Promise<Result<T, HostFailure>>,
  ): Promise<Result<T, HostFailure>> => {
    const ready = await prepare(layout);
    return ready.ok ? work(layout) : ready;
  };

  const store: Store = {
    host,
    main,
    lookOnly: options.lookOnly,
    layouts: () => (standIn === null ? [main] : [standIn, main]),
    locate(digest) {
      const anew = standIn?.blob(digest);
      const anewStamp = anew === undefined ? null : host.files.stamp(anew);
      if (anew !== undefined && anewStamp !== null) return { path: anew, stamp: anewStamp };
      const path = main.blob(digest);
      return { path, stamp: host.files.stamp(path) };
    },
    async write(work) {
      if (standIn === null) {
        const result = await attempt(main, work);
        if (result.ok || !isTroubleOf(main, result.failure)) return result;
        const { path, errno } = result.failure;
        store.warn({ code: 'cache-not-writable', directory, path, errno });
        const made = await host.files.makeTemporaryDirectory(options.temporaryDirectory, 'bake-cache-');
        if (!made.ok) return fail({ code: 'cache-unusable', directory, problem: told(made.failure) });
        standIn ??= layoutOf(made.value);
      }
      const result = await attempt(standIn, work);
      if (result.ok || !isTroubleOf(standIn, result.failure)) return result;
      return fail({ code: 'cache-unusable', directory: standIn.directory, problem: told(result.failure) });
    },
    makeDirectory: (layout, path) => host.files.makeDirectory(path, prepared.get(layout) ?? undefined),
    warn(warning) {
      const cause = JSON.stringify(
        warning.code === 'cache-not-writable' ? [warning.code, warning.errno] : warning,
      );
      if (said.has(cause)) return;
      said.add(cause);
      options.onWarning(warning);
    },
    temporaryPath(layout) {
      temporaryNames += 1;
      return `${layout.temporary}/${temporaryPrefix(host.identity)}${temporaryNames.toString(36)}`;
    },
    spareFiles: [],
    async close() {
      for (const { path } of store.spareFiles.splice(0)) await host.files.remove(path);
      if (standIn !== null) await host.files.remove(standIn.directory);
      standIn = null;
    },
  };
  return store;
}

/** Whoever may write the cache directory may write all in it; set-group-id keeps what is made in its group. Null: not shared. */
function sharedMode(directory: Stamp | null): number | null {
  const writers = (directory?.mode ?? 0) & 0o022;
  return writers === 0 ? null : 0o2755 | writers;
}

/** Whether the cache itself refused; a file of a workspace that cannot be read says nothing about the cache. */
function isTroubleOf(layout: Layout, failure: HostFailure): boolean {
  return (
    failure.code === 'file-trouble' && failure.action !== 'read' && failure.path.startsWith(layout.directory)
  );
}

function told(failure: HostFailure): string {
  return failure.code === 'file-trouble' ? `${failure.path}: ${failure.errno}` : failure.code;
}

/** How the names of a process's temporary files begin. */
export function temporaryPrefix({ pid, startedAt }: Pick<ProcessIdentity, 'pid' | 'startedAt'>): string {
  return `${pid.toString(36)}-${startedAt}-`;
}
