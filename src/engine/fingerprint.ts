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
const EXECUTABLE = 0o100;
/** Stands for a file whose digest is not taken yet. */
const UNREAD: ManifestInput = { link: '' };
/** A file found less than this ago is taken as it was found. */
const AS_IF_NOW_MS = 1_000;

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

/** Takes the digests of the files an action declares: in one go, for there may be a hundred thousand. */
export async function takeInputs(
  prepared: Prepared,
  by: { readonly host: Host; readonly cache: Cache; readonly looks: Looks },
): Promise<Result<TakenInputs, Failure>> {
  const { host, cache, looks } = by;
  // An action may wait for hours for those before it: then what was found in the beginning is looked at again.
  const isNew = host.clock.nowMs() - prepared.foundAtMs < AS_IF_NOW_MS;
  const inputs = new Map<string, ManifestInput>();
  const sizes = new Map<string, number>();
  const stamps = new Map<string, Stamp>();
  const regular: { readonly path: string; readonly stamp: Stamp }[] = [];
  for (const [named, found] of prepared.files) {
    const absolute = looks.absolute(named);
    const follow = prepared.followed.has(named);
    const path = follow ? (host.files.realPath(absolute) ?? absolute) : absolute;
    const stamp = isNew && !follow ? found : host.files.stamp(path);
    if (stamp === null) return missing(prepared, named);
    stamps.set(path, stamp);
    const isLink = stamp.type === 'link';
    sizes.set(named, isLink ? 0 : stamp.sizeBytes);
    // Either way it takes its place among the others: the order of files is that of their paths.
    inputs.set(named, isLink ? { link: host.files.readLink(path) } : UNREAD);
    if (!isLink) regular.push({ path, stamp });
  }
  const digests = await cache.digestsOf(regular);
  if (!digests.ok) return digests;
  let next = 0;
  for (const [named, input] of inputs) {
    if (input !== UNREAD) continue;
    inputs.set(named, fileInput(digests.value[next] as Digest, regular[next]?.stamp.mode ?? 0));
    next += 1;
  }
  return ok({ inputs, sizes, stamps });
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
