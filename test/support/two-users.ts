/** Users of one group and the cache that they share, for stories about real uids: only root can become them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BakeOptions, Checkout, Rig } from './rig.ts';

/** Whether this process may become other users and make namespaces. */

/** The group that all of them are in, besides one of their own. */
const GROUP = 12_100;

/** Everything below a path, and the path itself, is theirs from now on. */
function give(path: string, uid: number): void {
  execFileSync('chown', ['-Rh', `${uid}:${uid}`, path]);
}

/** A directory for a cache that all of them may write, as an administrator makes it. */
export function sharedCache(rig: Rig, mode = 0o3775): string {
  const cache = rig.path('shared');
  mkdirSync(cache);
  chownSync(cache, 0, GROUP);
  chmodSync(cache, mode);
  return cache;
}

/** One of them, with a home of his own. */
export class User {
  readonly uid: number;
  readonly home: string;
  readonly #rig: Rig;
  readonly #cache: string;

  constructor(rig: Rig, cache: string, uid: number) {
    this.uid = uid;
    this.home = rig.path(`home-${uid}`);
    this.#rig = rig;
    this.#cache = cache;
    mkdirSync(this.home);
    chmodSync(this.home, 0o755);
    give(this.home, uid);
  }

  /** A checkout of his; others may read it. */
  checkout(name: string, files: Readonly<Record<string, string>>): Checkout {
    const checkout = this.#rig.checkout(`${name}-${this.uid}`, files);
    give(checkout.directory, this.uid);
    return checkout;
  }

  /** Words before a command that make it his. */
  words(umask = '022'): readonly string[] {
    const identity = [`--reuid=${this.uid}`, `--regid=${this.uid}`, `--groups=${GROUP}`];
    return ['setpriv', ...identity, 'sh', '-c', `umask ${umask}; exec "$@"`, 'sh'];
  }

  /** How he runs bake; `around`: words before his own, such as those of another namespace. */
  runs(umask = '022', around: readonly string[] = []): BakeOptions {
    return {
      wrapper: [...around, ...this.words(umask)],
      env: { HOME: this.home, BAKE_CACHE_DIR: this.#cache },
    };
  }

  /** Runs a command of the shell; whether it went well, and what it printed. */
  does(script: string, ...args: readonly string[]): { readonly isOk: boolean; readonly said: string } {
    const [file = '', ...words] = [...this.words(), 'sh', '-c', script, 'sh', ...args];
    const { status, stdout, stderr } = spawnSync(file, words, { cwd: this.home, encoding: 'utf8' });
    return { isOk: status === 0, said: `${stdout}${stderr}` };
  }

  /** The same; throws when it does not go well. */
  must(script: string, ...args: readonly string[]): void {
    const { isOk, said } = this.does(script, ...args);
    if (!isOk) throw new Error(`${script}: ${said}`);
  }
}

/** Every name below a directory with its type; links are not followed. */
export function pathsBelow(root: string): readonly { readonly path: string; readonly type: string }[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => {
      const stats = lstatSync(join(root, path));
      return { path, type: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other' };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
