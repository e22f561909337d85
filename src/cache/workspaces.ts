/** Workspaces: empty directories on the cache's file system, and the clearing away of those whose process is dead. */
import type { Host, ProcessIdentity } from '../host/host.ts';
import type { Fingerprint } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Layout } from './layout.ts';
import { makeSkeleton, type Skeleton, strip } from './skeletons.ts';
import { type Store, temporaryPrefix } from './store.ts';

/** Whether a process of another host lives cannot be seen; its record is renewed while it does. */
const RENEW_MS = 60_000;
const FOREIGN_STALE_MS = 60 * 60_000;

export interface Workspaces {
  /** Notes that this process rests on results: removal spares them while the process lives. Trouble costs protection only. */
  noteUses(fingerprints: readonly Fingerprint[]): Promise<void>;
  make(
    empty: readonly string[],
  ): Promise<Result<{ readonly path: string; dispose(): Promise<void> }, Failure>>;
  close(): Promise<void>;
}

/** Workspaces of this process, all below one directory with one record of whose they are. */
export function workspacesOf(store: Store): Workspaces {
  const { files, processes } = store.host;
  const homes = new Map<Layout, string>();
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

  const home = async (layout: Layout) => {
    const known = homes.get(layout);
    if (known !== undefined) return ok(known);
    await clearDead(store.host, layout);
    const made = await files.makeTemporaryDirectory(layout.work, '');
    if (!made.ok) return made;
    const record = `${made.value}/${OWNER}`;
    const recorded = await files.replaceFile(record, JSON.stringify(store.host.identity), { flush: false });
    if (!recorded.ok) return recorded;
    const born = await files.writeFile(`${made.value}/${BORN}`, '');
    if (!born.ok) return born;
    processes.recordIn(`${made.value}/${GROUPS}`);
    renewal ??= setInterval(() => {
      for (const directory of homes.values())
        void files.replaceFile(`${directory}/${OWNER}`, JSON.stringify(store.host.identity), {
          flush: false,
        });
    }, RENEW_MS).unref();
    homes.set(layout, made.value);
    return made;
  };

  return {
    async noteUses(fingerprints) {
      const more = store.lookOnly ? [] : fingerprints.filter((fingerprint) => !used.has(fingerprint));
      if (more.length === 0) return;
      for (const fingerprint of more) used.add(fingerprint);
      await store.write(async (layout) => {
        const directory = await home(layout);
        return directory.ok
          ? files.appendFile(`${directory.value}/${USES}`, more.map((one) => `${one}\n`).join(''))
          : directory;
      });
    },

    async make(empty) {
      const made = await store.write(async (layout) => {
        const parent = await home(layout);
        if (!parent.ok) return parent;
        numbered += 1;
        const path = `${parent.value}/${numbered}`;
        // Under a new name, so that nobody who knew it before finds it again.
        const old = takeLike(empty);
        if (old !== null && (await files.rename(old.path, path)).ok) return ok({ ...old, path });
        return makeSkeleton(files, path, empty);
      });
      if (!made.ok) return fail(made.failure);
      const skeleton = made.value;
      return ok({
        path: skeleton.path,
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
      for (const directory of homes.values()) await files.remove(directory);
      homes.clear();
    },
  };
}

const OWNER = 'owner.json';
const GROUPS = 'groups';
const USES = 'uses';
/** Never touched again: its time is when the process began to use the cache. */
const BORN = 'born';

/** What running processes rest on, and since when the oldest of them has been running (null: none runs). */
export async function inUse(
  host: Host,
  layout: Layout,
): Promise<{ readonly fingerprints: ReadonlySet<string>; readonly sinceMs: number | null }> {
  const fingerprints = new Set<string>();
  let sinceMs: number | null = null;
  for (const name of host.files.list(layout.work).names) {
    const directory = `${layout.work}/${name}`;
    if (!(await isInUse(host, directory))) continue;
    const uses = await host.files.readText(`${directory}/${USES}`);
    for (const line of uses.ok ? uses.value.split('\n') : []) fingerprints.add(line);
    // The directory's own inode was made when the process started; its file system's clock is that of the blobs.
    const bornMs = host.files.stamp(`${directory}/${BORN}`)?.ctimeMs ?? 0;
    sinceMs = Math.min(sinceMs ?? bornMs, bornMs);
  }
  return { fingerprints, sinceMs };
}

/** Ends and removes what dead processes left in a layout. */
async function clearDead(host: Host, layout: Layout): Promise<void> {
  for (const name of host.files.list(layout.work).names) {
    const directory = `${layout.work}/${name}`;
    if (await isInUse(host, directory)) continue;
    await host.processes.killRecorded(`${directory}/${GROUPS}`);
    await removeTemporariesOf(host, layout, directory);
    await host.files.remove(directory);
  }
  await clearTemporaries(host, layout);
}

/** Of a dead process whose record says that it was one of this host's: no doubt about the name then. */
async function removeTemporariesOf(host: Host, layout: Layout, directory: string): Promise<void> {
  const text = await host.files.readText(`${directory}/${OWNER}`);
  const owner = text.ok ? parseOwner(text.value) : null;
  if (owner === null || host.isAlive(owner) !== false) return;
  for (const name of host.files.list(layout.temporary).names) {
    if (name.startsWith(temporaryPrefix(owner))) await host.files.remove(`${layout.temporary}/${name}`);
  }
}

/** Temporary files are named after their process (see `Store.temporaryPath`), those of other programs are left a day. */
async function clearTemporaries(host: Host, layout: Layout): Promise<void> {
  for (const name of host.files.list(layout.temporary).names) {
    const [pid, startedAt] = name.split('-');
    const owner = {
      pid: Number.parseInt(pid ?? '', 36),
      startedAt: startedAt ?? '',
      realm: host.identity.realm,
    };
    const path = `${layout.temporary}/${name}`;
    const ageMs = host.clock.nowMs() - (host.files.stamp(path)?.ctimeMs ?? 0);
    // The realm is not in the name: a file of another host looks dead, so it gets the time that a copy may take.
    if (ageMs > FOREIGN_STALE_MS && host.isAlive(owner) !== true) await host.files.remove(path);
  }
}

/** Whether the process that a workspace directory belongs to lives, or must be taken to. */
async function isInUse(host: Host, directory: string): Promise<boolean> {
  const record = `${directory}/${OWNER}`;
  const text = await host.files.readText(record);
  const owner = text.ok ? parseOwner(text.value) : null;
  const alive = owner === null ? null : host.isAlive(owner);
  if (alive !== null) return alive;
  // No record yet, or of another host: it counts as alive while somebody renews it.
  const stamp = host.files.stamp(record) ?? host.files.stamp(directory);
  return stamp !== null && host.clock.nowMs() - stamp.mtimeMs < FOREIGN_STALE_MS;
}

function parseOwner(text: string): ProcessIdentity | null {
  try {
    const value = JSON.parse(text) as Partial<ProcessIdentity>;
    const { pid, startedAt, realm } = value;
    if (typeof pid !== 'number' || typeof startedAt !== 'string' || typeof realm !== 'string') return null;
    return { pid, startedAt, realm };
  } catch {
    return null;
  }
}
