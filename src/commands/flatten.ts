/** Makes one plain disk out of layers in the cache, for placed outputs, for commands that read a disk, and for `bake get`. */
import type { Cache } from '../cache/cache.ts';
import { isStillInside, makeParent, temporaryBeside } from '../cache/destination.ts';
import { toolPath } from '../engine/environment.ts';
import type { Flatten } from '../engine/session.ts';
import type { Host } from '../host/host.ts';
import { fail } from '../model/result.ts';

/** Flattens out of a cache: whole under a temporary name, then renamed. The same layers give the same bytes. */
export function flattenIn(host: Host, cache: Cache): Flatten {
  return async (content, to, signal, root) => {
    if (content.type !== 'layers') throw new Error(`not made of layers: ${content.digest}`);
    const made = await makeParent(host.files, root ?? null, to);
    if (!made.ok) return made;
    const { convertDisk } = await import('../machine/disk-image.ts');
    const { describeDisk, NO_STATEMENT } = await import('../stages/images/open-disk.ts');
    for (const { digest, sizeBytes } of content.layers)
      if (!(await cache.blobs.isSound(digest, sizeBytes))) return fail({ code: 'blob-missing', digest });
    const layers = content.layers.map(({ digest }) => cache.blobs.pathOf(digest));
    const disk = await describeDisk(host, { path: layers.at(-1) ?? '', layers }, NO_STATEMENT);
    if (!disk.ok) return disk;
    const temporary = temporaryBeside(host, to);
    const env = { PATH: toolPath(host.env), LANG: 'C.UTF-8' };
    const context = { host, env, signal, log: () => undefined };
    const done = await convertDisk(context, disk.value, temporary, { format: 'qcow2' });
    const inside = done.ok ? isStillInside(host.files, root ?? null, to) : done;
    if (inside.ok) return host.files.rename(temporary, to);
    await host.files.remove(temporary);
    return inside;
  };
}
