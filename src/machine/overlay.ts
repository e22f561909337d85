/** Puts a fresh overlay on top of a running machine's disk, so that what was written so far is a finished layer. */
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { DISK_CACHE } from './command-line.ts';
import type { MachineContext } from './context.ts';
import { createDisk } from './disk-image.ts';
import type { Machine } from './machine.ts';

/** The top of a disk in a running machine. */
export interface Top {
  /** Name of the block node. */
  readonly node: string;
  /** Absolute path of the file that takes all writes. */
  readonly path: string;
}

/**
 * From now on all writes go to a new file at `next.path`. The one before is read-only and whole when this resolves, and may
 * be moved elsewhere. The guest should be paused: what it writes meanwhile is in one of the two.
 */
export async function putOverlay(
  context: MachineContext,
  machine: Machine,
  top: Top,
  next: Top,
  sizeBytes: number,
): Promise<Result<void, Failure>> {
  const made = await createDisk(context, next.path, sizeBytes);
  if (!made.ok) return made;
  const added = await machine.qmp.command('blockdev-add', {
    'node-name': next.node,
    driver: 'qcow2',
    backing: null,
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    cache: DISK_CACHE,
    file: { driver: 'file', filename: next.path, discard: 'unmap' },
  });
  const put = added.ok
    ? await machine.qmp.command('blockdev-snapshot', { node: top.node, overlay: next.node })
    : added;
  return put.ok ? ok(undefined) : fail({ code: 'layer-not-cut', problem: put.failure });
}
