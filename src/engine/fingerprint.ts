/** Pins a prepared action to digests: its manifest and fingerprint, once the artifacts before it are known. */
import type { Cache } from '../cache/cache.ts';
import type { Host, Stamp } from '../host/host.ts';
import type { Manifest, ManifestInput } from '../model/action.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Digest, Fingerprint } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { ArtifactRef, OptionValues } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { Looks } from './looks.ts';
import { buildManifest, fingerprintOf } from './manifest.ts';
import type { Prepared } from './prepare.ts';

/** Owner's execute permission: the one bit of a mode that counts, as in git. */
export const EXECUTABLE = 0o100;
/** A file found less than this ago is taken as it was found. */
const AS_IF_NOW_MS = 1_000;

/** The declared files of an action by content, and the stamp that each had when its content was taken. */
export interface TakenInputs {
  readonly inputs: ReadonlyMap<string, ManifestInput>;
  readonly stamps: ReadonlyMap<string, Stamp>;
  /** Absolute paths of those that count by what they lead to; all others lie where they are named. */
  readonly followed: ReadonlyMap<string, string>;
  /** Absolute paths of links, and of what is absent, on the way to those. */
  readonly passed: ReadonlyMap<string, Stamp | null>;
  /** Before the first of them was read. */
  readonly takenAtMs: number;
}

export interface Pinned {
  readonly manifest: Manifest;
  readonly fingerprint: Fingerprint;
  /** The fingerprint without what was read, of an action that is watched: under it its results are looked up. */
  readonly key?: Fingerprint;
}

/** Takes the digests of the files an action declares: in one go, for there may be a hundred thousand. */
export async function takeInputs(
  prepared: Prepared,
  by: { readonly host: Host; readonly cache: Cache; readonly looks: Looks },
): Promise<Result<TakenInputs, Failure>> {
  const { host, cache, looks } = by;
  // An action may wait for hours for those before it: then what was found in the beginning is looked at again.
  const takenAtMs = host.clock.nowMs();
  const ageMs = takenAtMs - prepared.foundAtMs;
  // A clock that was set back says nothing.
  const isNew = ageMs >= 0 && ageMs < AS_IF_NOW_MS;
  const { followed, passed } = prepared;
  const placeOf = (named: string) => followed.get(named) ?? looks.absolute(named);
  const looked = isNew ? ok(prepared.files) : stampsNow(prepared, host, placeOf);
  if (!looked.ok) return looked;
  const stamps = looked.value;
  const links = new Map<string, string>();
  for (const [named, stamp] of stamps) {
    if (stamp.type !== 'link') continue;
    const link = host.files.readLink(placeOf(named));
    if (!link.ok) return link;
    links.set(named, link.value);
  }
  const regular = links.size === 0 ? stamps : new Map([...stamps].filter(([named]) => !links.has(named)));
  const digests = await cache.digestsOf(regular, placeOf);
  if (!digests.ok) return digests;
  const inputs = new Map<string, ManifestInput>();
  let next = 0;
  for (const [named, stamp] of stamps) {
    const link = links.get(named);
    if (link === undefined) inputs.set(named, fileInput(digests.value[next++] as Digest, stamp.mode));
    else inputs.set(named, { link });
  }
  return ok({ inputs, stamps, followed, passed, takenAtMs });
}

function stampsNow(
  prepared: Prepared,
  host: Host,
  placeOf: (named: string) => string,
): Result<ReadonlyMap<string, Stamp>, Failure> {
  const stamps = new Map<string, Stamp>();
  for (const named of prepared.files.keys()) {
    const stamp = host.files.stamp(placeOf(named));
    if (stamp === null) return missing(prepared, named);
    stamps.set(named, stamp);
  }
  return ok(stamps);
}

function fileInput(digest: Digest, mode: number): ManifestInput {
  return (mode & EXECUTABLE) === 0 ? { digest } : { digest, executable: true };
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
