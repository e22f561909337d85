/** Side files: what this host keeps beside a content to be quicker with it, such as a machine's memory. Never needed, never shared. */
import type { Host, Stamp } from '../host/host.ts';
import type { PrivateLayout } from '../incremental/private-place.ts';
import { type Digest, digestOfHex, hexOf, isDigest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { SideStore } from './cache.ts';
import type { Layout } from './layout.ts';
import { type Store, temporaryPrefix } from './store.ts';

/** They may hold what a running machine had in its memory: keys, passwords. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
/** Of so many contents; those go first that were not used for longest. A saved machine takes some hundred megabytes. */
const MOST_KEPT = 24;

/** The side files of a store. */
export function localSides(store: Store): SideStore {
  const { host } = store;
  const { files } = host;
  const placeIn = (layout: Layout, digest: Digest) =>
    `${ownSides(host, store.ownIn(layout))}/${hexOf(digest)}`;

  return {
    find(digest) {
      for (const layout of store.layouts()) {
        const place = placeIn(layout, digest);
        // Nothing in it: those of another user, who alone may look.
        if (files.stamp(place)?.type !== 'directory' || files.list(place).names.length === 0) continue;
        if (!store.lookOnly) void files.setModified(place, host.clock.nowMs());
        return place;
      }
      return null;
    },

    async keep(digest, directory) {
      const closed = await closeToOthers(host, directory);
      if (!closed.ok) return closed;
      return store.write(async (layout): Promise<Result<void, HostFailure>> => {
        const made = await files.makeDirectory(ownSides(host, store.ownIn(layout)));
        if (!made.ok) return made;
        const place = placeIn(layout, digest);
        // A second time, after the first came to nothing afterwards: it is there already.
        const isMoved = files.stamp(directory) === null && files.stamp(place) !== null;
        const before = isMoved ? ok(undefined) : await moveAside(store, layout, place);
        const moved = before.ok && !isMoved ? await files.rename(directory, place) : before;
        if (!moved.ok) return moved;
        await files.setModified(place, host.clock.nowMs());
        await dropOldest(store, layout);
        return moved;
      });
    },

    async drop(digest) {
      if (store.lookOnly) return;
      for (const layout of store.layouts()) await moveAside(store, layout, placeIn(layout, digest));
    },
  };
}

/** Whose name on another host is that of this one there gets nothing to see: a machine resumes only where it was saved. */
function ownSides(host: Host, { sides }: PrivateLayout): string {
  return `${sides}/${hexOf(host.hashing.digestBytes(host.hostName)).slice(0, 16)}`;
}

async function closeToOthers(host: Host, directory: string): Promise<Result<void, Failure>> {
  const { files } = host;
  const walked = files.walk(directory);
  if (walked.trouble !== null) return fail(walked.trouble);
  const found = walked.entries.map(({ path, type }) => ({ path: `${directory}/${path}`, type }));
  for (const { path, type } of [{ path: directory, type: 'directory' }, ...found]) {
    const closed = await files.chmod(path, type === 'directory' ? DIRECTORY_MODE : FILE_MODE);
    if (!closed.ok) return closed;
  }
  return ok(undefined);
}

function ownTemporary(store: Store, layout: Layout): string {
  return `${store.ownIn(layout).temporary}/${temporaryPrefix(store.host.identity)}${store.host.files.randomName()}`;
}

/** Moves first, so that nobody finds half of it, then removes. */
async function moveAside(store: Store, layout: Layout, place: string): Promise<Result<void, HostFailure>> {
  const { files } = store.host;
  if (files.stamp(place) === null) return ok(undefined);
  const aside = ownTemporary(store, layout);
  const moved = await files.rename(place, aside);
  return moved.ok ? files.remove(aside) : moved;
}

/** Those of others and what cannot be removed are left. */
async function dropOldest(store: Store, layout: Layout): Promise<void> {
  const { files } = store.host;
  const own = ownSides(store.host, store.ownIn(layout));
  const kept = files
    .list(own)
    .names.map((name) => ({ place: `${own}/${name}`, stamp: files.stamp(`${own}/${name}`) }));
  kept.sort((a, b) => (b.stamp?.mtimeMs ?? 0) - (a.stamp?.mtimeMs ?? 0));
  for (const { place } of kept.slice(MOST_KEPT)) await moveAside(store, layout, place);
}

/** The side files of one content, of whatever host. */
export interface ListedSides {
  readonly path: string;
  readonly digest: Digest;
  readonly stamp: Stamp;
  readonly allocatedBytes: number;
}

/** All side files that this user keeps beside a cache. */
export function listSides(host: Host, { sides }: PrivateLayout): readonly ListedSides[] {
  const { files } = host;
  return files.list(sides).names.flatMap((owner) =>
    files.list(`${sides}/${owner}`).names.flatMap((name): ListedSides[] => {
      const path = `${sides}/${owner}/${name}`;
      const stamp = files.stamp(path);
      const digest = digestOfHex(name);
      if (stamp === null || !isDigest(digest)) return [];
      const sizes = files
        .walk(path)
        .entries.map((file) => files.stamp(`${path}/${file.path}`)?.allocatedBytes ?? 0);
      return [{ path, digest, stamp, allocatedBytes: sizes.reduce((sum, size) => sum + size, 0) }];
    }),
  );
}
