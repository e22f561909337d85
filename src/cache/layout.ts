/** Where things lie in a cache directory: cacache's own layout for content and index, and bake's directories beside it. */
import { sha256Hex } from '../host/sha256.ts';
import { type Digest, hexOf } from '../model/digest.ts';

/** Raised when a cache of before must not be read any more: an old one is then left alone, and a new one begun beside it. */
const FORMAT = 'v1';

/** Absolute paths of what is shared in one cache directory: what others wrote there is checked when it is read. */
export interface Layout {
  /** The cache directory as the user named it. */
  readonly directory: string;
  /** Holds all that follows. */
  readonly root: string;
  /** Files that are being made where the private directory is on another file system; renamed into place when whole. */
  readonly temporary: string;
  /** One file for each running process, with the results that it rests on. */
  readonly inUse: string;
  readonly locks: string;
  readonly quarantine: string;
  /** What earlier versions kept there, for everybody to change. It is left alone and never read. */
  readonly old: readonly string[];
  /** Written whenever results are removed, so that a run with nothing to do notices by one look. */
  readonly removals: string;
  readonly index: string;
  readonly content: string;
  /** The file that holds the bytes of a digest. */
  blob(digest: Digest): string;
  /** The file that holds the index entry of a key. */
  bucket(key: string): string;
}

/** The layout of a cache directory; touches nothing. */
export function layoutOf(directory: string): Layout {
  const root = `${directory}/${FORMAT}`;
  const index = `${root}/index-v5`;
  const content = `${root}/content-v2/sha256`;
  return {
    directory,
    root,
    temporary: `${root}/tmp`,
    inUse: `${root}/work`,
    locks: `${root}/locks`,
    quarantine: `${root}/quarantine`,
    old: ['memo', 'checkouts', 'quick', 'sides', 'partial'].map((name) => `${root}/${name}`),
    removals: `${root}/removals`,
    index,
    content,
    blob: (digest) => `${content}/${fanOut(hexOf(digest))}`,
    bucket: (key) => `${index}/${fanOut(sha256Hex(key))}`,
  };
}

/** 65,536 directories, so that none grows large. */
function fanOut(hex: string): string {
  return `${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}`;
}
