/** The environment in which a stage runs: fixed, then what it declares; nothing of the user's own leaks in. */
import type { CheckoutFailure } from '../model/failure-checkout.ts';
import type { PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** 2020-01-01T00:00:00Z: after every epoch that an archive format starts with, before every build. */
const EPOCH_SECONDS = 1_577_836_800;
/** When every file that a stage is given was last written. */
export const SOURCE_TIME_MS = EPOCH_SECONDS * 1000;

type Variables = { readonly [name: string]: string | undefined };

/** The PATH on which tools are looked for, and that stages get: bake's own. */
export function toolPath(env: Variables): string {
  return env['PATH'] || DEFAULT_PATH;
}

/** The part that is the same for every stage, with directories of its own for HOME and TMPDIR. */
export function fixedEnvironment(
  env: Variables,
  places: { readonly home: string; readonly temporary: string; readonly ceiling: string },
): Record<string, string> {
  return {
    PATH: toolPath(env),
    HOME: places.home,
    TMPDIR: places.temporary,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    SOURCE_DATE_EPOCH: String(EPOCH_SECONDS),
    // A workspace may lie inside of a checkout: git must not take it for a part of that.
    GIT_CEILING_DIRECTORIES: places.ceiling,
  };
}

/** Secrets of an action out of bake's own environment. */
export function secretsOf(
  action: PlannedAction,
  env: Variables,
): Result<{ readonly [name: string]: string }, CheckoutFailure> {
  const values: Record<string, string> = {};
  for (const { name, from } of action.secrets) {
    const value = env[from];
    if (value === undefined) {
      return fail({
        code: 'secret-missing',
        stage: action.name,
        variable: from,
        location: action.location,
      });
    }
    values[name] = value;
  }
  return ok(values);
}

/** Variables that pass through, those of them that are set. */
export function passedVariables(action: PlannedAction, env: Variables): Record<string, string> {
  const set = action.passEnv.flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(set);
}
