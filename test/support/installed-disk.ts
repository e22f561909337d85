/** The disk that the default pipeline installs, for tests with real machines: made once, by the program itself. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bakeDefault, installerIso } from './guest.ts';

/** Absolute path; nobody may write to it. Takes a minute or two the first time. */
export function installedDisk(): string {
  const path = join(dirname(installerIso()), 'installed.qcow2');
  if (existsSync(path)) return path;
  bakeDefault('run', 'pipeline.yaml', 'qemu-install');
  bakeDefault('get', 'pipeline.yaml', 'qemu-install.disk', '--to', path);
  return path;
}
