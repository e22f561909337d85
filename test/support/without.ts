/** The one list of reasons for which a test may be skipped: `test.skipIf(without.root)`. What is not `mayBeMissing` in CI fails `test/house/skips.test.ts`. */
import { existsSync } from 'node:fs';

const has = (command: string): boolean =>
  [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin'].some((place) => existsSync(`${place}/${command}`));

/** What is not there, by name; each is true where it is not. */
export const without = {
  /** Becoming another user, mounting, namespaces. */
  root: process.getuid?.() !== 0,
  linux: process.platform !== 'linux',
  tmux: !has('tmux'),
  nginx: !has('nginx'),
  xmllint: !has('xmllint'),
  /** The long form of tests with machines, `MACHINES=all`: whole installations whose parts are tested elsewhere. */
  allMachines: process.env['MACHINES'] !== 'all',
} as const;

/** What may be missing in CI: everything else is installed there, and a test that is skipped would not be missed. */
export const mayBeMissing: readonly (keyof typeof without)[] = ['root', 'allMachines'];
