/** The outputs that a user finds in the checkout: whether they are as they should be, and putting them there. */
import type { Piece, Placed } from '../cache/place.ts';
import type { Stamp } from '../host/host.ts';
import type { ActionState, PlacedFile, PlacedOutput } from '../incremental/state.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { isRacy, isStat, numbersOf } from '../model/stat-record.ts';
import { type Examination, examine } from './examine.ts';
import { inTheWay } from './in-the-way.ts';
import type { Session } from './session.ts';

/** An artifact that is not in the checkout as it should be, and why not. */
export interface Displaced {
  readonly artifact: Artifact;
  readonly reason: string;
  /** Null when its tree is not in the cache. */
  readonly examination: Examination | null;
}

/** How the outputs of an action lie in the checkout. */
export interface Placement {
  readonly placed: { readonly [output: string]: PlacedOutput };
  /** Files whose stamps of the moment could hide what was written in that very moment, with what they are to hold. */
  readonly racy: ReadonlyMap<string, Digest>;
}

/** Where nothing is put. */
export const NOT_PLACED: Placement = { placed: {}, racy: new Map() };

/** Larger files are not read once more for a moment in which somebody else could have written to them. */
const MOST_BYTES = 1024 * 1024;

/** Whether an artifact lies in the checkout as it was put there, by stamps alone. What else lies in its directories does not count. */
export function isAsPlaced(session: Session, artifact: Artifact, state: ActionState | undefined): boolean {
  const known = state?.placed[artifact.name];
  if (known === undefined || known.digest !== artifact.content.digest) return false;
  const stampOf = (path: string) => session.host.files.stamp(session.looks.absolute(path));
  return (
    known.files.every((file) => isStat(file, 1, stampOf(file[0]))) &&
    (known.directories ?? []).every((path) => stampOf(path)?.type === 'directory')
  );
}

/** Which artifacts of an action are missing from the checkout or changed there, and how the others lie there: by stamps, else by digest. */
export async function examineArtifacts(
  session: Session,
  action: PlannedAction,
  artifacts: readonly Artifact[],
  state: ActionState | undefined,
): Promise<{ readonly displaced: readonly Displaced[]; readonly there: Placement }> {
  const displaced: Displaced[] = [];
  const placed: Record<string, PlacedOutput> = {};
  for (const artifact of artifacts) {
    const known = state?.placed[artifact.name];
    if (known !== undefined && !session.verify && isAsPlaced(session, artifact, state)) {
      placed[artifact.name] = known;
      continue;
    }
    const examination = await examine(session, action, artifact);
    const reason = examination === null ? `${artifact.path} was missing` : examination.reason;
    if (reason !== null) displaced.push({ artifact, reason, examination });
    else if (examination !== null) placed[artifact.name] = recordOf(examination, new Map(), null);
  }
  return { displaced, there: { placed, racy: new Map() } };
}

/**
 * Puts artifacts at their paths in the checkout, unless something of the user's lies in the place of any of them; with a sentence
 * for each. What somebody changed is moved aside, and a warning says where it is.
 */
export async function placeArtifacts(
  session: Session,
  action: PlannedAction,
  displaced: readonly Displaced[],
): Promise<Result<Placement & { readonly reasons: readonly string[] }, Failure>> {
  const obstacles = displaced.flatMap(({ artifact, examination }) =>
    (examination?.obstacles ?? []).map((obstacle) => ({ ...obstacle, output: artifact.name })),
  );
  if (obstacles.length > 0) return fail(await inTheWay(session, action, obstacles));
  const placed: Record<string, PlacedOutput> = {};
  const racy = new Map<string, Digest>();
  const reasons: string[] = [];
  const kept: { readonly path: string; readonly as: string }[] = [];
  for (const one of displaced) {
    const { artifact } = one;
    const done = await placeAgainst(session, action, one);
    if (!done.ok) return done;
    const { examination, aside, stamps, flat } = done.value;
    reasons.push(one.reason);
    for (const [path, as] of aside) kept.push({ path, as });
    placed[artifact.name] = recordOf(examination, stamps, flat);
    noteRacy(session, examination.pieces, stamps, racy);
  }
  if (kept.length > 0)
    session.emit({ type: 'warning', warning: { code: 'output-kept', stage: action.stage, files: kept } });
  return ok({ placed, racy, reasons });
}

/** Another run in this checkout may put the same there at the same time: so often is looked again at what came between. */
const MOST_ROUNDS = 4;

/** Puts one artifact at its place, over what was seen there and nothing else. */
async function placeAgainst(
  session: Session,
  action: PlannedAction,
  { artifact, examination: first }: Displaced,
): Promise<Result<Pick<Placed, 'aside' | 'stamps' | 'flat'> & { examination: Examination }, Failure>> {
  let examination = first;
  const aside = new Map<string, string>();
  for (let round = 1; ; round++) {
    if (examination === null) return fail({ code: 'blob-missing', digest: artifact.content.digest });
    const obstacles = examination.obstacles.map((one) => ({ ...one, output: artifact.name }));
    if (obstacles.length > 0) return fail(await inTheWay(session, action, obstacles));
    if (examination.reason === null) return ok({ examination, aside, stamps: new Map(), flat: null });
    const done = await placeOne(session, examination);
    if (!done.ok) return done;
    for (const [path, as] of done.value.aside) aside.set(path, as);
    const found = done.value.inTheWay.map((path) => ({ path, wasOurs: false, output: artifact.name }));
    if (found.length === 0) return ok({ ...done.value, examination, aside });
    if (round === MOST_ROUNDS) return fail(await inTheWay(session, action, found));
    examination = await examine(session, action, artifact);
  }
}

function placeOne(
  session: Session,
  { artifact, steps, stale }: Examination,
): Promise<Result<Placed, Failure>> {
  const { content, path } = artifact;
  const { root } = session.plan;
  return session.cache.place({
    root,
    path,
    content,
    steps,
    stale,
    flatten: (to) => session.flatten(content, to, session.signal),
  });
}

/** What the next run compares: the stamps of when each piece was put there, or was seen to be as it should be. */
function recordOf(
  { artifact, pieces, stamps: seen }: Examination,
  stamps: ReadonlyMap<string, Stamp>,
  flat: Placed['flat'],
): PlacedOutput {
  const { digest } = artifact.content;
  const files = pieces.flatMap(({ path, type }): PlacedFile[] => {
    const stamp = stamps.get(path) ?? seen.get(path);
    return type === 'directory' || stamp === undefined ? [] : [[path, ...numbersOf(stamp)]];
  });
  const directories = pieces.filter(({ type }) => type === 'directory').map(({ path }) => path);
  const [only] = pieces;
  const isFlat = artifact.content.type === 'layers' && only?.type === 'file';
  const { path: _, ...file } = isFlat ? only : { path: '' };
  return {
    digest,
    files,
    ...(directories.length === 0 ? {} : { directories }),
    ...(isFlat ? { flat: { ...(file as Omit<typeof only, 'path'>), ...flat, type: 'file' } } : {}),
  };
}

function noteRacy(
  session: Session,
  pieces: readonly Piece[],
  stamps: ReadonlyMap<string, Stamp>,
  racy: Map<string, Digest>,
): void {
  const nowMs = session.host.clock.nowMs();
  for (const piece of pieces) {
    const stamp = stamps.get(piece.path);
    if (piece.type !== 'file' || stamp === undefined || piece.sizeBytes > MOST_BYTES || piece.sizeBytes < 0)
      continue;
    if (isRacy(stamp, nowMs)) racy.set(piece.path, piece.digest);
  }
}

/** Both of what is there and what was put there. */
export function together(one: Placement, other: Placement): Placement {
  return {
    placed: { ...one.placed, ...other.placed },
    racy: new Map([...one.racy, ...other.racy]),
  };
}

/** Whether the outputs of an action are put into the checkout, and what each one's path there is. */
export function placedAt(action: { readonly placed: boolean }, artifact: Artifact): string | null {
  return action.placed ? artifact.path : null;
}
