/** What stands where outputs are to be and is not bake's to remove: found before a stage runs, where that can be. */
import type { Failure } from '../model/failure.ts';
import type { Location } from '../model/location.ts';
import type { PlannedAction, PlannedOutput } from '../model/plan.ts';
import type { Obstacle } from './examine.ts';
import { Ownership } from './ownership.ts';
import type { Session } from './session.ts';

interface Found extends Obstacle {
  readonly output: string;
}

/** The failure that names them. */
export async function inTheWay(
  session: Session,
  action: PlannedAction,
  found: readonly Found[],
): Promise<Failure> {
  const [first] = found;
  return {
    code: 'output-in-the-way',
    stage: action.stage,
    outputs: [...new Set(found.map((one) => one.output))],
    files: found.map(({ path }) => path),
    changed: found.filter(({ wasOurs }) => wasOurs).map(({ path }) => path),
    location: await locationOf(
      session,
      action,
      action.outputs.find(({ name }) => name === first?.output),
    ),
  };
}

/** Where the pipeline gives the path of an output; the stage itself where it does not, or is another by now. */
async function locationOf(
  { plan, host }: Session,
  action: PlannedAction,
  output: PlannedOutput | undefined,
): Promise<Location> {
  const { location } = action;
  if (output?.at === undefined) return location;
  const [line, column, length] = output.at;
  const text = await host.files.readText(`${plan.root}/${plan.file.slice(plan.file.lastIndexOf('/') + 1)}`);
  const found = text.ok ? text.value.split(/\r?\n/)[line - 1] : undefined;
  return found === undefined ? location : { file: location.file, line, column, length, text: found };
}

/**
 * What stands in the way of the outputs of an action whatever it will make: files, links and the like that are neither bake's nor
 * given up by the user. Of a directory that cannot be said: what is in it stays, unless the output has something of that name.
 */
export async function obstaclesBefore(session: Session, action: PlannedAction): Promise<Failure | null> {
  // A stage that runs in the checkout writes its outputs itself.
  if (!action.placed || action.workspace === 'in-place' || session.replace === true) return null;
  const found: Found[] = [];
  for (const { name, path, replace } of action.outputs) {
    const stamp = replace === true ? null : session.host.files.stamp(session.looks.absolute(path));
    if (stamp === null || stamp.type === 'directory') continue;
    const own = new Ownership(session, action, name);
    if (await own.isOwn(path, stamp)) continue;
    const wasOurs = await own.wasPlaced(path);
    const isNobodysLoss = wasOurs && (stamp.type === 'other' || stamp.sizeBytes === 0);
    if (!isNobodysLoss) found.push({ path, wasOurs, output: name });
  }
  return found.length === 0 ? null : inTheWay(session, action, found);
}
