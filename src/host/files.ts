/** The real file system. Small things are done synchronously: Node's promises cost more than the calls themselves. */
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { open, rm, rmdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  appendWhole,
  createOpen,
  randomName,
  readThrough,
  replaceWhole,
  writeThrough,
  writeWhole,
} from './bytes.ts';
import { cloneWhole, copyWhole } from './copy.ts';
import { attempt, attemptAsync, errnoOf } from './errno.ts';
import type { Files } from './host.ts';
import { isOwn, makePrivate } from './private-directory.ts';
import { readRegular } from './read-regular.ts';
import { copyForStage } from './stage-copy.ts';
import { list, readLink, realPath, stamp, stampTarget, walk } from './stamp.ts';
import { survey } from './survey.ts';

export const realFiles: Files = {
  stamp,
  stampTarget,
  list,
  walk,
  survey,
  realPath,
  readText: async (path, limits) => attempt('read', path, () => readRegular(path, limits).toString('utf8')),
  readBytes: async (path, limits) => attempt('read', path, () => readRegular(path, limits)),
  readLink,
  makeDirectory: async (path, mode) => attempt('create the directory', path, () => makeDirectory(path, mode)),
  makePrivate: (chain, shared) =>
    attempt('create the directory', chain.at(-1) ?? '', () => makePrivate(chain, shared)),
  isOwn,
  randomName,
  makeTemporaryDirectory: async (parent, prefix) =>
    attempt('create a directory in', parent, () => mkdtempSync(`${parent}/${prefix}`)),
  writeFile: async (path, data, options) => attempt('write', path, () => writeWhole(path, data, options)),
  createOpen: async (path, mode) => attempt('write', path, () => createOpen(path, mode)),
  replaceFile: async (path, data, options) =>
    attempt('write', path, () => replaceWhole(path, data, options?.mode ?? null, options?.flush ?? true)),
  appendFile: async (path, data, options) => attempt('write', path, () => appendWhole(path, data, options)),
  overwrite: (path, patches) =>
    attemptAsync('write', path, async () => {
      const file = await open(path, 'r+');
      try {
        for (const { offset, bytes } of patches) await file.write(bytes, 0, bytes.length, offset);
      } finally {
        await file.close();
      }
    }),
  rename: async (from, to) => attempt('move a file to', to, () => renameSync(from, to)),
  copyFile: (from, to, mode, exact) => attemptAsync('write', to, () => copyWhole(from, to, mode, exact)),
  clone: async (from, to, mode) => attempt('write', to, () => cloneWhole(from, to, mode)),
  link: async (existing, to) => attempt('link', to, () => linkSync(existing, to)),
  stageFile: (from, to, mode, mtimeMs) =>
    attemptAsync('copy', from, () => copyForStage(from, to, mode, mtimeMs)),
  symlink: async (target, path) => attempt('create the link', path, () => symlinkSync(target, path)),
  chmod: async (path, mode) => attempt('change the mode of', path, () => chmodSync(path, mode)),
  setModified: async (path, mtimeMs) =>
    attempt('change the time of', path, () => lutimesSync(path, mtimeMs / 1000, mtimeMs / 1000)),
  flush: (path) =>
    attemptAsync('flush', path, async () => {
      const file = await open(path, 'r');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }),
  remove: (path) => attemptAsync('remove', path, () => remove(path)),
  removeEmpty: (path) => attemptAsync('remove', path, () => rmdir(path)),
  async freeBytes(path) {
    const room = await roomAt(path);
    return room && room.bavail * room.bsize;
  },
  async freeFiles(path) {
    const room = await roomAt(path);
    return room && (room.files === 0 ? null : room.ffree);
  },
  withReader: (path, use, limits) => attemptAsync('read', path, () => readThrough(path, use, limits)),
  withWriter: (path, use) => attemptAsync('write', path, () => writeThrough(path, use)),
};

async function roomAt(path: string) {
  try {
    return await statfs(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** `mode`, when given, holds for every directory that is made, whatever the umask and a set-group-id parent say. */
function makeDirectory(path: string, mode: number | undefined): void {
  if (mode === undefined) {
    mkdirSync(path, { recursive: true });
    return;
  }
  if (stampTarget(path)?.type === 'directory') return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent, mode);
  try {
    mkdirSync(path);
    chmodSync(path, mode);
  } catch (error) {
    // Another process may have been quicker.
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

async function remove(path: string): Promise<void> {
  const found = stamp(path);
  if (found === null) return;
  if (found.type !== 'directory') return removeFile(path);
  try {
    // Node's way through its threads takes a hundred times as long for a directory with a few files.
    if (!removeSmall(path)) await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENAMETOOLONG') raiseDeepest(path);
    else if (errno === 'EACCES' || errno === 'EPERM') unlockDirectories(path);
    else throw error;
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Node's `rm` looks at it twice more before it does the same. */
function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // Another process may have been quicker.
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** So many names are removed before others get their turn. */
const AT_ONCE = 64;

/** Removes a tree of few names with one call for each; false when something is left, because it is large or somebody adds to it. */
function removeSmall(path: string): boolean {
  try {
    return removeBelow(path, { left: AT_ONCE });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOTEMPTY' && errno !== 'ENOENT' && errno !== 'EBUSY') throw error;
    return false;
  }
}

/** Deepest first, as far as the budget of names goes. */
function removeBelow(path: string, budget: { left: number }): boolean {
  const entries = readdirSync(path, { withFileTypes: true });
  budget.left -= entries.length;
  if (budget.left < 0) return false;
  for (const entry of entries) {
    const below = `${path}/${entry.name}`;
    if (!entry.isDirectory()) unlinkSync(below);
    else if (!removeBelow(below, budget)) return false;
  }
  rmdirSync(path);
  return true;
}

/** Half of the longest path that the kernel takes. */
const DEEP = 2_048;

/** Moves what lies so deep that it cannot be named up to the top of the tree, until everything in it can be. */
function raiseDeepest(path: string): void {
  let names = 0;
  const pending = [path];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      let below = `${directory}/${entry.name}`;
      if (below.length > DEEP) {
        const raised = `${path}/.raised-${process.pid}-${names++}`;
        renameSync(below, raised);
        below = raised;
      }
      pending.push(below);
    }
  }
}

/** Names cannot be removed from a read-only directory: make all below `path` writable for us. Files stay as they are. */
function unlockDirectories(path: string): void {
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) unlockDirectories(`${path}/${entry.name}`);
  }
}
