/** The place where something is restored: temporary names beside it, leftovers of dead runs, links that lead away. */
import { dirname } from 'node:path';
import type { Files, Host } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { FOREIGN_STALE_MS } from './in-use.ts';
import { realmName } from './stand-ins.ts';

const PREFIX = '.bake-';
const SUFFIX = '.tmp';

/** This process in a part of a name. */
export function ownerName({ identity: { pid, startedAt, realm } }: Host): string {
  return `${pid}-${startedAt}-${realmName(realm)}`;
}

/**
 * Whether the process that is named at the beginning of `name` is dead. One of another container or an earlier start of the
 * machine cannot be seen: it counts as dead when nothing was done to `path` for an hour.
 */
export function isLeft({ files, clock, identity, isAlive }: Host, name: string, path: string): boolean {
  const [pid = '', startedAt = '', realm] = name.split('-');
  // No number of a process is longer; another name is the user's.
  if (!/^[1-9]\d{0,9}$/.test(pid)) return false;
  if (realm === realmName(identity.realm))
    return isAlive({ pid: Number(pid), startedAt, realm: identity.realm }) === false;
  const stamp = files.stamp(path);
  return stamp !== null && clock.nowMs() - Math.max(stamp.ctimeMs, stamp.mtimeMs) > FOREIGN_STALE_MS;
}

/** A free name in the same directory, which tells whose it is. */
export function temporaryBeside(host: Host, path: string): string {
  return `${dirname(path)}/${PREFIX}${ownerName(host)}-${host.files.randomName()}${SUFFIX}`;
}

/** Removes what a killed run left half-made in a directory. */
export async function clearLeftTemporaries(host: Host, directory: string): Promise<void> {
  for (const name of host.files.list(directory).names) {
    if (!name.startsWith(PREFIX) || !name.endsWith(SUFFIX)) continue;
    const path = `${directory}/${name}`;
    if (isLeft(host, name.slice(PREFIX.length, -SUFFIX.length), path)) await host.files.remove(path);
  }
}

/**
 * Where the way from `root` to `directory` (one below it, or itself) leads out of `root`: the first symbolic link that does,
 * or cannot be followed; null when it stays inside. Both are absolute; what does not exist yet cannot lead anywhere. In
 * doubt it leads out: a root that cannot be resolved is one.
 */
export function findEscape(files: Files, root: string, directory: string): string | null {
  const realRoot = files.realPath(root);
  if (realRoot === null) return root;
  const below = directory === root ? '' : directory.slice(root.length + 1);
  if (directory !== root && directory !== `${root}/${below}`) return directory;
  let path = root;
  for (const segment of below.split('/').filter((part) => part !== '')) {
    path = `${path}/${segment}`;
    if (segment === '..') return path;
    const type = files.stamp(path)?.type;
    // What cannot be looked at may lead anywhere.
    if (type === 'unknown') return path;
    if (type === 'link' && !leadsInto(files, realRoot, path)) return path;
  }
  return null;
}

/**
 * Makes the directory in which `to` is to be put, and asks again where it really lies: whoever may write to the checkout may
 * have put a link on the way meanwhile.
 */
export async function makeParent(
  files: Files,
  root: string | null,
  to: string,
): Promise<Result<void, Failure>> {
  const parent = dirname(to);
  const link = root === null ? null : findEscape(files, root, parent);
  if (link !== null) return fail({ code: 'restore-escapes', path: to, link });
  const made = await files.makeDirectory(parent);
  return made.ok ? isStillInside(files, root, to) : made;
}

/** Whether the directory of `to`, which is there, lies in `root`: asked once more at the moment of placing. */
export function isStillInside(files: Files, root: string | null, to: string): Result<void, Failure> {
  if (root === null) return ok(undefined);
  const realRoot = files.realPath(root);
  const parent = dirname(to);
  return realRoot !== null && leadsInto(files, realRoot, parent)
    ? ok(undefined)
    : fail({ code: 'restore-escapes', path: to, link: parent });
}

function leadsInto(files: Files, realRoot: string, path: string): boolean {
  const target = files.realPath(path);
  return (
    target !== null && (target === realRoot || target.startsWith(realRoot === '/' ? '/' : `${realRoot}/`))
  );
}
