/** Tree manifests: a directory as a sorted list of entries, canonical, and checked when read so that nothing can escape on restore. */
import type { TreeEntry } from '../model/artifact.ts';
import { isDigest } from '../model/digest.ts';
import { byCodeUnit, canonicalJson, type JsonValue } from '../model/json.ts';

type FileEntry = Extract<TreeEntry, { type: 'file' }>;

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
  const seen = new Map<string, TreeEntry>();
  for (const entry of value['entries'] as unknown[]) {
    if (!isEntry(entry) || seen.has(entry.path)) return null;
    if (entry.type === 'file' && entry.sameAs !== undefined && !isSameFile(seen.get(entry.sameAs), entry))
      return null;
    seen.set(entry.path, entry);
    if (entry.path === '') continue;
    // A parent that is a link or a file could lead out of the tree. Sorting puts parents first.
    const parent = parentOf(entry.path);
    if (parent !== null && !directories.has(parent)) return null;
    if (entry.type === 'directory') directories.add(entry.path);
  }
  return value['entries'] as TreeEntry[];
}

function isEntry(entry: unknown): entry is TreeEntry {
  if (!isRecord(entry) || typeof entry['path'] !== 'string' || !hasGoodExtras(entry)) return false;
  // The root itself, where there is something to say of it.
  if (entry['path'] === '') return entry['type'] === 'directory';
  if (!isInside(entry['path'])) return false;
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
        typeof entry['executable'] === 'boolean' &&
        (entry['sameAs'] === undefined || typeof entry['sameAs'] === 'string')
      );
    default:
      return false;
  }
}

/** A hard link says the same of itself as the entry that it is a link to, which is no hard link itself. */
function isSameFile(first: TreeEntry | undefined, { sameAs: _, path: __, ...link }: FileEntry): boolean {
  if (first?.type !== 'file' || first.sameAs !== undefined) return false;
  const { path: ___, ...file } = first;
  return canonicalJson(file as unknown as JsonValue) === canonicalJson(link as unknown as JsonValue);
}

/** Whether what is said besides bytes, if anything, is something that can be said of a file or directory. */
export function hasGoodExtras(entry: { readonly [key: string]: unknown }): boolean {
  const { private: own, special, attributes } = entry;
  return (
    (own === undefined || own === true) &&
    (special === undefined || (Number.isInteger(special) && Number(special) >= 1 && Number(special) <= 7)) &&
    (attributes === undefined ||
      (isRecord(attributes) &&
        Object.entries(attributes).every(
          ([name, value]) =>
            isAttributeName(name) &&
            typeof value === 'string' &&
            value.length <= MOST_VALUE &&
            isBase64(value),
        )))
  );
}

/** The attributes that are kept: those of users, and the capabilities of a program. */
export function isAttributeName(name: string): boolean {
  return name === 'security.capability' || (/^user\.[^\0]+$/.test(name) && name.length <= MOST_NAME);
}

/** Linux takes no longer name of an attribute. */
const MOST_NAME = 255;

/** Nor a longer value: 64 KiB, here as base64. */
const MOST_VALUE = 87_384;

function isBase64(text: string): boolean {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
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
