// Bundles src/ into lib/: one entry that starts fast, and behind it chunks that are loaded when they are needed.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const workers = readdirSync(join(root, 'src/host')).filter((name) => name.endsWith('-worker.ts'));

const outdir = process.env.BAKE_BUILD_DIR ?? join(root, 'lib');
rmSync(outdir, { recursive: true, force: true });
const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.17',
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: 'linked',
  legalComments: 'linked',
  loader: { '.py': 'text' },
  plugins: [
    {
      // Half of what zod loads are its messages in fifty languages; failures get their words from us.
      name: 'no-foreign-words',
      setup({ onLoad }) {
        onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents: 'export {};' }));
      },
    },
    {
      // It waits while it is loaded, which a CommonJS file cannot, for what every Node has.
      name: 'hasha-at-once',
      setup({ onLoad }) {
        onLoad({ filter: /node_modules\/hasha\/index\.js$/ }, ({ path }) => {
          const text = readFileSync(path, 'utf8');
          const contents = text.replace(
            /^const \{Worker\} = await .*?^\}\)\(\);$/ms,
            "import {Worker} from 'node:worker_threads';",
          );
          if (contents === text) throw new Error(`${path}: no line here that waits`);
          return { contents };
        });
      },
    },
  ],
  define: { 'process.env.BAKE_VERSION': JSON.stringify(version) },
  logLevel: 'warning',
};
// The program's first file does a run with nothing to do by itself.
await build({
  ...common,
  entryPoints: [{ in: 'src/entry.ts', out: 'bake' }],
  outdir,
  format: 'cjs',
  supported: { 'dynamic-import': false },
  plugins: [
    {
      name: 'everything-else',
      setup({ onResolve }) {
        onResolve({ filter: /^\.\/cli\.ts$/ }, () => ({ path: './main.cjs', external: true }));
      },
    },
  ],
});
writeFileSync(join(outdir, 'package.json'), '{ "type": "commonjs" }\n');
// Only ES modules can be split into chunks, and Node loads CommonJS files sooner: so they are split, then translated.
const { outputFiles } = await build({
  ...common,
  entryPoints: [
    { in: 'src/cli.ts', out: 'main' },
    ...workers.map((name) => ({ in: `src/host/${name}`, out: name.replace(/\.ts$/, '') })),
  ],
  outdir,
  outExtension: { '.js': '.cjs' },
  splitting: true,
  format: 'esm',
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: 'inline',
  legalComments: 'inline',
  write: false,
});
const STRICT = '"use strict";';
const URL_OF_FILE = 'const __bakeUrl=require("node:url").pathToFileURL(__filename).href;';
for (const { path, text } of outputFiles) {
  const { code, map } = await transform(text, {
    sourcefile: basename(path),
    format: 'cjs',
    platform: 'node',
    target: common.target,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'inline',
    sourcemap: 'external',
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': '__bakeUrl' },
    // An ES module is strict without saying so; a CommonJS file has to say it first.
    banner: text.includes('import.meta.url') ? `${STRICT}${URL_OF_FILE}` : STRICT,
  });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${code}//# sourceMappingURL=${basename(path)}.map\n`);
  writeFileSync(`${path}.map`, map);
}
chmodSync(join(outdir, 'bake.js'), 0o755);
execFileSync(process.execPath, [join(root, 'scripts/compile-code.mjs'), outdir], { stdio: 'inherit' });
