/** At the end of a run: whether what it put into the checkout is still as it was put there. */

import type { PlacedFile, PlacedOutput } from '../incremental/state.ts';
import { isStat } from '../model/stat-record.ts';
import { recordsOf } from './ownership.ts';
import type { Session } from './session.ts';
import type { Settled } from './settled.ts';

/** The numbers of a file that nobody knows: no stamp is equal to them. */
const UNKNOWN = [-1, 0, 0, 0] as const;

/**
 * Warns of outputs that somebody changed or removed since this run put them there. Their records stay those of that moment, so that
 * the next run finds out; where a stamp alone could not show a change, the file is read once more.
 */
export async function asStillPlaced(
  session: Session,
  settled: readonly Settled[],
): Promise<readonly Settled[]> {
  const { files } = recordsOf(session.state);
  const touched: string[] = [];
  const checked: Settled[] = [];
  for (const one of settled) {
    const unknown = new Set<string>();
    for (const file of Object.values(one.placed).flatMap((output) => output.files)) {
      // What was there before this run is for the next one to look at.
      if (files.get(file[0]) === file) continue;
      const isStill = isStat(file, 1, session.host.files.stamp(session.looks.absolute(file[0])));
      if (isStill && (await holdsStill(session, one, file[0]))) continue;
      touched.push(file[0]);
      if (isStill) unknown.add(file[0]);
    }
    checked.push(unknown.size === 0 ? one : { ...one, placed: without(one.placed, unknown) });
  }
  if (touched.length > 0)
    session.emit({ type: 'warning', warning: { code: 'outputs-touched', files: touched } });
  return checked;
}

async function holdsStill({ host, looks }: Session, { racy }: Settled, path: string): Promise<boolean> {
  const digest = racy?.get(path);
  if (digest === undefined) return true;
  const bytes = await host.files.readBytes(looks.absolute(path));
  return bytes.ok && host.hashing.digestBytes(bytes.value) === digest;
}

function without(
  placed: { readonly [output: string]: PlacedOutput },
  unknown: ReadonlySet<string>,
): { readonly [output: string]: PlacedOutput } {
  return Object.fromEntries(
    Object.entries(placed).map(([name, output]) => [
      name,
      {
        ...output,
        files: output.files.map((file): PlacedFile => (unknown.has(file[0]) ? [file[0], ...UNKNOWN] : file)),
      },
    ]),
  );
}
