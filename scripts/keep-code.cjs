// Loaded before the program by compile-code.mjs: compiles its files as scripts, and when it ends writes what V8 made of
// them in the form that src/commands/compiled-code.ts reads.
const { createHash } = require('node:crypto');
const { readFileSync, writeFileSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { dirname } = require('node:path');
const { Script } = require('node:vm');

const compileAndLoad = require.extensions['.js'];
const scripts = new Map();
require.extensions['.js'] = (module, path) => {
  // The first file is loaded by Node itself, before code could be given to it.
  if (module.id === '.') return compileAndLoad(module, path);
  const source = readFileSync(path);
  const script = new Script(wrap(source.toString()), { filename: path });
  scripts.set(path, { source, script });
  script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
};
process.on('exit', () => {
  for (const [path, { source, script }] of scripts) {
    const code = script.createCachedData();
    const digest = createHash('sha256').update(source).update(code).digest();
    writeFileSync(`${path}.code`, Buffer.concat([digest, code]));
  }
});
