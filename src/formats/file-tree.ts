/** What differs between two trees of files, wherever they come from: names, types, modes, owners, sizes, contents. */

export interface FileFacts {
  readonly type: 'file' | 'directory' | 'link' | 'pipe' | 'socket' | 'device';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file; 0 of everything else, whose size means nothing. */
  readonly sizeBytes: number;
  /** Where a link leads; null for everything else. */
  readonly target: string | null;
}

/** By absolute path. */
export type FileTree<F extends FileFacts = FileFacts> = ReadonlyMap<string, F>;

export type Aspect = 'type' | 'mode' | 'owner' | 'size' | 'content' | 'target';

export interface TreeChanges {
  readonly added: readonly (readonly [string, FileFacts])[];
  readonly removed: readonly (readonly [string, FileFacts])[];
  readonly changed: readonly {
    readonly path: string;
    readonly aspects: readonly Aspect[];
    readonly before: FileFacts;
    readonly after: FileFacts;
  }[];
}

/** Compares; times do not count. `sameContent` is asked of files of one size alone. */
export async function compareTrees<F extends FileFacts>(
  before: FileTree<F>,
  after: FileTree<F>,
  sameContent: (before: F, after: F) => Promise<boolean>,
): Promise<TreeChanges> {
  const changed: TreeChanges['changed'][number][] = [];
  for (const [path, was] of before) {
    const is = after.get(path);
    if (is === undefined) continue;
    const aspects = await aspectsOf(was, is, sameContent);
    if (aspects.length > 0) changed.push({ path, aspects, before: was, after: is });
  }
  const only = (tree: FileTree<F>, other: FileTree<F>) =>
    [...tree].filter(([path]) => !other.has(path)).sort(byPath);
  return {
    added: only(after, before),
    removed: only(before, after),
    changed: changed.sort((a, b) => byPath([a.path], [b.path])),
  };
}

async function aspectsOf<F extends FileFacts>(
  before: F,
  after: F,
  sameContent: (before: F, after: F) => Promise<boolean>,
): Promise<readonly Aspect[]> {
  const aspects: Aspect[] = [];
  if (before.type !== after.type) aspects.push('type');
  if (before.mode !== after.mode) aspects.push('mode');
  if (before.uid !== after.uid || before.gid !== after.gid) aspects.push('owner');
  if (before.type !== after.type) return aspects;
  if (before.target !== after.target) aspects.push('target');
  if (before.sizeBytes !== after.sizeBytes) aspects.push('size', 'content');
  else if (before.type === 'file' && !(await sameContent(before, after))) aspects.push('content');
  return aspects;
}

function byPath([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
