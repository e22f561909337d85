/** What a watched action gets to see. See docs/design/traces.md. */
import { basename } from 'node:path';
import type { Failure } from '../model/failure.ts';
import { type Asks, LINKED, LISTED, OPENED } from '../model/observation.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Pinned, TakenInputs } from './fingerprint.ts';
import { takeInputs } from './fingerprint.ts';
import { followLinks, hasLinks } from './links.ts';
import { Observer } from './observer.ts';
import type { Prepared } from './prepare.ts';
import { type LeftOut, leftOutOf, type ProjectView, viewOf } from './project-view.ts';
import type { Session } from './session.ts';
import { pinTraced, withReads } from './traced.ts';

/** The project of an action as it was when it was copied. */
export interface TakenView extends ProjectView {
  /** The same by content, and the inputs that the action declares: all that it gets. */
  readonly taken: TakenInputs;
  readonly leftOut: LeftOut;
}

/** Takes the project of an action, to be copied into its workspace. `declared` are the inputs that count anyway. */
export async function takeView(
  session: Session,
  prepared: Prepared,
  declared: TakenInputs,
): Promise<Result<TakenView, Failure>> {
  const { action, view: request } = prepared;
  if (request === null) throw new Error(`${action.name} has no view`);
  const { host, looks } = session;
  const foundAtMs = host.clock.nowMs();
  const leftOut = await leftOutOf(session);
  const view = viewOf(request, leftOut, { action, host, looks });
  if (!view.ok) return view;
  const linked = linksOf(session, prepared, view.value);
  if (!linked.ok) return linked;
  const taken = await takeInputs({ ...prepared, ...linked.value, foundAtMs }, session);
  if (!taken.ok) return taken;
  return ok({
    ...view.value,
    leftOut,
    taken: {
      inputs: new Map([...taken.value.inputs, ...declared.inputs]),
      stamps: new Map([...taken.value.stamps, ...declared.stamps]),
      followed: new Map([...taken.value.followed, ...declared.followed]),
      passed: new Map([...taken.value.passed, ...declared.passed]),
      takenAtMs: Math.min(taken.value.takenAtMs, declared.takenAtMs),
    },
  });
}

/** What links lead to that is not in the view takes their place, as it does for declared inputs. */
function linksOf(
  session: Session,
  { action }: Prepared,
  { files, directories }: ProjectView,
): Result<Pick<Prepared, 'files' | 'followed' | 'passed'>, Failure> {
  if (!hasLinks(files)) return ok({ files, followed: new Map(), passed: new Map() });
  const linked = followLinks(files, {
    files: session.host.files,
    looks: session.looks.anew(),
    asFiles: new Set(),
    isExcluded: () => false,
    inPlace: false,
    directories,
  });
  const { stage, location } = action;
  const [unreadable] = linked.unreadable;
  if (unreadable !== undefined) return fail({ code: 'input-unreadable', stage, ...unreadable, location });
  const [trouble] = linked.troubles;
  if (trouble !== undefined) return fail({ code: 'input-link-leaves', stage, ...trouble, location });
  return ok({ files: linked.files, followed: linked.places, passed: linked.passed });
}

/**
 * As a run would pin a watched action; where nothing is known of it yet, with all that it may see: until it has run, everything
 * counts.
 */
export async function pinPredicted(session: Session, prepared: Prepared, work: Pinned): Promise<Pinned> {
  const pinned = await pinTraced(session, prepared, work);
  if (pinned.manifest.reads !== undefined || prepared.view === null) return pinned;
  const { host, looks } = session;
  const { action, view: request } = prepared;
  const leftOut = await leftOutOf(session);
  const view = viewOf(request, leftOut, { action, host, looks });
  if (!view.ok) return pinned;
  const observer = new Observer({ ...session, looks: looks.anew() }, (path) => leftOut.has(path));
  const seen = await observer.observe(everything(view.value, session));
  return seen.ok ? withReads(session, work, Object.fromEntries(seen.value)) : pinned;
}

/** All that can be asked of a project, but for the pipeline itself: what it says of a stage counts anyway. */
export function everything(
  { files, directories }: ProjectView,
  { plan }: Session,
): ReadonlyMap<string, Asks> {
  const own = new Set([basename(plan.file), 'bake.lock']);
  return new Map([
    ...[...files]
      .filter(([path]) => !own.has(path))
      .map(([path, { type }]) => [path, type === 'link' ? LINKED : OPENED] as const),
    ...[...directories].map((path) => [path, LISTED] as const),
  ]);
}
