/** Pins a prepared action to digests: its manifest and fingerprint, once the artifacts before it are known. */
import type { Cache } from '../cache/cache.ts';
import type { Host, Stamp } from '../host/host.ts';
import type { Manifest, ManifestInput } from '../model/action.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Fingerprint } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { ArtifactRef, OptionValues } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { Looks } from './looks.ts';
import { buildManifest, fingerprintOf } from './manifest.ts';
import type { Prepared } from './prepare.ts';

/** Owner's execute permission: the one bit of a mode that counts, as in git. */
const EXECUTABLE = 0o100;
const AT_ONCE = 16;

/** The declared files of an action by content, and the stamp that each had when its content was taken. */
export interface TakenInputs {
  readonly inputs: ReadonlyMap<string, ManifestInput>;
  readonly sizes: ReadonlyMap<string, number>;
  /** By absolute path. */
  readonly stamps: ReadonlyMap<string, Stamp>;
}

export interface Pinned {
  readonly manifest: Manifest;
  readonly fingerprint: Fingerprint;
}

/** Takes the digests of the files an action declares. */
export async function takeInputs(
  prepared: Prepared,
  by: { readonly host: Host; readonly cache: Cache; readonly looks: Looks },
): Promise<Result<TakenInputs, Failure>> {
  const inputs = new Map<string, ManifestInput>();
  const sizes = new Map<string, number>();
  const stamps = new Map<string, Stamp>();
  const paths = [...prepared.files.keys()];
  for (let start = 0; start < paths.length; start += AT_ONCE) {
    const taken = await Promise.all(
      paths.slice(start, start + AT_ONCE).map(async (path) => {
        const named = by.looks.absolute(path);
        const place = prepared.followed.has(path) ? (by.host.files.realPath(named) ?? named) : named;
        const stamp = by.host.files.stamp(place);
        if (stamp === null) return missing(prepared, path);
        stamps.set(place, stamp);
        if (stamp.type === 'link') {
          return ok({ path, size: 0, input: { link: by.host.files.readLink(place) } });
        }
        const digest = await by.cache.digestOf(place);
        if (!digest.ok) return digest;
        const executable = (stamp.mode & EXECUTABLE) !== 0 ? { executable: true as const } : {};
        return ok({
          path,
          size: digest.value.sizeBytes,
          input: { digest: digest.value.digest, ...executable },
        });
      }),
    );
    for (const one of taken) {
      if (!one.ok) return one;
      inputs.set(one.value.path, one.value.input);
      sizes.set(one.value.path, one.value.size);
    }
  }
  return ok({ inputs, sizes, stamps });
}

/** The manifest of an action and its sha256. */
export function pin(
  prepared: Prepared,
  options: OptionValues,
  taken: TakenInputs,
  upstream: (ref: ArtifactRef) => Artifact,
  host: Host,
): Pinned {
  const manifest = buildManifest({
    action: prepared.action,
    options,
    files: taken.inputs,
    upstream,
    tools: prepared.tools,
    platform: host.platform,
  });
  return { manifest, fingerprint: fingerprintOf(manifest, host.hashing) };
}

function missing({ action }: Prepared, pattern: string) {
  return fail<Failure>({
    code: 'input-missing',
    stage: action.name,
    pattern,
    nearest: [],
    location: action.location,
  });
}
