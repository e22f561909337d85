/** Fills a workspace: declared files of the checkout, and the artifacts of other actions, for reading. */
import { dirname } from 'node:path';
import type { Artifact, Content } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { ArtifactRef, PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { StagedInput } from '../stages/kind.ts';
import { SOURCE_TIME_MS } from './environment.ts';
import type { TakenInputs } from './fingerprint.ts';
import { directoriesOf } from './links.ts';
import { stagedPath } from './manifest.ts';
import type { References } from './options.ts';
import { refKey } from './options.ts';
import type { Session } from './session.ts';

/** Where the parts of one attempt lie. */
export interface Places {
  /** The directory that holds all others and goes away with them. */
  readonly own: string;
  /** Where commands run. */
  readonly workspace: string;
  readonly scratch: string;
  readonly home: string;
  readonly temporary: string;
  /** Directory under which text references are staged: the workspace, or scratch for a stage that runs in the checkout. */
  readonly staging: string;
}

/** Copies (or reflinks) files into the workspace at their paths, and makes directories, which may be empty; links keep their target text. */
export async function stageFiles(
  session: Session,
  { inputs, followed }: TakenInputs,
  workspace: string,
  directories: ReadonlySet<string> = new Set(),
): Promise<Result<void, Failure>> {
  const { files } = session.host;
  const made = new Set<string>();
  for (const path of directories) {
    const directory = await files.makeDirectory(`${workspace}/${path}`);
    if (!directory.ok) return directory;
    made.add(`${workspace}/${path}`);
  }
  for (const [path, input] of inputs) {
    // What an absolute link leads to is read where it is.
    if (path.startsWith('/')) continue;
    const to = `${workspace}/${path}`;
    const parent = dirname(to);
    if (parent !== workspace && !made.has(parent)) {
      const directory = await files.makeDirectory(parent);
      if (!directory.ok) return directory;
      made.add(parent);
    }
    const done =
      'link' in input
        ? await stageLink(session, input.link, to)
        : await files.stageFile(
            followed.get(path) ?? session.looks.absolute(path),
            to,
            input.executable ? 0o755 : 0o644,
            SOURCE_TIME_MS,
          );
    if (!done.ok) return done;
  }
  return ok(undefined);
}

async function stageLink(
  { host: { files } }: Session,
  target: string,
  to: string,
): Promise<Result<void, Failure>> {
  const linked = await files.symlink(target, to);
  return linked.ok ? files.setModified(to, SOURCE_TIME_MS) : linked;
}

/**
 * Gives the workspace, and the directories of declared files, the time that those have: an archive of them must not tell when
 * they were copied.
 */
export async function dateDirectories(
  { host }: Session,
  { inputs }: Pick<TakenInputs, 'inputs'>,
  workspace: string,
  directories: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const directory of new Set([...directoriesOf(inputs.keys()), ...directories]))
    await host.files.setModified(directory === '' ? workspace : `${workspace}/${directory}`, SOURCE_TIME_MS);
}

/** Puts every artifact that an action refers to where the action can read it; those that are options by their reference. */
export async function stageArtifacts(
  session: Session,
  references: References,
  upstream: (ref: ArtifactRef) => Artifact,
  places: Places,
): Promise<Result<ReadonlyMap<string, StagedInput>, Failure>> {
  const byRef = new Map<string, StagedInput>();
  for (const ref of references.staged) {
    const artifact = upstream(ref);
    const to = `${places.staging}/${stagedPath(ref, artifact.path)}`;
    const parent = await session.host.files.makeDirectory(dirname(to));
    if (!parent.ok) return parent;
    const put = await putContent(session, artifact.content, to);
    if (!put.ok) return put;
  }
  const inputs = `${places.scratch}/inputs`;
  if (references.artifacts.length > 0) {
    const made = await session.host.files.makeDirectory(inputs);
    if (!made.ok) return made;
  }
  for (const [index, ref] of references.artifacts.entries()) {
    // A number for a name: what a kind makes of an artifact must not depend on what it was called.
    const staged = await stageWhole(session, upstream(ref).content, `${inputs}/${index + 1}`);
    if (!staged.ok) return staged;
    byRef.set(refKey(ref), staged.value);
  }
  return ok(byRef);
}

async function stageWhole(
  session: Session,
  content: Content,
  to: string,
): Promise<Result<StagedInput, Failure>> {
  if (content.type !== 'layers') {
    const put = await session.cache.restore(content, to, 'shared');
    return put.ok ? ok({ path: to, content, layers: [to] }) : put;
  }
  const layers: string[] = [];
  for (const [index, { digest, sizeBytes }] of content.layers.entries()) {
    const layer = `${to}-${index + 1}`;
    const file = { type: 'file', digest, sizeBytes, executable: false } as const;
    const put = await session.cache.restore(file, layer, 'shared');
    if (!put.ok) return put;
    layers.push(layer);
  }
  const top = layers.at(-1);
  if (top === undefined) throw new Error('a disk without layers');
  return ok({ path: top, content, layers });
}

function putContent(session: Session, content: Content, to: string): Promise<Result<void, Failure>> {
  return content.type === 'layers'
    ? session.flatten(content, to, session.signal)
    : session.cache.restore(content, to, 'shared');
}

/** What is in the directory of every attempt from the beginning: HOME and TMPDIR. */
export const OWN_DIRECTORIES = ['home', 'tmp'] as const;

/** The directories of one attempt, made. */
export async function makePlaces(
  session: Session,
  own: string,
  { workspace: where, kind }: PlannedAction,
): Promise<Result<Places, Failure>> {
  const inPlace = where === 'in-place';
  const scratch = `${own}/scratch`;
  const workspace = inPlace ? session.plan.root : `${own}/work`;
  const places = {
    own,
    workspace,
    scratch,
    home: `${own}/home`,
    temporary: `${own}/tmp`,
    staging: inPlace ? scratch : workspace,
  };
  const wanted: string[] = [];
  // A command in a workspace cannot know of the scratch directory: a thousand commands need not pay for it.
  if (inPlace || kind !== 'run') wanted.push(scratch);
  if (!inPlace) wanted.push(workspace);
  for (const directory of wanted) {
    const made = await session.host.files.makeDirectory(directory);
    if (!made.ok) return fail(made.failure);
  }
  return ok(places);
}
