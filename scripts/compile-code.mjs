// compile-code.mjs <lib>: runs the built program and keeps what V8 compiled, for src/commands/compiled-code.ts: what a run
// after an edit needs, then what other commands load besides. A file that has its code already is left as it is.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const keeper = fileURLToPath(new URL('keep-code.cjs', import.meta.url));
const program = join(process.argv[2], 'bake.js');
const directory = mkdtempSync(join(tmpdir(), 'bake-compile-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/** Runs the program in a checkout of its own; `keep` says whether its code is kept. */
function bake(keep, ...args) {
  execFileSync(process.execPath, [...(keep ? ['--require', keeper] : []), program, ...args], {
    cwd: directory,
    env: {
      PATH: process.env.PATH,
      HOME: directory,
      LANG: 'C.UTF-8',
      BAKE_CACHE_DIR: join(directory, 'cache'),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

writeFileSync(
  join(directory, 'pipeline.yaml'),
  `bake: 1
name: compile
stages:
  one: { run: cp in.txt one.txt, inputs: [in.txt], outputs: { o: one.txt } }
  two: { run: 'cp \${{ stages.one.outputs.o }} two.txt', outputs: { o: two.txt } }
`,
);
try {
  for (const edition of ['first', 'second', 'third']) {
    writeFileSync(join(directory, 'in.txt'), edition);
    bake(edition === 'third', 'run');
  }
  bake(true, 'plan');
  bake(true, 'explain', 'two');
  bake(true, 'validate');
  bake(true, 'help');
} catch (error) {
  console.error(`the program will compile its files at every start: ${error.message}`);
}
