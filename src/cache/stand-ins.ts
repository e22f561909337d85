/** Temporary directories that stand in for a cache that cannot be written: their names tell whose they are, so that those of the dead can be removed. */
import { hash } from 'node:crypto';
import type { Host, ProcessIdentity } from '../host/host.ts';

const PREFIX = 'bake-cache-';

/** How the name of a process's stand-in begins. */
export function standInName({ realm, pid, startedAt }: ProcessIdentity): string {
  return `${PREFIX}${realmName(realm)}-${pid}-${startedAt}-`;
}

/** Removes the stand-ins of this user's dead processes from a directory for temporary files. */
export async function removeStandIns({ files, identity, isAlive }: Host, directory: string): Promise<void> {
  for (const name of files.list(directory).names) {
    if (!name.startsWith(PREFIX)) continue;
    const [realm, pid, startedAt] = name.slice(PREFIX.length).split('-');
    if (realm !== realmName(identity.realm) || !/^\d+$/.test(pid ?? '') || startedAt === undefined) continue;
    const path = `${directory}/${name}`;
    const isLeft = isAlive({ pid: Number(pid), startedAt, realm: identity.realm }) === false;
    if (isLeft && files.stamp(path)?.type === 'directory' && files.isOwn(path)) await files.remove(path);
  }
}

/** A realm without what names must not have. */
export function realmName(realm: string): string {
  return hash('sha256', realm, 'hex').slice(0, 8);
}
