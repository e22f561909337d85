/** A cache in a directory of its own, with what tests of every implementation need around it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Cache } from '../../src/cache/cache.ts';
import { type OpenOptions, openCache } from '../../src/cache/local.ts';
import { fingerprintOf } from '../../src/engine/manifest.ts';
import type { Files, Host } from '../../src/host/host.ts';
import { realHost } from '../../src/host/real.ts';
import type { ActionResult, Manifest } from '../../src/model/action.ts';
import type { Artifact, Content } from '../../src/model/artifact.ts';
import type { Fingerprint } from '../../src/model/digest.ts';
import type { Failure } from '../../src/model/failure.ts';
import type { Result } from '../../src/model/result.ts';

export interface CacheRig extends AsyncDisposable {
  /** Absolute; everything of the test lies in it. */
  readonly directory: string;
  readonly host: Host;
  readonly warnings: Failure[];
  /** Another opening of the same cache directory, as another process would have it. */
  open(options?: OpenOptions): Promise<Cache>;
  /** Writes a file below `directory` and gives its absolute path. */
  write(path: string, data: string | Uint8Array, mode?: number): string;
  path(path: string): string;
}

/** `cacheDir` is relative to the rig's directory. */
export function cacheRig(cacheDir = 'cache'): CacheRig {
  const directory = mkdtempSync(join(tmpdir(), 'bake-test-'));
  const host = realHost();
  const warnings: Failure[] = [];
  const opened: Cache[] = [];
  return {
    directory,
    host,
    warnings,
    async open(options = {}) {
      const cache = must(
        await openCache(host, join(directory, cacheDir), {
          onWarning: (warning) => warnings.push(warning),
          temporaryDirectory: directory,
          ...options,
        }),
      );
      opened.push(cache);
      return cache;
    },
    write(path, data, mode) {
      const file = join(directory, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, data, { mode: mode ?? 0o644 });
      return file;
    },
    path: (path) => join(directory, path),
    async [Symbol.asyncDispose]() {
      for (const cache of opened) await cache.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A host on which one look by `operation` at what `path` matches fails with EIO: the first, or the one after so many. */
export function failingOnce(host: Host, operation: keyof Files, path: RegExp, after = 0): Host {
  let left = after;
  const original = host.files[operation] as (...args: unknown[]) => unknown;
  const failing = (at: string, ...rest: unknown[]) => {
    if (!path.test(at) || left-- !== 0) return original(at, ...rest);
    const failure = { code: 'file-trouble', action: 'read', path: at, errno: 'EIO' };
    if (operation === 'stamp') return { type: 'unknown', errno: 'EIO', sizeBytes: Number.NaN };
    if (operation === 'list') return { names: [], trouble: failure };
    return operation === 'walk' ? { entries: [], trouble: failure } : { ok: false, failure };
  };
  return { ...host, files: { ...host.files, [operation]: failing } };
}

/** The value of something that must have gone well. */
export function must<T>(result: Result<T, Failure>): T {
  if (!result.ok) throw new Error(`unexpected failure: ${JSON.stringify(result.failure)}`);
  return result.value;
}

/** The fingerprint of a command that is named by one letter. */
export function fingerprint(name: string): Fingerprint {
  const made = fingerprintOf(manifestOf(name), realHost().hashing);
  named.set(made, name);
  return made;
}

/** The names of the fingerprints that were asked for. */
const named = new Map<Fingerprint, string>();

function manifestOf(name: string): Manifest {
  return {
    format: 2,
    kind: 'run',
    kindVersion: 1,
    options: { script: name },
    env: {},
    secrets: {},
    inputs: {},
    outputs: {},
    tools: {},
    platform: null,
  };
}

/** A result with the given contents as outputs. */
export function resultOf(of: Fingerprint, contents: readonly Content[], action = 'disk'): ActionResult {
  const artifacts: Artifact[] = contents.map((content, at) => ({
    name: `out${at}`,
    path: `out${at}`,
    content,
  }));
  return {
    format: 1,
    fingerprint: of,
    manifest: manifestOf(named.get(of) ?? 'a'),
    artifacts,
    log: null,
    durationMs: 1200,
    createdAt: '2026-01-02T03:04:05.000Z',
    origin: { pipeline: 'appliance', action },
  };
}
