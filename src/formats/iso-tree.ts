/** The directory tree of an ISO image: from flat paths to nodes that carry a name for each of the three views. */
import { byCodeUnit } from '../model/json.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';

/** A file that shall be in the image. `path` is relative, `/` separated. */
export interface IsoFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
  /** Where a symbolic link leads; it has no content, and only Rock Ridge knows it. */
  readonly link?: string;
}

export interface IsoNode {
  /** As given, for Rock Ridge. */
  readonly name: string;
  /** Plain ISO 9660 identifier, with `;1` for a file. */
  readonly isoName: string;
  readonly jolietName: string;
  readonly file: IsoFile | null;
  /** Empty for a file. */
  readonly children: readonly IsoNode[];
}

// Without continuation areas for names a directory record has room for this much; Joliet itself ends at 64 characters.
const MOST_NAME_BYTES = 110;
const MOST_NAME_CHARACTERS = 64;
// ECMA-119 6.8.2.1: eight levels, the root being the first.
const MOST_LEVELS = 8;
// One extent's length is a 32-bit number.
const MOST_FILE_BYTES = 0xffffffff;

// Fits a continuation area, which is within a sector.
const MOST_LINK_BYTES = 1024;

/** The tree of these files and (perhaps empty) directories, or one sentence that says why it cannot be. */
export function isoTree(files: readonly IsoFile[], directories: readonly string[]): Result<IsoNode, string> {
  const root: Draft = { file: null, children: new Map() };
  for (const file of files) {
    const problem = problemOf(file) ?? insert(root, file);
    if (problem !== null) return fail(problem);
  }
  for (const path of directories) {
    // As if a file lay in it, which is not put there.
    const problem = problemOf({ path: `${path}/x`, sizeBytes: 0, executable: false }) ?? enter(root, path);
    if (typeof problem === 'string') return fail(problem);
  }
  return ok(nodeOf('', '', '', root));
}

interface Draft {
  readonly file: IsoFile | null;
  readonly children: Map<string, Draft>;
}

function problemOf(file: IsoFile): string | null {
  const segments = file.path.split('/');
  if (segments.some((name) => name === '' || name === '.' || name === '..' || name.includes('\0')))
    return `\`${file.path}\` is no relative path of a file`;
  if (segments.length > MOST_LEVELS - 1)
    return `\`${file.path}\` is nested deeper than the ${MOST_LEVELS} levels that ISO 9660 allows`;
  const long = segments.find(
    (name) => name.length > MOST_NAME_CHARACTERS || Buffer.byteLength(name) > MOST_NAME_BYTES,
  );
  if (long !== undefined)
    return `the name \`${long}\` is longer than ${MOST_NAME_CHARACTERS} characters or ${MOST_NAME_BYTES} bytes`;
  const { link } = file;
  if (link !== undefined && (link === '' || Buffer.byteLength(link) > MOST_LINK_BYTES))
    return `the link \`${file.path}\` leads to a path of more than ${MOST_LINK_BYTES} bytes`;
  if (link?.split('/').some((segment) => Buffer.byteLength(segment) > 240))
    return `the link \`${file.path}\` leads to a name of more than 240 bytes`;
  if (file.sizeBytes > MOST_FILE_BYTES) return `\`${file.path}\` is larger than 4 GiB`;
  return null;
}

/** The directory of a path, made as far as it is not there; else why it cannot be. */
function enter(root: Draft, path: string): Draft | string {
  let directory = root;
  for (const name of path === '' ? [] : path.split('/')) {
    const next = directory.children.get(name) ?? { file: null, children: new Map() };
    if (next.file !== null) return `\`${path}\` lies below \`${next.file.path}\`, which is a file`;
    directory.children.set(name, next);
    directory = next;
  }
  return directory;
}

function insert(root: Draft, file: IsoFile): string | null {
  const slash = file.path.lastIndexOf('/');
  const last = file.path.slice(slash + 1);
  const directory = enter(root, file.path.slice(0, Math.max(0, slash)));
  if (typeof directory === 'string') return directory;
  if (directory.children.has(last)) return `\`${file.path}\` is there twice`;
  directory.children.set(last, { file, children: new Map() });
  return null;
}

function nodeOf(name: string, isoName: string, jolietName: string, draft: Draft): IsoNode {
  // Sorted before names are shortened, so that the numbers that keep them apart do not depend on the caller's order.
  const entries = [...draft.children].sort(([a], [b]) => byCodeUnit(a, b));
  const isoTaken = new Set<string>();
  const jolietTaken = new Set<string>();
  const children = entries.map(([child, childDraft]) => {
    const isFile = childDraft.file !== null;
    const iso = unique(isoTaken, (suffix) => isoIdentifier(child, isFile, suffix));
    const joliet = unique(jolietTaken, (suffix) => jolietIdentifier(child, isFile, suffix));
    return nodeOf(child, iso, joliet, childDraft);
  });
  return { name, isoName, jolietName, file: draft.file, children };
}

/** Upper case, `A-Z 0-9 _`, at most 30 characters and one dot: interchange level 2. */
function isoIdentifier(name: string, isFile: boolean, suffix: string): string {
  const clean = (text: string) => text.toUpperCase().replace(/[^A-Z0-9_]/g, '_');
  if (!isFile) return clean(name).slice(0, 30 - suffix.length) + suffix;
  const dot = name.lastIndexOf('.');
  const stem = dot > 0 ? name.slice(0, dot) : name;
  const extension = clean(dot > 0 ? name.slice(dot + 1) : '').slice(0, 12);
  return `${clean(stem).slice(0, 29 - extension.length - suffix.length)}${suffix}.${extension};1`;
}

/** All of UCS-2 but what the Joliet specification keeps out. */
function jolietIdentifier(name: string, isFile: boolean, suffix: string): string {
  const clean = name.replace(/[\u0000-\u001f*/:;?\\]/g, '_');
  const cut = clean.slice(0, MOST_NAME_CHARACTERS - suffix.length) + suffix;
  return isFile ? `${cut};1` : cut;
}

function unique(taken: Set<string>, make: (suffix: string) => string): string {
  let name = make('');
  for (let number = 1; taken.has(name); number++) name = make(`_${number}`);
  taken.add(name);
  return name;
}
