/** Where a user keeps what is his alone of a cache: in it where that is safe, else in his state home. On the way of every run, so a few looks must do. */
import { basename, dirname, join } from 'node:path';
import { lookAtPrivate, realDirectory } from '../host/private-directory.ts';
import { checksumOf } from '../model/checksum.ts';

/** Everything in one user's private directory; absolute paths. Nothing in it was written by anybody else. */
export interface PrivateLayout {
  readonly root: string;
  /** Files that are being made, and what is on its way out. */
  readonly temporary: string;
  /** One directory per running process, with its workspaces and the list of its process groups. */
  readonly work: string;
  readonly memo: string;
  /** One directory per checkout: state, compiled plans, logs, evidence, kept machines. */
  readonly checkouts: string;
  /** A file for each pipeline, which tells the next run whether there is anything to do. */
  readonly quick: string;
  /** What this host keeps beside contents: a directory for each host, in it one for each content. */
  readonly sides: string;
  /** Downloads that did not end, one directory per fingerprint. */
  readonly partial: string;
}

/** A private directory that is there or can be made, and how it is reached. */
export interface PrivatePlace {
  readonly layout: PrivateLayout;
  readonly kind: 'cache' | 'state-home';
  readonly isThere: boolean;
  /** The directories to make, each in the one before. */
  readonly chain: readonly string[];
}

/** The layout of a private directory; touches nothing. */
export function privateLayoutOf(root: string): PrivateLayout {
  return {
    root,
    temporary: `${root}/tmp`,
    work: `${root}/work`,
    memo: `${root}/memo`,
    checkouts: `${root}/checkouts`,
    quick: `${root}/quick`,
    sides: `${root}/sides`,
    partial: `${root}/partial`,
  };
}

type Environment = { readonly [name: string]: string | undefined };

/**
 * The private place of a cache directory, the first that nobody else can have tampered with: `private/<uid>` in it, or
 * `bake/<id>` in the state home. Null when there is neither. `repair`: modes of what is ours are put right.
 */
export function privatePlace(cacheDir: string, env: Environment, repair: boolean): PrivatePlace | null {
  const real = realDirectory(cacheDir) ?? unlessThere(cacheDir);
  const uid = String(process.getuid?.() ?? 0);
  return (
    placeOf('cache', [real, `${real}/private`, `${real}/private/${uid}`], repair) ??
    placeOf('state-home', inStateHome(real, env), repair)
  );
}

function placeOf(
  kind: PrivatePlace['kind'],
  chain: readonly string[] | null,
  repair: boolean,
): PrivatePlace | null {
  const state = chain === null ? 'unsafe' : lookAtPrivate(chain, repair);
  if (chain === null || state === 'unsafe') return null;
  return { layout: privateLayoutOf(chain.at(-1) as string), kind, isThere: state === 'there', chain };
}

/** The real path of a directory that will be made. */
function unlessThere(path: string): string {
  const parent = realDirectory(dirname(path));
  return parent === null ? path : join(parent, basename(path));
}

/** One directory for each cache, named after its real path. */
function inStateHome(cache: string, env: Environment): readonly string[] | null {
  const home = env['XDG_STATE_HOME'];
  const named = home?.startsWith('/') ? home : env['HOME'] ? `${env['HOME']}/.local/state` : null;
  if (!named?.startsWith('/')) return null;
  const base = realDirectory(named) ?? named;
  return [base, `${base}/bake`, `${base}/bake/${checksumOf(Buffer.from(cache))}`];
}
