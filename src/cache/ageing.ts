/** Removes what nobody will ask for again because it is old: by the run that opens a workspace, at most once a day. */
import type { Host } from '../host/host.ts';
import { removeStandIns } from './stand-ins.ts';
import type { Store } from './store.ts';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
/** So many of one directory in one go: the rest has time until tomorrow. */
const MOST_AT_ONCE = 1_000;

/** Ages what a store keeps, unless that was done within the last day. Trouble is none: tomorrow is another day. */
export async function ageOnceADay(store: Store): Promise<void> {
  const { host, main, own } = store;
  const mark = `${own.root}/aged`;
  if (ageOf(host, mark) < DAY_MS) return;
  await host.files.replaceFile(mark, '', { flush: false });
  // A beating lock is written every few seconds, a temporary file as long as it is being made.
  for (const directory of [main.locks, main.temporary, own.temporary]) await age(host, directory, DAY_MS);
  for (const directory of [main.quarantine, own.partial]) await age(host, directory, 30 * DAY_MS);
  await age(host, own.quick, 180 * DAY_MS);
  await ageCheckouts(host, own.checkouts);
  await removeStandIns(host, store.temporaryDirectory);
}

/** A moved file keeps its mtime: when it came to where it is shows in its ctime. Of what cannot be looked at it is no number. */
function ageOf({ files, clock }: Host, path: string): number {
  const stamp = files.stamp(path);
  if (stamp === null) return Number.POSITIVE_INFINITY;
  return clock.nowMs() - Math.max(stamp.ctimeMs, stamp.mtimeMs);
}

async function age(host: Host, directory: string, mostMs: number): Promise<void> {
  let removed = 0;
  for (const name of host.files.list(directory).names) {
    const path = `${directory}/${name}`;
    if (!(ageOf(host, path) > mostMs)) continue;
    await host.files.remove(path);
    removed += 1;
    if (removed === MOST_AT_ONCE) return;
  }
}

/** A checkout counts as old when nothing in its directory was written for half a year; one with a kept machine stays. */
async function ageCheckouts(host: Host, directory: string): Promise<void> {
  const { files } = host;
  for (const name of files.list(directory).names) {
    const path = `${directory}/${name}`;
    const below = files.list(path);
    const machines = files.list(`${path}/machines`);
    const isOld = [path, ...below.names.map((one) => `${path}/${one}`)].every(
      (one) => ageOf(host, one) > 180 * DAY_MS,
    );
    const isSeen = below.trouble === null && machines.trouble === null;
    if (isOld && isSeen && machines.names.length === 0) await files.remove(path);
  }
}
