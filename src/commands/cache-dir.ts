/** How the cache is used, and which directory it is: the first that is set of flag, `$BAKE_CACHE_DIR`, `$PACKER_CACHE_DIR`, `cache:`, and `cache/` beside the pipeline. */
import { resolve } from 'node:path';
import { CACHE_MODES, type CacheMode } from '../cache/cache.ts';
import type { UsageFailure } from '../model/failure-usage.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Invocation } from './command.ts';

const VARIABLES = ['BAKE_CACHE_DIR', 'PACKER_CACHE_DIR'];

/**
 * Absolute path of the cache directory. `root` is the directory of the pipeline file; `named` gives what the pipeline
 * says under `cache:`, relative to `root`, and is asked only when nothing else is set. An empty value counts as unset;
 * what the user typed is relative to the working directory.
 */
export function cacheDirectoryOf(
  { flags, env, cwd }: Pick<Invocation, 'flags' | 'env' | 'cwd'>,
  root: string,
  named: () => string | null,
): string {
  const flag = flags['cache-dir'];
  if (typeof flag === 'string' && flag !== '') return resolve(cwd, flag);
  for (const variable of VARIABLES) {
    const value = env[variable];
    if (value !== undefined && value !== '') return resolve(cwd, value);
  }
  return resolve(root, named() || 'cache');
}

/** What a command may do with the cache, and the one below it. */
export interface CacheUse {
  readonly mode: CacheMode;
  /** Absolute. */
  readonly shared: string | null;
}

/** The first that is set of flags and `$BAKE_CACHE_MODE`, `$BAKE_SHARED_CACHE_DIR`; what the user typed is relative to the working directory. */
export function cacheUseOf({
  flags,
  env,
  cwd,
}: Pick<Invocation, 'flags' | 'env' | 'cwd'>): Result<CacheUse, UsageFailure> {
  const said = flags['cache-mode'] ?? (env['BAKE_CACHE_MODE'] || 'write');
  const mode = CACHE_MODES.find((one) => one === said);
  if (mode === undefined)
    return fail({
      code: 'bad-flag-value',
      flag: 'BAKE_CACHE_MODE',
      value: String(said),
      expected: CACHE_MODES.map((one) => `\`${one}\``).join(' or '),
    });
  const shared = flags['shared-cache'] || env['BAKE_SHARED_CACHE_DIR'];
  return ok({ mode, shared: typeof shared === 'string' && shared !== '' ? resolve(cwd, shared) : null });
}
