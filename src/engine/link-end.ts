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

/**
 * Where the link at an absolute path leads. `meets` hears of every link and of what is absent on the way: should one change,
 * it would lead elsewhere.
 */
export function linkEnd(
  files: Files,
  link: string,
  meets: (place: string, stamp: Stamp | null) => void,
): LinkEnd {
  const passed: string[] = [];
  const slash = link.lastIndexOf('/');
  const parent = files.realPath(link.slice(0, slash) || '/');
  if (parent === null) return { type: 'nowhere' };
  let at = parent;
  const ahead = [link.slice(slash + 1)];
  for (;;) {
    const name = ahead.pop();
    if (name === undefined) return ended(files, at, passed);
    if (name === '' || name === '.') continue;
    if (name === '..') {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/'))) || '/';
      continue;
    }
    const next = at === '/' ? `/${name}` : `${at}/${name}`;
    const stamp = files.stamp(next);
    if (stamp?.type === 'unknown') return { type: 'unknown', errno: stamp.errno ?? '' };
    if (stamp === null) {
      meets(next, null);
      return { type: 'nowhere' };
    }
    if (stamp.type !== 'link') {
      if (stamp.type !== 'directory' && ahead.some((rest) => rest !== '')) return { type: 'nowhere' };
      at = next;
      continue;
    }
    meets(next, stamp);
    passed.push(next);
    const text = files.readLink(next);
    if (!text.ok) return { type: 'unknown', errno: text.failure.errno };
    if (passed.length > MOST_HOPS) return { type: 'nowhere' };
    if (text.value.startsWith('/')) at = '/';
    ahead.push(...text.value.split('/').reverse());
  }
}

function ended(files: Files, place: string, passed: readonly string[]): LinkEnd {
  const stamp = files.stamp(place);
  if (stamp === null) return { type: 'nowhere' };
  if (stamp.type === 'unknown') return { type: 'unknown', errno: stamp.errno ?? '' };
  return { type: 'found', place, stamp, passed };
}
