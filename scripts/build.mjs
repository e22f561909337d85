// Bundles src/ into lib/: one entry that starts fast, and behind it chunks that are loaded when they are needed.
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

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
  plugins: [
    {
      // Half of what zod loads are its messages in fifty languages; failures get their words from us.
      name: 'no-foreign-words',
      setup({ onLoad }) {
        onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents: 'export {};' }));
      },
    },
  ],
  define: { 'process.env.BAKE_VERSION': JSON.stringify(version) },
  logLevel: 'warning',
};
// One small CommonJS file, which Node starts sooner than an ES module, does a run with nothing to do by itself.
await build({
  ...common,
  entryPoints: [{ in: 'src/entry.ts', out: 'bake' }],
  outdir,
  format: 'cjs',
  plugins: [
    {
      name: 'everything-else',
      setup({ onResolve }) {
        onResolve({ filter: /^\.\/cli\.ts$/ }, () => ({ path: './main.mjs', external: true }));
      },
    },
  ],
});
writeFileSync(join(outdir, 'package.json'), '{ "type": "commonjs" }\n');
await build({
  ...common,
  entryPoints: [
    { in: 'src/cli.ts', out: 'main' },
    ...workers.map((name) => ({ in: `src/host/${name}`, out: name.replace(/\.ts$/, '') })),
  ],
  outdir,
  outExtension: { '.js': '.mjs' },
  splitting: true,
  format: 'esm',
  chunkNames: 'chunks/[name]-[hash]',
  // Some bundled packages are CommonJS and call require() at run time.
  banner: {
    js: "import{createRequire as __bakeRequire}from'node:module';const require=__bakeRequire(import.meta.url);",
  },
});
chmodSync(join(outdir, 'bake.js'), 0o755);
