/** The place where something is restored: temporary names beside it, leftovers of dead runs, links that lead away. */
import { dirname } from 'node:path';
import type { Files, Host } from '../host/host.ts';

const PREFIX = '.bake-';
const SUFFIX = '.tmp';

let names = 0;

/** A free name in the same directory, which tells whose it is. */
export function temporaryBeside(host: Host, path: string): string {
  names += 1;
  const { pid, startedAt } = host.identity;
  return `${dirname(path)}/${PREFIX}${pid}-${startedAt}-${names}${SUFFIX}`;
}

/** Removes what a killed run left half-made in a directory. */
export async function clearLeftTemporaries(host: Host, directory: string): Promise<void> {
  for (const name of host.files.list(directory).names) {
    if (!name.startsWith(PREFIX) || !name.endsWith(SUFFIX)) continue;
    const [pid, startedAt] = name.slice(PREFIX.length, -SUFFIX.length).split('-');
    const owner = { pid: Number(pid), startedAt: startedAt ?? '', realm: host.identity.realm };
    if (Number.isSafeInteger(owner.pid) && host.isAlive(owner) === false)
      await host.files.remove(`${directory}/${name}`);
  }
}

/**
 * The first symbolic link between `root` and `directory` (one below it, or itself) that leads out of `root`; null when
 * there is none. Both are absolute; what does not exist yet cannot lead anywhere.
 */
export function findEscape(files: Files, root: string, directory: string): string | null {
  const realRoot = files.realPath(root) ?? root;
  const below = directory === root ? '' : directory.slice(root.length + 1);
  let path = root;
  for (const segment of below.split('/').filter((part) => part !== '')) {
    path = `${path}/${segment}`;
    const type = files.stamp(path)?.type;
    // What cannot be looked at may lead anywhere.
    if (type === 'unknown') return path;
    if (type !== 'link') continue;
    const target = files.realPath(path);
    if (target === null || (target !== realRoot && !target.startsWith(`${realRoot}/`))) return path;
  }
  return null;
}
