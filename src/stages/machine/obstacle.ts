/** Why a guest would not run a script, where that is not the script's fault. */
import type { GuestObstacle } from '../../model/failure-machine.ts';
import type { Guest } from './guest.ts';

/** What a shell ends with when it may not run what it found. */
const NOT_EXECUTABLE = 126;

/** What kept a script in `folder` from running, by how it ended and what it said last; null when it is not known. */
export async function obstacleTo(
  guest: Pick<Guest, 'run'>,
  folder: string,
  { exitCode, tail }: { readonly exitCode: number | null; readonly tail: readonly string[] },
): Promise<GuestObstacle | null> {
  if (tail.some((line) => /\bmust have a tty\b/.test(line))) return { type: 'requiretty' };
  if (exitCode !== NOT_EXECUTABLE && !tail.some((line) => /Permission denied$/.test(line))) return null;
  const asked = await guest.run('cat /proc/mounts', 'while it was asked for its mounts', {
    quiet: true,
    timeoutMs: 30_000,
  });
  const mounts = asked.ok && asked.value.exitCode === 0 ? asked.value.stdout : '';
  return isNoexec(mounts, folder) ? { type: 'noexec', folder } : null;
}

/** Whether the file system that a directory is on runs no programs, by the text of `/proc/mounts`. */
export function isNoexec(mounts: string, folder: string): boolean {
  let longest = '';
  let options = '';
  for (const line of mounts.split('\n')) {
    const [, place = '', , given = ''] = line.split(' ');
    const at = place.replace(/\\([0-7]{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const isAbove = at === folder || folder.startsWith(at.endsWith('/') ? at : `${at}/`);
    // Of two on one place the later one counts.
    if (at === '' || !isAbove || at.length < longest.length) continue;
    longest = at;
    options = given;
  }
  return options.split(',').includes('noexec');
}
