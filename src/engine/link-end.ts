/** Goes the way of a link as the kernel does, step by step, so that everything on it is known and can be looked at again. */
import type { Files, Stamp } from '../host/host.ts';

/** Where a chain of links ends. */
export type LinkEnd =
  | {
      readonly type: 'found';
      /** Absolute, without links. */
      readonly place: string;
      readonly stamp: Stamp;
      /** Absolute paths of the links on the way, the first included. */
      readonly passed: readonly string[];
    }
  | { readonly type: 'nowhere' }
  | { readonly type: 'unknown'; readonly errno: string };

/** As the kernel counts. */
const MOST_HOPS = 40;

/** How far the way has been gone. */
interface Walk {
  /** Absolute, without links. */
  at: string;
  /** Names that are left, the next one last. */
  readonly ahead: string[];
  readonly passed: string[];
}

/**
 * Where the link at an absolute path leads. `meets` hears of every link and of what is absent on the way: should one change,
 * it would lead elsewhere.
 */
export function linkEnd(
  files: Files,
  link: string,
  meets: (place: string, stamp: Stamp | null) => void,
): LinkEnd {
  const slash = link.lastIndexOf('/');
  const parent = files.realPath(link.slice(0, slash) || '/');
  if (parent === null) return { type: 'nowhere' };
  const walk: Walk = { at: parent, ahead: [link.slice(slash + 1)], passed: [] };
  for (let name = walk.ahead.pop(); name !== undefined; name = walk.ahead.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      walk.at = walk.at.slice(0, Math.max(0, walk.at.lastIndexOf('/'))) || '/';
      continue;
    }
    const end = step(files, walk, name, meets);
    if (end !== null) return end;
  }
  return ended(files, walk);
}

/** Goes on to a name; not null where that is the end. */
function step(
  files: Files,
  walk: Walk,
  name: string,
  meets: (place: string, stamp: Stamp | null) => void,
): LinkEnd | null {
  const next = walk.at === '/' ? `/${name}` : `${walk.at}/${name}`;
  const stamp = files.stamp(next);
  if (stamp?.type === 'unknown') return { type: 'unknown', errno: stamp.errno ?? '' };
  if (stamp === null || stamp.type === 'link') meets(next, stamp);
  if (stamp === null) return { type: 'nowhere' };
  if (stamp.type !== 'link') {
    walk.at = next;
    return stamp.type !== 'directory' && walk.ahead.length > 0 ? { type: 'nowhere' } : null;
  }
  walk.passed.push(next);
  if (walk.passed.length > MOST_HOPS) return { type: 'nowhere' };
  const text = files.readLink(next);
  if (!text.ok) return { type: 'unknown', errno: text.failure.errno };
  if (text.value.startsWith('/')) walk.at = '/';
  walk.ahead.push(...text.value.split('/').reverse());
  return null;
}

function ended(files: Files, { at, passed }: Walk): LinkEnd {
  const stamp = files.stamp(at);
  if (stamp === null) return { type: 'nowhere' };
  if (stamp.type === 'unknown') return { type: 'unknown', errno: stamp.errno ?? '' };
  return { type: 'found', place: at, stamp, passed };
}
