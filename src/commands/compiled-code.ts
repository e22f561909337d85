/**
 * Loads the program's files together with what V8 made of them when the program was built, which saves compiling them at
 * every start. scripts/compile-code.mjs writes it: `<file>.code`, the sha256 of the file and the code, then the code.
 */
import { createHash } from 'node:crypto';
import { createRequire, wrap } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';
import { readBytesNow } from '../host/read-now.ts';

const DIGEST_BYTES = 32;

/** From now on `require` takes compiled code where there is some; all other files are loaded as ever. */
export function useCompiledCode(extensions: NodeJS.RequireExtensions): void {
  const compileAndLoad = extensions['.js'];
  extensions['.js'] = (module, path) => {
    const kept = readBytesNow(`${path}.code`);
    const source = kept === null ? null : readBytesNow(path);
    const cachedData = kept === null || source === null ? null : soundCode(kept, source);
    if (source === null || cachedData === null) return compileAndLoad(module, path);
    const script = new Script(wrap(source.toString()), { filename: path, cachedData });
    script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
  };
}

/**
 * V8 itself refuses code of another version and for other flags, and compiles then. It does not look for damage, which
 * would crash it, nor for code of another text of the same length.
 */
function soundCode(kept: Buffer, source: Buffer): Buffer | null {
  const code = kept.subarray(DIGEST_BYTES);
  const digest = createHash('sha256').update(source).update(code).digest();
  return digest.equals(kept.subarray(0, DIGEST_BYTES)) ? code : null;
}
