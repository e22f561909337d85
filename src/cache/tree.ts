/** Tree manifests: a directory as a sorted list of entries, canonical, and checked when read so that nothing can escape on restore. */
import type { TreeEntry } from '../model/artifact.ts';
import { isDigest } from '../model/digest.ts';
import { byCodeUnit, canonicalJson, type JsonValue } from '../model/json.ts';

/** The manifest of a directory: the same entries give the same text, in whatever order they come. */
export function encodeTree(entries: readonly TreeEntry[]): string {
  const sorted = [...entries].sort((a, b) => byCodeUnit(a.path, b.path));
  return canonicalJson({ entries: sorted as unknown as JsonValue, format: 'bake-tree-1' });
}

/** The entries of a manifest, each parent before its children; null when it is not one that `encodeTree` could have made. */
export function decodeTree(text: string): readonly TreeEntry[] | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['format'] !== 'bake-tree-1' || !Array.isArray(value['entries'])) return null;
  const directories = new Set<string>();
  const seen = new Set<string>();
  for (const entry of value['entries'] as unknown[]) {
    if (!isEntry(entry) || seen.has(entry.path)) return null;
    seen.add(entry.path);
    // A parent that is a link or a file could lead out of the tree. Sorting puts parents first.
    const parent = parentOf(entry.path);
    if (parent !== null && !directories.has(parent)) return null;
    if (entry.type === 'directory') directories.add(entry.path);
  }
  return value['entries'] as TreeEntry[];
}

function isEntry(entry: unknown): entry is TreeEntry {
  if (!isRecord(entry) || typeof entry['path'] !== 'string' || !isInside(entry['path'])) return false;
  switch (entry['type']) {
    case 'directory':
      return true;
    case 'link':
      return typeof entry['target'] === 'string' && entry['target'] !== '' && !entry['target'].includes('\0');
    case 'file':
      return (
        typeof entry['digest'] === 'string' &&
        isDigest(entry['digest']) &&
        Number.isSafeInteger(entry['sizeBytes']) &&
        (entry['sizeBytes'] as number) >= 0 &&
        typeof entry['executable'] === 'boolean'
      );
    default:
      return false;
  }
}

/** Whether a path is relative and made of plain segments only. */
export function isInside(path: string): boolean {
  return (
    !path.includes('\0') &&
    path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  );
}

function parentOf(path: string): string | null {
  const at = path.lastIndexOf('/');
  return at < 0 ? null : path.slice(0, at);
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
