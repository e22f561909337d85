/** How an action ended in a run, and what a plan expects of it. */

/**
 * `fresh`: its outputs are already in place · `restored`: taken from the cache · `built`: it ran · `failed` ·
 * `blocked`: something before it failed · `cancelled`: the run was stopped before it ended.
 */
export type Outcome = 'fresh' | 'restored' | 'built' | 'failed' | 'blocked' | 'cancelled';

/** `unknown`: depends on the bytes that an action before it will produce. */
export type PlanStatus = 'fresh' | 'hit' | 'run' | 'unknown';
