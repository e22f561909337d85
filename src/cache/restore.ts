/** Puts content where it is wanted: whole under a temporary name, then renamed, never written through a link. */
import { dirname } from 'node:path';
import type { Content } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import { ok, type Result } from '../model/result.ts';
import type { RestoreMode } from './cache.ts';
import { clearLeftTemporaries, isStillInside, makeParent, temporaryBeside } from './destination.ts';
import { type FileParts, makeContent } from './make-content.ts';
import type { Soundness } from './soundness.ts';
import type { Store } from './store.ts';

/**
 * A private file is dated back by this: whatever the clock's grain, a later write gives it another time, so that its
 * digest can be remembered at once.
 */
const BACKDATED_MS = 3_000;

/** See `Cache.restore`. `onPlaced` hears of every private file with what it holds. */
export async function restoreContent(
  store: Store,
  soundness: Soundness,
  request: {
    readonly content: Content;
    readonly to: string;
    readonly mode: RestoreMode;
    readonly root: string | null;
  },
  onPlaced: (path: string, content: FileParts) => void,
): Promise<Result<void, Failure>> {
  const { files, clock } = store.host;
  const { content, to, mode, root } = request;
  const parent = dirname(to);
  const made = await makeParent(files, root, to);
  if (!made.ok) return made;
  if (mode === 'private') await clearLeftTemporaries(store.host, parent);

  // Nobody looks for a stage's input before the stage begins; and a rename would change the ctime of a linked blob.
  const isDirect = mode === 'shared' && files.stamp(to) === null;
  const temporary = isDirect ? to : temporaryBeside(store.host, to);
  const placed: [string, FileParts][] = [];
  const built = await makeContent(store, soundness, content, temporary, {
    mode,
    dated: () => clock.nowMs() - BACKDATED_MS,
    onFile: (below, file) => placed.push([below, file]),
  });
  const inside = built.ok ? isStillInside(files, root, to) : built;
  const swapped = inside.ok && !isDirect ? await swapIn(store, temporary, to) : inside;
  if (!swapped.ok) {
    await files.remove(temporary);
    return swapped;
  }
  if (mode === 'shared') await soundness.links.settle();
  for (const [below, file] of placed) onPlaced(`${to}${below}`, file);
  return ok(undefined);
}

/** Renames into place; what was there (a directory too) is gone afterwards. A link there is replaced, not followed. */
async function swapIn(store: Store, from: string, to: string): Promise<Result<void, Failure>> {
  const { files } = store.host;
  const existing = files.stamp(to);
  const directories = existing?.type === 'directory' || files.stamp(from)?.type === 'directory';
  if (existing === null || !directories) return files.rename(from, to);
  const old = temporaryBeside(store.host, to);
  const aside = await files.rename(to, old);
  if (!aside.ok) return aside;
  const moved = await files.rename(from, to);
  if (!moved.ok) {
    await files.rename(old, to);
    return moved;
  }
  return files.remove(old);
}
