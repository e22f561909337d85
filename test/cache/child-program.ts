/** Runs a piece of TypeScript in a process of its own, bundled as the real program is, for tests that kill it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/**
 * Bundles the module `source` (which may import from `src/…`) into `directory` and gives the path of the program. Worker
 * threads come along, so that large files are hashed as in the real program.
 */
export async function buildProgram(directory: string, name: string, source: string): Promise<string> {
  await build({
    absWorkingDir: root,
    stdin: { contents: source, resolveDir: root, sourcefile: `${name}.ts`, loader: 'ts' },
    outfile: join(directory, `${name}.mjs`),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.17',
    external: ['cacache'],
    loader: { '.py': 'text' },
    // Packages in the older module format load Node's own parts by `require`.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  await build({
    absWorkingDir: root,
    entryPoints: ['src/host/digest-worker.ts'],
    outfile: join(directory, 'digest-worker.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.17',
    // The one line that would need it is not called in a worker.
    logOverride: { 'empty-import-meta': 'silent' },
    logLevel: 'warning',
  });
  return join(directory, `${name}.mjs`);
}

interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  /** The next line that it prints; rejects when it ends without one. */
  nextLine(): Promise<string>;
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** Starts a program; it is killed when the test is over. */
export function startChild(
  program: string,
  args: readonly string[],
  options: { readonly uid?: number; readonly gid?: number; readonly wrapper?: readonly string[] } = {},
): Child {
  const { wrapper = [], ...identity } = options;
  const [file, ...rest] = [...wrapper, process.execPath, program, ...args];
  const child = spawn(file as string, rest, { stdio: ['ignore', 'pipe', 'inherit'], ...identity });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal)),
  );
  return {
    process: child,
    ended,
    async nextLine() {
      const line = await lines.next();
      if (line.done === true) throw new Error('the child ended without another line');
      return line.value;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
