/** What the figures were measured on: described, since ratios too depend on it. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';

const FILE_SYSTEMS: { readonly [magic: number]: string } = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
};

/** Name → value, for the head of a report. */
export function describeMachine(directory: string): { readonly [name: string]: string } {
  const { type: magic } = statfsSync(directory);
  return {
    processor: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${distribution()}, ${type()} ${release()}`,
    'file system': FILE_SYSTEMS[magic] ?? `0x${magic.toString(16)}`,
    // Above the number of processors, others were at work too: ratios spread more, and those of parallel work suffer.
    'load at the start': loadavg()[0]?.toFixed(1) ?? 'unknown',
    node: `${process.versions.node} (OpenSSL ${process.versions.openssl})`,
  };
}

/** First line of what a program says its version is; null when it does not run. */
export function versionOf(file: string, ...args: readonly string[]): string | null {
  try {
    return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
      '\n',
    )[0] as string;
  } catch {
    return null;
  }
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
