/** Looks through a directory that has to be taken as a whole: trouble is a failure, never an absence. */
import { chmodSync, lstatSync } from 'node:fs';
import { byCodeUnit } from '../model/json.ts';
import { fail, ok } from '../model/result.ts';
import { attempt } from './errno.ts';
import type { Files, Stamp } from './host.ts';
import { list, stamp } from './stamp.ts';

/** What one may do in a directory of one's own. */
const OWN = 0o700;

/** See `Files.survey`. */
export const survey: Files['survey'] = (root, options) => {
  const found: { path: string; stamp: Stamp }[] = [];
  const pending = [''];
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    const directory = prefix === '' ? root : `${root}/${prefix}`;
    const opened = options.unlock ? attempt('enter', directory, () => unlock(directory)) : ok(undefined);
    if (!opened.ok) return opened;
    const { names, trouble } = list(directory);
    if (trouble !== null) return fail(trouble);
    for (const name of names) {
      const path = prefix === '' ? name : `${prefix}/${name}`;
      const one = stamp(`${directory}/${name}`);
      if (one === null) continue;
      found.push({ path, stamp: one });
      if (one.type === 'directory') pending.push(path);
    }
  }
  return ok(found.sort((a, b) => byCodeUnit(a.path, b.path)));
};

function unlock(directory: string): void {
  const { mode } = lstatSync(directory);
  if ((mode & OWN) !== OWN) chmodSync(directory, (mode & 0o777) | OWN);
}
