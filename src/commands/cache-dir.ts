/** Which directory is the cache: the first that is set of flag, `$BAKE_CACHE_DIR`, `$PACKER_CACHE_DIR`, `cache:`, and `cache/` beside the pipeline. */
import { resolve } from 'node:path';
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
