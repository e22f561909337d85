/** Workspaces: empty directories where nobody else can reach them, and the clearing away of those whose process is dead. */
import type { Files, Host } from '../host/host.ts';
import type { PrivateLayout } from '../incremental/private-place.ts';
import type { Fingerprint } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { ageOnceADay } from './ageing.ts';
import type { Workspace } from './cache.ts';
import { clearInUse, FOREIGN_STALE_MS, type InUseRecord, openInUse } from './in-use.ts';
import type { Layout } from './layout.ts';
import { parseIdentity } from './parse-identity.ts';
import { makeSkeleton, type Skeleton, strip } from './skeletons.ts';
import { removeStandIns } from './stand-ins.ts';
import { type Store, temporaryPrefix } from './store.ts';

const RENEW_MS = 60_000;

export interface Workspaces {
  /** Notes that this process rests on results: removal spares them while the process lives. Trouble costs protection only. */
  noteUses(fingerprints: readonly Fingerprint[]): Promise<void>;
  make(empty: readonly string[]): Promise<Result<Workspace, Failure>>;
  close(): Promise<void>;
}

/** What this process has in one layout. */
interface Home {
  /** Holds its workspaces, for this user alone. */
  readonly directory: string;
  /** What it rests on, for everybody to spare. */
  readonly record: InUseRecord;
}

/** Workspaces of this process, all below one directory with one record of whose they are. */
export function workspacesOf(store: Store): Workspaces {
  const { files, processes } = store.host;
  const homes = new Map<Layout, Home>();
  let renewal: NodeJS.Timeout | null = null;
  let numbered = 0;
  const used = new Set<Fingerprint>();
  const spare: Skeleton[] = [];
  const emptying = new Set<Promise<void>>();
  const takeLike = (names: readonly string[]): Skeleton | null => {
    const at = spare.findIndex(({ empty }) => [...empty.keys()].join('/') === names.join('/'));
    return spare.splice(at, at < 0 ? 0 : 1)[0] ?? null;
  };

  /** What a command leaves is most often one empty directory. Where freeing its block waits for the disk, nobody waits for that. */
  const serveAgain = async (skeleton: Skeleton, emptied: readonly string[]): Promise<void> => {
    for (const path of emptied) {
      // Somebody who outlived his command may have put something there meanwhile.
      if (!(await files.removeEmpty(path)).ok && !(await files.remove(path)).ok) return;
    }
    spare.push(skeleton);
  };

  /** Made once, and anew when somebody removed the cache meanwhile. */
  const home = async (layout: Layout): Promise<Result<Home, HostFailure>> => {
    const known = homes.get(layout);
    if (known?.record.isThere() === true && files.stamp(known.directory) !== null) return ok(known);
    if (known === undefined) await clearDead(store, layout);
    else await known.record.close();
    homes.delete(layout);
    const made = await files.makeTemporaryDirectory(store.ownIn(layout).work, '');
    if (!made.ok) return made;
    const directory = made.value;
    const recorded = await files.replaceFile(ownerIn(directory), JSON.stringify(store.host.identity), {
      flush: false,
    });
    if (!recorded.ok) return recorded;
    const record = await openInUse(store.host, layout);
    if (!record.ok) return record;
    const noted = record.value.note([...used]);
    if (!noted.ok) return noted;
    processes.recordIn(`${directory}/${GROUPS}`);
    renewal ??= setInterval(() => {
      for (const each of homes.values()) {
        each.record.renew();
        void files.setModified(ownerIn(each.directory), store.host.clock.nowMs());
      }
    }, RENEW_MS).unref();
    const own = { directory, record: record.value };
    homes.set(layout, own);
    return ok(own);
  };
  /** One at a time: two would be two homes. */
  let opening: Promise<unknown> = Promise.resolve();
  const homeIn = (layout: Layout): Promise<Result<Home, HostFailure>> => {
    const opened = opening.then(() => home(layout));
    opening = opened;
    return opened;
  };

  return {
    async noteUses(fingerprints) {
      const more = !store.isWritten(store.main)
        ? []
        : fingerprints.filter((fingerprint) => !used.has(fingerprint));
      if (more.length === 0) return;
      await store.write(async (layout) => {
        const own = await homeIn(layout);
        return own.ok ? own.value.record.note(more) : own;
      });
      for (const fingerprint of more) used.add(fingerprint);
    },

    async make(empty) {
      const made = await store.write(async (layout) => {
        const parent = await homeIn(layout);
        if (!parent.ok) return parent;
        numbered += 1;
        const path = `${parent.value.directory}/${numbered}`;
        // Under a new name, so that nobody who knew it before finds it again.
        const old = takeLike(empty);
        if (old !== null && (await files.rename(old.path, path)).ok) return ok({ ...old, path, layout });
        const made = await makeSkeleton(files, path, empty);
        return made.ok ? ok({ ...made.value, layout }) : made;
      });
      if (!made.ok) return fail(made.failure);
      const skeleton = made.value;
      return ok({
        path: skeleton.path,
        isToBlame: () => isToBlame(store, skeleton),
        async dispose() {
          if (skeleton.empty.size === 0) return void (await files.remove(skeleton.path));
          const emptied = await strip(files, skeleton);
          if (emptied === null) return;
          const served = serveAgain(skeleton, emptied).finally(() => emptying.delete(served));
          emptying.add(served);
        },
      });
    },
    async close() {
      if (renewal !== null) clearInterval(renewal);
      await Promise.all(emptying);
      // A file that is open cannot be removed from a directory of NFS.
      processes.recordIn(null);
      for (const { directory, record } of homes.values()) {
        await record.close();
        await files.remove(directory);
      }
      homes.clear();
    },
  };
}

/** Less room than this is none: what is full at one moment has a little room at the next. */
const LEAST_BYTES = 1024 * 1024;
const LEAST_FILES = 16;

async function isToBlame(
  store: Store,
  { path, layout }: { readonly path: string; readonly layout: Layout },
): Promise<boolean> {
  const { files } = store.host;
  if (files.stamp(path) === null) return true;
  // Others have left it already: it was full, or refused something, while this work was going on.
  if (!store.layouts().slice(0, 1).includes(layout)) return true;
  if (!(await isFull(files, path))) return false;
  return store.leave(layout, path, 'ENOSPC');
}

async function isFull(files: Files, path: string): Promise<boolean> {
  const [bytes, count] = [await files.freeBytes(path), await files.freeFiles(path)];
  return (bytes !== null && bytes < LEAST_BYTES) || (count !== null && count < LEAST_FILES);
}

const OWNER = 'owner.json';
const GROUPS = 'groups';

function ownerIn(directory: string): string {
  return `${directory}/${OWNER}`;
}

/** Ends and removes what this user's dead processes left, and what is too old to be of use. */
async function clearDead(store: Store, layout: Layout): Promise<void> {
  const { host } = store;
  const own = store.ownIn(layout);
  for (const name of host.files.list(own.work).names) {
    const directory = `${own.work}/${name}`;
    if (await isInUse(host, directory)) continue;
    // Only a list in the private place is believed: nobody else can have written it.
    await host.processes.killRecorded(`${directory}/${GROUPS}`);
    await removeTemporariesOf(host, [layout, own], directory);
    await host.files.remove(directory);
  }
  await clearInUse(host, layout);
  if (layout !== store.main) return;
  await removeStandIns(host, store.standIns);
  await ageOnceADay(store);
}

/** Of a dead process whose record says that it was one of this host's: no doubt about the name then. */
async function removeTemporariesOf(
  host: Host,
  places: readonly Pick<PrivateLayout, 'temporary'>[],
  directory: string,
): Promise<void> {
  const text = await host.files.readText(ownerIn(directory), { noFollow: true });
  const owner = text.ok ? parseIdentity(text.value) : null;
  if (owner === null || host.isAlive(owner) !== false) return;
  for (const { temporary } of places) {
    for (const name of host.files.list(temporary).names)
      if (name.startsWith(temporaryPrefix(owner))) await host.files.remove(`${temporary}/${name}`);
  }
}

/** Whether the process that a workspace directory belongs to lives, or must be taken to. */
async function isInUse(host: Host, directory: string): Promise<boolean> {
  const record = ownerIn(directory);
  const text = await host.files.readText(record, { noFollow: true });
  const owner = text.ok ? parseIdentity(text.value) : null;
  const alive = owner === null ? null : host.isAlive(owner);
  if (alive !== null) return alive;
  // No record yet, or of another host: it counts as alive while somebody renews it, or when nothing can be said.
  const stamp = host.files.stamp(record) ?? host.files.stamp(directory);
  return stamp !== null && !(host.clock.nowMs() - stamp.mtimeMs >= FOREIGN_STALE_MS);
}
