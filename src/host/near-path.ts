/** Shorter names of places, for what is looked up a hundred thousand times: the kernel goes through each part of a path anew. */

const SLASH = '/'.charCodeAt(0);

/** The same place, relative to the directory that the process is in where it lies below that. */
export function nearPath(path: string): string {
  const here = process.cwd();
  const start = here.length + 1;
  const isBelow = path.charCodeAt(here.length) === SLASH && path.startsWith(here);
  // What another slash follows, or nothing, would not be the same without what is before it.
  return isBelow && path.length > start && path.charCodeAt(start) !== SLASH ? path.slice(start) : path;
}
