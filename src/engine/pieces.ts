/** Artifacts as the files, links and directories that they are in a checkout. */
import type { Piece } from '../cache/place.ts';
import type { PlacedOutput } from '../incremental/state.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Session } from './session.ts';

/**
 * The pieces of an artifact, each directory before what is in it, paths relative to the checkout; null when its tree is not in
 * the cache. Layers are one file, if it is known which they make.
 */
export async function piecesOf(
  session: Session,
  { path, content }: Artifact,
  known: PlacedOutput | undefined,
): Promise<readonly Piece[] | null> {
  if (content.type === 'file') return [{ ...content, path }];
  if (content.type === 'layers')
    return known?.flat !== undefined && known.digest === content.digest ? [{ ...known.flat, path }] : [];
  const entries = await session.cache.blobs.tree(content.digest);
  if (entries === null) return null;
  const [first] = entries;
  const root: Piece =
    first?.path === '' && first.type === 'directory' ? { ...first, path } : { path, type: 'directory' };
  const below = entries.flatMap((entry): Piece[] => {
    if (entry.path === '') return [];
    if (entry.type !== 'file' || entry.sameAs === undefined)
      return [{ ...entry, path: `${path}/${entry.path}` }];
    return [{ ...entry, path: `${path}/${entry.path}`, sameAs: `${path}/${entry.sameAs}` }];
  });
  return [root, ...below];
}
