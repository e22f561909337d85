/** The outputs that a user finds in the checkout: whether they are as they should be, and putting them there. */
import type { Stamp } from '../host/host.ts';
import type { ActionState, PlacedFile, PlacedOutput } from '../incremental/state.ts';
import type { Artifact, FileContent, TreeEntry } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { Result } from '../model/result.ts';
import { isStat, numbersOf } from '../model/stat-record.ts';
import type { Session } from './session.ts';

const EXECUTABLE = 0o100;

/** An artifact that is not in the checkout as it should be, and why not. */
export interface Displaced {
  readonly artifact: Artifact;
  readonly reason: string;
}

/** Which artifacts of an action are missing from the checkout or changed there: by stamps, else by digest. */
export async function displacedArtifacts(
  session: Session,
  artifacts: readonly Artifact[],
  state: ActionState | undefined,
): Promise<readonly Displaced[]> {
  const displaced: Displaced[] = [];
  for (const artifact of artifacts) {
    if (await isKnownAsPlaced(session, artifact, state)) continue;
    const known = state?.placed[artifact.name];
    const stamp = session.host.files.stamp(session.looks.absolute(artifact.path));
    if (stamp === null) displaced.push({ artifact, reason: `${artifact.path} was missing` });
    else if (!(await holds(session, artifact, stamp))) {
      const reason =
        known?.digest === artifact.content.digest
          ? `${artifact.path} was changed by somebody else`
          : `${artifact.path} held something else`;
      displaced.push({ artifact, reason });
    }
  }
  return displaced;
}

/** By stamps; a disk that was made of layers has no digest to hold it against but that of before, which is taken again for who wants that. */
async function isKnownAsPlaced(
  session: Session,
  artifact: Artifact,
  state: ActionState | undefined,
): Promise<boolean> {
  if (!isAsPlaced(session, artifact, state)) return false;
  if (!session.verify) return true;
  const flat = state?.placed[artifact.name]?.flat;
  return flat !== undefined && (await flatAt(session, artifact.path))?.digest === flat.digest;
}

/** Whether an artifact lies in the checkout as it was put there, by stamps alone. */
export function isAsPlaced(session: Session, artifact: Artifact, state: ActionState | undefined): boolean {
  const known = state?.placed[artifact.name];
  return (
    known !== undefined &&
    known.digest === artifact.content.digest &&
    known.files.every((file) => isStat(file, 1, session.host.files.stamp(session.looks.absolute(file[0]))))
  );
}

/** Puts an artifact at its path in the checkout; what was there is replaced only when the new is complete. */
export async function placeArtifact(session: Session, artifact: Artifact): Promise<Result<void, Failure>> {
  const to = session.looks.absolute(artifact.path);
  return artifact.content.type === 'layers'
    ? session.flatten(artifact.content, to, session.signal, session.plan.root)
    : session.cache.restore(artifact.content, to, 'private', session.plan.root);
}

/** The stamps of artifacts as they lie in the checkout now. */
export async function placedOutputs(
  session: Session,
  artifacts: readonly Artifact[],
): Promise<{ readonly [output: string]: PlacedOutput }> {
  const placed: Record<string, PlacedOutput> = {};
  for (const { name, path, content } of artifacts) {
    const paths = [path];
    if (content.type === 'tree') {
      const root = session.looks.absolute(path);
      paths.push(...session.host.files.walk(root).entries.map((entry) => `${path}/${entry.path}`));
    }
    const files = paths.flatMap((file): PlacedFile[] => {
      const stamp = session.host.files.stamp(session.looks.absolute(file));
      if (stamp === null) return [];
      return [[file, ...numbersOf(stamp)]];
    });
    const flat = content.type === 'layers' ? await flatAt(session, path) : null;
    placed[name] = { digest: content.digest, files, ...(flat === null ? {} : { flat }) };
  }
  return placed;
}

/** The one file that layers were made into; null when it is gone already. */
async function flatAt(session: Session, path: string): Promise<FileContent | null> {
  const digest = await session.cache.digestOf(session.looks.absolute(path));
  return digest.ok ? { type: 'file', ...digest.value, executable: false } : null;
}

async function holds(session: Session, artifact: Artifact, stamp: Stamp): Promise<boolean> {
  const { content, path } = artifact;
  const place = session.looks.absolute(path);
  if (content.type === 'file') return holdsFile(session, place, stamp, content);
  if (content.type === 'layers' || stamp.type !== 'directory') return false;
  const entries = await session.cache.blobs.tree(content.digest);
  return entries !== null && holdsTree(session, place, entries);
}

async function holdsFile(
  session: Session,
  place: string,
  stamp: Stamp | null,
  wanted: { readonly digest: string; readonly sizeBytes: number; readonly executable: boolean },
): Promise<boolean> {
  if (stamp?.type !== 'file' || stamp.sizeBytes !== wanted.sizeBytes) return false;
  if (((stamp.mode & EXECUTABLE) !== 0) !== wanted.executable) return false;
  const digest = await session.cache.digestOf(place);
  return digest.ok && digest.value.digest === wanted.digest;
}

async function holdsTree(session: Session, root: string, entries: readonly TreeEntry[]): Promise<boolean> {
  const { files } = session.host;
  const walked = files.walk(root);
  if (walked.trouble !== null) return false;
  const present = new Map(walked.entries.map((entry) => [entry.path, entry.type]));
  for (const entry of entries) {
    if (present.get(entry.path) !== entry.type) return false;
    const place = `${root}/${entry.path}`;
    if (entry.type === 'link') {
      const target = files.readLink(place);
      if (!target.ok || target.value !== entry.target) return false;
    }
    if (entry.type === 'file' && !(await holdsFile(session, place, files.stamp(place), entry))) return false;
    present.delete(entry.path);
  }
  return present.size === 0;
}

/** Whether the outputs of an action are put into the checkout, and what each one's path there is. */
export function placedAt(action: { readonly placed: boolean }, artifact: Artifact): string | null {
  return action.placed ? artifact.path : null;
}
