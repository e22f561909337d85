/** The private place that goes with a cache directory: found at once, made with the first write, and a temporary one where none is safe. */
import type { Host } from '../host/host.ts';
import { type PrivateLayout, privateLayoutOf, privatePlace } from '../incremental/private-place.ts';
import type { Failure } from '../model/failure.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { standInName } from './stand-ins.ts';

export interface OwnPlace {
  readonly layout: PrivateLayout;
  /** Whether it lies in the cache directory, and so on its file system. */
  readonly isInside: boolean;
  /**
   * Makes it when it is not there. `shared`: the mode of directories that other users have a part in. Gives what is to be
   * said of it, once: when it is made, and `old` holds something that is not read any more.
   */
  make(shared: number | null, old: readonly string[]): Result<readonly Failure[], HostFailure>;
}

/** The place for a cache directory, as seen now; touches nothing but modes of what is ours, and not even those when only looking. */
export function ownPlace(
  { files, env, identity }: Host,
  directory: string,
  { lookOnly, temporaryDirectory }: { readonly lookOnly: boolean; readonly temporaryDirectory: string },
): OwnPlace {
  const found = privatePlace(directory, env, !lookOnly);
  if (found === null) {
    const root = `${temporaryDirectory}/${standInName(identity)}${files.randomName()}`;
    return {
      layout: privateLayoutOf(root),
      isInside: false,
      make() {
        if (files.stamp(root) !== null) return ok([]);
        const made = files.makePrivate([temporaryDirectory, root], null);
        return made.ok ? ok([{ code: 'private-state-temporary', cache: directory, directory: root }]) : made;
      },
    };
  }
  const { layout, kind, chain } = found;
  return {
    layout,
    isInside: kind === 'cache',
    make(shared, old) {
      if (files.stamp(layout.root) !== null) return ok([]);
      const made = files.makePrivate(chain, kind === 'cache' && shared !== null ? shared | STICKY : null);
      if (!made.ok) return made;
      if (made.value === 'unsafe')
        return fail({
          code: 'file-trouble',
          action: 'create the directory',
          path: layout.root,
          errno: 'EPERM',
        });
      const left = old.filter((path) => files.stamp(path) !== null);
      return ok([
        ...(kind === 'cache'
          ? []
          : [{ code: 'private-state-elsewhere', cache: directory, directory: layout.root } as const]),
        ...(left.length === 0
          ? []
          : [{ code: 'old-cache-layout', cache: directory, directories: left } as const]),
      ]);
    },
  };
}

/** What this user alone keeps of a cache directory, for those who only look; null when nothing is there. */
export function ownLayout({ env }: Pick<Host, 'env'>, directory: string): PrivateLayout | null {
  const found = privatePlace(directory, env, false);
  return found?.isThere === true ? found.layout : null;
}

const STICKY = 0o1000;
