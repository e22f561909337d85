/** A private directory whose path is short enough for Unix sockets in it. */
import { tmpdir } from 'node:os';
import type { Host } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { ok, type Result } from '../model/result.ts';

/** A socket's path may have 107 bytes; ssh appends 18 characters to that of its control socket while it makes it. */
const LONGEST_PATH_BYTES = 107 - 18 - '/control'.length;

export interface ShortDirectory {
  readonly path: string;
  remove(): Promise<void>;
}

/**
 * `m` in the scratch directory when that is short enough: then a later run clears it away if this one is killed. Else a
 * directory among the system's temporary files that only this user can enter.
 */
export async function shortDirectory(host: Host, scratch: string): Promise<Result<ShortDirectory, Failure>> {
  const made = await host.files.makeTemporaryDirectory(
    Buffer.byteLength(scratch) + '/m-XXXXXX'.length <= LONGEST_PATH_BYTES ? scratch : tmpdir(),
    'm-',
  );
  if (!made.ok) return made;
  const path = made.value;
  return ok({
    path,
    remove: async () => {
      await host.files.remove(path);
    },
  });
}
