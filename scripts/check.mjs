// `npm run check`: everything that can be said about the code without running it. All checks run, then the verdict.
import { spawnSync } from 'node:child_process';

const checks = [
  ['format and lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['types', 'tsc', ['-p', '.']],
  ['lint with types', 'eslint', ['--max-warnings', '0', 'src', 'test', 'bench']],
  ['import rules', 'depcruise', ['src', '--config', '.dependency-cruiser.cjs']],
  ['dead code', 'knip', []],
  ['file sizes and headers', process.execPath, ['scripts/check-files.mjs']],
  ['docs fresh', process.execPath, ['scripts/generate-docs.mjs', '--check']],
];
const only = process.argv[2];
let failed = 0;
for (const [name, program, args] of checks) {
  if (only && !name.includes(only)) continue;
  const result = spawnSync(program, args, {
    stdio: 'inherit',
    env: { ...process.env, PATH: `node_modules/.bin:${process.env.PATH}` },
  });
  const passed = result.status === 0;
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${name}`);
  if (!passed) failed += 1;
}
console.log(failed === 0 ? 'check: all passed' : `check: ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
