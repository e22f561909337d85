// `npm run bench -- <suite>…`: bundles the program and the bench into a directory of their own and runs the bench.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const directory = mkdtempSync(join(process.env.BAKE_BENCH_DIR ?? tmpdir(), 'bake-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
process.env.BAKE_BUILD_DIR = join(directory, 'dist');
await import('../scripts/build.mjs');
await build({
  absWorkingDir: root,
  entryPoints: ['bench/main.ts'],
  outfile: join(directory, 'bench.js'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  loader: { '.py': 'text' },
  logLevel: 'warning',
});
const { main } = await import(pathToFileURL(join(directory, 'bench.js')).href);
process.exitCode = await main({ root, directory, arguments: process.argv.slice(2) });
