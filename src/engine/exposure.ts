/** Looks for the secrets of a stage in what it made: in its files, their names, and where links lead. */
import type { Files } from '../host/host.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction, PlannedSecret } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { Masks } from './masks.ts';
import type { Session } from './session.ts';
import { byteSpellings } from './spellings.ts';

/** Where a secret is: in a file of an output, or in a name or the target of a link. */
interface Exposure {
  readonly secret: PlannedSecret;
  readonly output: string;
  /** Below the output; empty for the output itself. */
  readonly path: string;
  readonly isName: boolean;
}

/** What was found, as far as it fails nothing. */
export interface Exposed {
  readonly warning: Failure;
  readonly files: readonly Pick<Exposure, 'output' | 'path'>[];
}

interface Wanted {
  readonly secret: PlannedSecret;
  readonly needles: readonly Buffer[];
  readonly masks: Masks;
}

const READ_BYTES = 1 << 20;

/**
 * Null when no secret is in the outputs. A secret in a name is always a failure: names are written into what the cache
 * and the checkout are described by.
 */
export async function findExposed(
  session: Session,
  action: PlannedAction,
  workspace: string,
  secrets: { readonly [name: string]: string },
  unchanged: ReadonlySet<string>,
): Promise<Result<Exposed | null, Failure>> {
  const wanted = action.secrets
    .filter(({ inOutputs }) => inOutputs !== 'ignore')
    .map((secret) => wantedOf(secret, secrets[secret.name] ?? ''));
  if (wanted.length === 0) return ok(null);
  const found: Exposure[] = [];
  for (const { name: output, path } of action.outputs) {
    if (unchanged.has(output)) continue;
    const searched = await searchOutput(session, { output, place: `${workspace}/${path}` }, wanted, found);
    if (!searched.ok) return searched;
  }
  if (found.length === 0) return ok(null);
  const refused = found.some(({ secret, isName }) => isName || secret.inOutputs === 'error');
  const failure: Failure = {
    code: 'secret-in-output',
    stage: action.name,
    secrets: [...new Set(found.map(({ secret }) => secret.name))],
    places: distinct(found),
    refused,
    location: action.location,
  };
  return refused ? fail(failure) : ok({ warning: failure, files: found });
}

/** The blobs that hold what was found. */
export async function exposedDigests(
  session: Session,
  artifacts: readonly Artifact[],
  { files }: Exposed,
): Promise<readonly Digest[]> {
  const digests = new Set<Digest>();
  for (const { name, content } of artifacts) {
    const inside = new Set(files.filter(({ output }) => output === name).map(({ path }) => path));
    if (inside.size === 0) continue;
    if (content.type === 'layers') for (const { digest } of content.layers.slice(-1)) digests.add(digest);
    if (content.type === 'file') digests.add(content.digest);
    if (content.type !== 'tree') continue;
    for (const entry of (await session.cache.blobs.tree(content.digest)) ?? [])
      if (entry.type === 'file' && inside.has(entry.path)) digests.add(entry.digest);
  }
  return [...digests];
}

/** Removes blobs with secrets once nothing in the run needs them any more. */
export async function dropExposed(session: Session, digests: Iterable<Digest>): Promise<void> {
  for (const digest of digests) await session.host.files.remove(session.cache.blobs.pathOf(digest));
}

function wantedOf(secret: PlannedSecret, value: string): Wanted {
  const masks = new Masks();
  masks.add(value);
  return { secret, needles: byteSpellings(value), masks };
}

function distinct(found: readonly Exposure[]): Extract<Failure, { code: 'secret-in-output' }>['places'] {
  const places = found.map(({ output, path, isName }) => ({ output, path, isName }));
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
}

async function searchOutput(
  { host: { files } }: Session,
  { output, place }: { readonly output: string; readonly place: string },
  wanted: readonly Wanted[],
  found: Exposure[],
): Promise<Result<void, Failure>> {
  const search = async (path: string): Promise<Result<void, Failure>> => {
    const inside = await searchFile(files, path === '' ? place : `${place}/${path}`, wanted);
    if (!inside.ok) return inside;
    for (const { secret } of inside.value) found.push({ secret, output, path, isName: false });
    return ok(undefined);
  };
  if (files.stamp(place)?.type !== 'directory') return search('');
  const { entries, trouble } = files.walk(place);
  if (trouble !== null) return fail(trouble);
  for (const { path, type } of entries) {
    const target = type === 'link' ? files.readLink(`${place}/${path}`) : ok('');
    if (!target.ok) return target;
    for (const { secret, masks } of wanted) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (masks.apply(name) !== name || masks.apply(target.value) !== target.value)
        found.push({ secret, output, path, isName: true });
    }
    const searched = type === 'file' ? await search(path) : ok(undefined);
    if (!searched.ok) return searched;
  }
  return ok(undefined);
}

/** The secrets that are in a file. */
async function searchFile(
  files: Files,
  path: string,
  wanted: readonly Wanted[],
): Promise<Result<readonly Wanted[], Failure>> {
  const left = new Set(wanted);
  const overlap = Math.max(0, ...wanted.flatMap(({ needles }) => needles.map(({ length }) => length - 1)));
  const read = await files.withReader(path, async (source) => {
    const buffer = Buffer.alloc(overlap + READ_BYTES);
    let kept = 0;
    for (let offset = 0; offset < source.sizeBytes && left.size > 0; ) {
      const count = await source.read(buffer.subarray(kept), offset);
      if (count === 0) return;
      const bytes = buffer.subarray(0, kept + count);
      for (const one of left) if (one.needles.some((needle) => bytes.includes(needle))) left.delete(one);
      // What begins at the end of this piece may go on in the next.
      kept = Math.min(overlap, bytes.length);
      bytes.copy(buffer, 0, bytes.length - kept);
      offset += count;
    }
  });
  return read.ok ? ok(wanted.filter((one) => !left.has(one))) : read;
}
