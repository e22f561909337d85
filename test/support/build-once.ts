/** Bundles the program once before all tests into a directory of their own, so that stories run what users run. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

export default function setup(): () => void {
  const directory = join(import.meta.dirname, `../../.test-dist/${process.pid}`);
  process.env['BAKE_BUILD_DIR'] = directory;
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit', env: process.env });
  process.env['BAKE_TEST_PROGRAM'] = join(directory, 'bake.js');
  return () => rmSync(directory, { recursive: true, force: true });
}
