/** Images of ext file systems, made by e2fsprogs out of a directory, with nobody needing to be root. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { FileFacts } from '../../src/formats/file-tree.ts';

/** Makes an image of the whole of `tree`; `options` are those of mke2fs. */
export function extImage(
  path: string,
  tree: string,
  mebibytes: number,
  options: readonly string[] = [],
): string {
  const type = options.includes('-t') ? [] : ['-t', 'ext4'];
  writeFileSync(path, '');
  truncateSync(path, mebibytes * 2 ** 20);
  execFileSync('mke2fs', ['-q', ...type, ...options, '-d', tree, path], { env: environment() });
  return path;
}

/** Runs commands of debugfs on an image. */
export function debugfs(image: string, commands: readonly string[], scratch: string): void {
  const script = join(scratch, 'debugfs-commands');
  writeFileSync(script, `${commands.join('\n')}\n`);
  execFileSync('debugfs', ['-w', '-f', script, image], { env: environment(), stdio: 'pipe' });
}

/** Replays the journal and puts right what debugfs leaves wrong, as e2fsck does it; throws if it cannot. */
export function checkExt(image: string): void {
  const ended = spawnSync('e2fsck', ['-fy', image], { env: environment(), encoding: 'utf8' });
  // 1: everything was put right.
  if (ended.status !== 0 && ended.status !== 1) throw new Error(`${ended.stdout}\n${ended.stderr}`);
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` };
}

/** Numbers of the blocks of `blockBytes` in which two images of one size differ, and what `after` holds there. */
export function changedBlocks(before: string, after: string, blockBytes: number) {
  const [a, b] = [openSync(before, 'r'), openSync(after, 'r')];
  const [one, other] = [Buffer.alloc(blockBytes), Buffer.alloc(blockBytes)];
  const found: { block: number; bytes: Buffer }[] = [];
  for (let block = 0; readSync(a, one, 0, blockBytes, block * blockBytes) === blockBytes; block++) {
    readSync(b, other, 0, blockBytes, block * blockBytes);
    if (!one.equals(other)) found.push({ block, bytes: Buffer.from(other) });
  }
  closeSync(a);
  closeSync(b);
  return found;
}

/** What a directory of this host holds, as a file system made of it should show it; contents by path. */
export function hostTree(directory: string) {
  const facts = new Map<string, FileFacts>();
  const contents = new Map<string, Buffer>();
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, entry);
    const stats = lstatSync(path);
    const { mode, uid, gid, size } = stats;
    const type = stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'file';
    const target = type === 'link' ? readlinkSync(path) : null;
    facts.set(`/${entry}`, {
      type,
      mode: mode & 0o7777,
      uid,
      gid,
      sizeBytes: type === 'file' ? size : 0,
      target,
    });
    if (type === 'file') contents.set(`/${entry}`, readFileSync(path));
  }
  return { facts, contents };
}
