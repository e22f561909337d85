/** Finds files of the checkout that a failed command asked for in vain, because its stage does not declare them. */
import type { Files } from '../host/host.ts';

const MOST_WORDS = 2000;
const MOST_FOUND = 8;
const SEPARATORS = /[\s'"`‘’“”()<>|;,=]+/;

/**
 * Looks in the output of a command, and in the command itself, for names of files that exist in the checkout but not in
 * the workspace. Paths are relative to the workspace, or absolute in either directory.
 */
export function undeclaredFiles(
  lines: readonly string[],
  where: { readonly root: string; readonly workspace: string; readonly files: Files },
): readonly string[] {
  const found = new Set<string>();
  const words = new Set(lines.flatMap((line) => line.split(SEPARATORS)).slice(-MOST_WORDS));
  for (const word of words) {
    const path = relativePath(word.replace(/[:.!?]+$/, ''), where);
    if (path === null || found.has(path)) continue;
    if (where.files.stamp(`${where.workspace}/${path}`) !== null) continue;
    if (where.files.stamp(`${where.root}/${path}`)?.type !== 'file') continue;
    found.add(path);
    if (found.size === MOST_FOUND) break;
  }
  return [...found];
}

function relativePath(word: string, where: { root: string; workspace: string }): string | null {
  for (const directory of [where.workspace, where.root]) {
    if (word.startsWith(`${directory}/`)) return tidy(word.slice(directory.length + 1));
  }
  return word.startsWith('/') || word.startsWith('-') ? null : tidy(word);
}

/** Without a leading `./` and a trailing `:12` as compilers write it; null when it leads out, or is no path at all. */
function tidy(word: string): string | null {
  const path = word.replace(/^(?:\.\/)+/, '').replace(/(?::\d+)+$/, '');
  const parts = path.split('/');
  return path === '' ||
    path.length > 1000 ||
    parts.some((part) => part === '..' || part === '.' || part === '')
    ? null
    : path;
}
