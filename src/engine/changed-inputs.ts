/** Whether what a stage read is still what its fingerprint says, looked at when the stage has ended. */
import type { Host } from '../host/host.ts';
import type { Plan } from '../model/plan.ts';
import { isRacy, sameStat } from '../model/stat-record.ts';
import type { TakenInputs } from './fingerprint.ts';
import type { Looks } from './looks.ts';
import type { Prepared } from './prepare.ts';

interface Where {
  readonly host: Host;
  readonly looks: Looks;
  readonly plan: Pick<Plan, 'root'>;
}

/**
 * Files that are not as they were when they were taken: relative to the pipeline's directory, or absolute outside of it. One
 * whose stamp would be the same after another write is read once more.
 */
export async function changedInputs(
  { host, looks, plan }: Where,
  { inputs, stamps, followed, passed, takenAtMs }: TakenInputs,
): Promise<readonly string[]> {
  const changed: string[] = [];
  const tell = (place: string) =>
    changed.push(place.startsWith(`${plan.root}/`) ? place.slice(plan.root.length + 1) : place);
  for (const [place, stamp] of passed) if (!sameStat(host.files.stamp(place), stamp)) tell(place);
  for (const [named, stamp] of stamps) {
    const place = followed.get(named) ?? looks.absolute(named);
    if (!sameStat(host.files.stamp(place), stamp)) {
      tell(place);
      continue;
    }
    const input = inputs.get(named);
    if (input === undefined || 'link' in input || !isRacy(stamp, takenAtMs)) continue;
    const now = await host.hashing.digestFile(place);
    if (!now.ok || now.value.digest !== input.digest) tell(place);
  }
  return changed;
}

/** Names of files that the patterns find now and did not when the stage began, or the other way round; only where files are read in place. */
export async function appearedInputs({ filesNow, files }: Prepared): Promise<readonly string[]> {
  if (filesNow === null) return [];
  const now = await filesNow();
  // What cannot be found any more was there before.
  if (now === null) return ['its inputs'];
  return [...new Set([...now.keys(), ...files.keys()])].filter((path) => !(now.has(path) && files.has(path)));
}
