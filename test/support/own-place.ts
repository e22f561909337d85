/** Where bake keeps what is this user's alone of a cache, seen from outside. */
import { join } from 'node:path';

/** A path in the private part of a cache directory. */
export function ownPath(cache: string, ...parts: readonly string[]): string {
  return join(cache, 'private', String(process.getuid?.() ?? 0), ...parts);
}
