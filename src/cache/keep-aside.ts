/** Where goes what a user made of something that bake puts in order again: nobody's bytes are thrown away. */
import { dirname } from 'node:path';
import type { Files } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';

/** Directory of the checkout for it; no input ever comes from there. */
export const KEPT_DIRECTORY = '.bake-kept';

/** Moves what lies at a path of the checkout there, under a name of its own; that name, relative to the checkout. */
export async function moveAside(files: Files, root: string, path: string): Promise<Result<string, Failure>> {
  const directory = `${root}/${KEPT_DIRECTORY}`;
  const found = files.stamp(directory);
  if (found !== null && found.type !== 'directory')
    return fail({ code: 'restore-escapes', path: `${root}/${path}`, link: directory });
  if (found === null) {
    const made = await files.makeDirectory(directory);
    // Nothing of it is for a repository.
    const ignored = made.ok ? await files.writeFile(`${directory}/.gitignore`, '*\n') : made;
    if (!ignored.ok) return ignored;
  }
  const kept = freeName(files, root, `${KEPT_DIRECTORY}/${path}`);
  const parent = await files.makeDirectory(dirname(`${root}/${kept}`));
  if (!parent.ok) return parent;
  const moved = await files.rename(`${root}/${path}`, `${root}/${kept}`);
  return moved.ok ? ok(kept) : moved;
}

function freeName(files: Files, root: string, wanted: string): string {
  let name = wanted;
  for (let number = 2; files.stamp(`${root}/${name}`) !== null; number++) name = `${wanted}~${number}`;
  return name;
}
