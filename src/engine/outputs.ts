/** Takes the declared outputs of a stage over into the cache, after looking hard at what the stage really left. */
import type { Artifact, Content, LayeredContent } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction, PlannedOutput } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { StagedInput, StageReturn } from '../stages/kind.ts';
import { layersDigest } from './manifest.ts';
import type { Session } from './session.ts';
import type { Places } from './staging.ts';

const MOST_NAMES = 8;

/** The first declared output that is missing or nothing that can be stored; null when all are there. */
export function outputFailure(
  session: Session,
  action: PlannedAction,
  places: Places,
  ignore: ReadonlySet<string>,
): Failure | null {
  for (const output of action.outputs) {
    const failure = checkOutput(session, output, places, ignore);
    if (failure !== null) return failure;
  }
  return null;
}

function checkOutput(
  session: Session,
  { name: output, path }: PlannedOutput,
  places: Places,
  ignore: ReadonlySet<string>,
): Failure | null {
  const { files } = session.host;
  const place = `${places.workspace}/${path}`;
  const stamp = files.stamp(place);
  if (stamp === null) {
    return { code: 'output-missing', output, path, found: foundInstead(session, path, places, ignore) };
  }
  if (stamp.type === 'unknown')
    return { code: 'file-trouble', action: 'look at', path: place, errno: stamp.errno ?? '' };
  const real = files.realPath(place);
  const base = files.realPath(places.workspace);
  if (stamp.type === 'link' || real === null || base === null || real !== `${base}/${path}`) {
    const link = stamp.type === 'link' ? files.readLink(place) : null;
    const target = link?.ok ? link.value : (real ?? 'nowhere');
    return { code: 'output-is-symlink', output, path, target };
  }
  if (stamp.type === 'other') {
    return { code: 'output-not-a-file', output, path, found: 'a socket, a pipe or a device' };
  }
  return null;
}

/** Files that are there and were not given to the stage, those first whose names are most like the missing one. */
function foundInstead(
  session: Session,
  path: string,
  places: Places,
  ignore: ReadonlySet<string>,
): readonly string[] {
  // In the checkout itself everything else lies around too.
  if (places.workspace === session.plan.root) return [];
  const own = path.slice(path.lastIndexOf('/') + 1);
  return session.host.files
    .walk(places.workspace)
    .entries.filter((entry) => entry.type !== 'directory' && !entry.path.startsWith('.bake/'))
    .map((entry) => entry.path)
    .filter((file) => !ignore.has(file))
    .sort((a, b) => likeness(b, own) - likeness(a, own))
    .slice(0, MOST_NAMES);
}

function likeness(path: string, own: string): number {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === own) return 3;
  const [stem] = own.split('.');
  if (stem !== undefined && stem !== '' && name.startsWith(stem)) return 2;
  return name.endsWith(own.slice(own.lastIndexOf('.'))) ? 1 : 0;
}

/** Moves the outputs into the cache; those of a stage that runs in the checkout are copied first, for they stay where they are. */
export async function adoptOutputs(
  session: Session,
  action: PlannedAction,
  places: Places,
  left: StageReturn,
): Promise<Result<readonly Artifact[], Failure>> {
  const artifacts: Artifact[] = [];
  for (const { name, path } of action.outputs) {
    const unchanged = left.unchanged?.[name];
    const content =
      unchanged !== undefined
        ? ok(unchanged.content)
        : await adoptOne(session, `${places.workspace}/${path}`, places, left.layered?.[name]);
    if (!content.ok) return content;
    artifacts.push({ name, path, content: content.value });
  }
  return ok(artifacts);
}

async function adoptOne(
  session: Session,
  place: string,
  places: Places,
  base: StagedInput | undefined,
): Promise<Result<Content, Failure>> {
  const content = await adoptPath(session, place, places);
  if (!content.ok) return fail(withinWorkspace(content.failure, places));
  if (base === undefined) return content;
  const stored = await storeBase(session, base, places);
  if (!stored.ok) return stored;
  const { digest, sizeBytes } = content.value;
  const below = base.content.type === 'layers' ? base.content.layers : [base.content];
  const layers = [...below, { digest, sizeBytes }].map((layer) => ({
    digest: layer.digest,
    sizeBytes: layer.sizeBytes,
  }));
  const layered: LayeredContent = {
    type: 'layers',
    digest: layersDigest(layers, session.host.hashing),
    sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
    layers,
  };
  return ok(layered);
}

/** A file of the checkout on which layers rest is no result of anybody: it goes into the cache with them. */
async function storeBase(
  session: Session,
  { content, path }: StagedInput,
  places: Places,
): Promise<Result<void, Failure>> {
  if (content.type !== 'file' || (await session.cache.blobs.has(content.digest, content.sizeBytes)))
    return ok(undefined);
  const stored = await adoptPath(session, path, places);
  if (!stored.ok) return stored;
  return stored.value.digest === content.digest
    ? ok(undefined)
    : fail({ code: 'input-changed', files: [path.slice(places.workspace.length + 1)] });
}

/** Moves what a stage left into the cache; in the checkout it belongs to the user, and a copy is taken. */
function adoptPath(session: Session, place: string, places: Places): Promise<Result<Content, Failure>> {
  return session.cache.blobs.adopt(place, { keep: places.workspace === session.plan.root });
}

/** Where the workspace was says nothing to anybody: it is gone. */
function withinWorkspace(failure: Failure, { workspace }: Places): Failure {
  return failure.code === 'not-storable' && failure.path.startsWith(`${workspace}/`)
    ? { ...failure, path: failure.path.slice(workspace.length + 1) }
    : failure;
}
