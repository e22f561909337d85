/** Where bake keeps what it remembers of a checkout, found without parsing the pipeline; and what all of that rests on besides files. */
import { basename, dirname, resolve } from 'node:path';
import { readNow } from '../host/read-now.ts';
import { sha256Hex } from '../host/sha256.ts';
import { realPath, stamp } from '../host/stamp.ts';
import { privatePlace } from '../incremental/private-place.ts';
import { cacheDirectoryOf } from './cache-dir.ts';
import type { Invocation } from './command.ts';
import { pipelineArguments } from './load-plan.ts';

export interface CheckoutPlace {
  readonly cacheDir: string;
  /** Of this user alone, above all that follows. */
  readonly root: string;
  /** Holds all that is kept of the checkout. */
  readonly directory: string;
  /** Holds the answer of the last run, for the quick check. */
  readonly quickFile: string;
  readonly compiledPlan: string;
}

/** The place of the pipeline that a command line names; null when its directory does not exist, or nothing can be kept for this user alone. */
export function checkoutPlace(
  invocation: Pick<Invocation, 'positionals' | 'flags' | 'cwd' | 'env'>,
): CheckoutPlace | null {
  const { file } = pipelineArguments(invocation.positionals);
  const pipeline = resolve(invocation.cwd, file);
  const root = realPath(dirname(pipeline));
  if (root === null) return null;
  const cacheDir = cacheDirectoryOf(invocation, dirname(pipeline), () => namedCache(readNow(pipeline)));
  const name = basename(file);
  const place = privatePlace(cacheDir, invocation.env, false);
  if (place === null) return null;
  const { layout } = place;
  return {
    cacheDir,
    root: layout.root,
    get directory() {
      return `${layout.checkouts}/${sha256Hex(root).slice(0, 16)}`;
    },
    quickFile: `${layout.quick}/${fileNameFor(`${root}/${name}`)}`,
    get compiledPlan() {
      return `${this.directory}/plan-${encodeURIComponent(name)}.json`;
    },
  };
}

/** The longest name that is used as it is: file systems take 255 bytes, and a temporary file beside it needs some. */
const LONGEST_NAME = 200;

/** A name for a file of the cache that belongs to a path: the path itself, because that takes no digest, unless it is long. */
function fileNameFor(path: string): string {
  const name = encodeURIComponent(path);
  return name.length <= LONGEST_NAME ? name : sha256Hex(path);
}

/** The version of bake and of its very program file, which differs between two builds of one version. */
export function programIdentity(): readonly unknown[] {
  const program = realPath(process.argv[1] ?? '');
  const file = program === null ? null : stamp(program);
  return [process.env['BAKE_VERSION'], file?.sizeBytes, file?.mtimeMs, process.version, process.arch];
}

/** Variables of the environment that pipelines read, sorted. */
export function pipelineVariables(env: Invocation['env']): readonly (readonly [string, string])[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('BAKE_VAR_'))
    .sort()
    .map((name) => [name, env[name] ?? '']);
}

/** A guess at `cache:` that costs no parsing: when it is wrong, nothing lies there, or something with another key. */
function namedCache(text: string | null): string | null {
  const line = /^cache:[ \t]*(.*?)[ \t]*$/m.exec(text ?? '')?.[1];
  return line === undefined ? null : line.replace(/^(["'])(.*)\1$/, '$2');
}
