/** Opens the screen and keyboard of a running machine to VNC viewers of this user. */
import type { Qmp } from './qmp.ts';

/** A socket's path may have so many bytes. */
export const LONGEST_PATH_BYTES = 107;

/**
 * Has QEMU listen on a Unix socket, in a directory that only this user may enter: a port would be open to everybody on this
 * host, who could type as root at the console. The path, or null when it cannot.
 */
export async function openVnc(qmp: Qmp, path: string): Promise<string | null> {
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) return null;
  const opened = await qmp.command('display-update', { type: 'vnc', addresses: [{ type: 'unix', path }] });
  const answer = opened.ok ? await qmp.command('query-vnc') : opened;
  if (!answer.ok) return null;
  const { enabled, family } = answer.value as { readonly enabled?: boolean; readonly family?: string };
  return enabled === true && family === 'unix' ? path : null;
}
