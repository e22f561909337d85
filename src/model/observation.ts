/** What a watched process asked of a path, and what it saw there: the material of a trace. See docs/design/traces.md. */
import type { Digest } from './digest.ts';

/** What was asked of one path. */
export interface Asks {
  /** Opened for reading. */
  readonly open: boolean;
  /** Whether it is there and what it is, links followed. */
  readonly stat: boolean;
  /** Whether it is a link, and where it leads. */
  readonly link: boolean;
  /** The names in it. */
  readonly list: boolean;
}

/** What is at a path when links are followed. `unreadable`: this user may not know. */
export type SeenKind = 'absent' | 'file' | 'executable' | 'directory' | 'other' | 'unreadable';

/**
 * The answers to all that was asked of one path: only those that were asked for, and never a time, an owner or an inode, so
 * that they are the same in every checkout. From the answers it can be told what was asked: see `asksOf`.
 */
export interface Observation {
  readonly is?: SeenKind;
  /** Of a file whose content was not asked for. */
  readonly sizeBytes?: number;
  /** The text of a link; null for what is none. */
  readonly link?: string | null;
  /** Of the content of a file. */
  readonly digest?: Digest;
  /** The names in a directory, each with a mark for what it is: see `entryOf`. Of many names the digest. */
  readonly entries?: readonly string[] | Digest;
}

/** The questions to which these are the answers: asked again of the same files they give the same. */
export function asksOf({ is, link, digest, entries }: Observation): Asks {
  return {
    open: digest !== undefined,
    stat: is !== undefined,
    link: link !== undefined,
    list: entries !== undefined,
  };
}

const OF_KERNEL = /^\/(?:proc|sys|dev(?!\/shm\/))(?:\/|$)/;

/** Whether an absolute path lies where the kernel makes files up: they say something else each time, and may have no end. */
export function isOfKernel(path: string): boolean {
  return OF_KERNEL.test(path);
}

/** Of more names than this only the digest is kept. */
export const MOST_NAMES = 256;

/** A name as a listing has it: `a` of a file, `a/` of a directory, `a/?` of what is neither or leads nowhere; of links to these `a/@`, `a/@/` and `a/@?`. */
export function entryOf(name: string, is: SeenKind, isLink: boolean): string {
  const mark = is === 'file' || is === 'executable' ? '' : is === 'directory' ? '/' : '?';
  if (isLink) return `${name}/@${mark}`;
  return mark === '?' ? `${name}/?` : name + mark;
}

/** The name alone. */
export function nameOf(entry: string): string {
  return entry.split('/')[0] ?? '';
}

/** Both together. */
export function moreAsks(one: Asks, other: Asks | undefined): Asks {
  if (other === undefined) return one;
  return {
    open: one.open || other.open,
    stat: one.stat || other.stat,
    link: one.link || other.link,
    list: one.list || other.list,
  };
}

export const OPENED: Asks = { open: true, stat: true, link: false, list: false };
export const LISTED: Asks = { open: false, stat: true, link: false, list: true };
export const LINKED: Asks = { open: false, stat: false, link: true, list: false };
export const STATTED: Asks = { open: false, stat: true, link: true, list: false };
