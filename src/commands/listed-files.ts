/** Files of a partition as another program lists them, with digests: how two such lists are compared. */
import { isRootTree, type PartitionDiff } from '../formats/disk-diff.ts';
import { compareTrees, type FileFacts, type FileTree } from '../formats/file-tree.ts';

/** A file with the digest of its content, in whatever form the program gives it; empty where it has none. */
export interface Listed extends FileFacts {
  readonly digest: string;
}

/** By the letters of `ls` and `find`, which agree on these. */
export const LISTED_TYPES: Readonly<Record<string, FileFacts['type']>> = {
  d: 'directory',
  l: 'link',
  p: 'pipe',
  s: 'socket',
  b: 'device',
  c: 'device',
};

/** The partition with what differs between its two lists. */
export async function compareListed(
  partition: PartitionDiff,
  before: FileTree<Listed>,
  after: FileTree<Listed>,
): Promise<PartitionDiff> {
  const changes = await compareTrees(before, after, async (one, other) => one.digest === other.digest);
  return { ...partition, changes, isRoot: isRootTree(before) || isRootTree(after), problem: null };
}
