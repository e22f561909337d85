#!/usr/bin/env node
/** The program's first file, all that a run with nothing to do loads: the quick check. Everything else but `--version` is behind it. */
import { fstatSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArguments } from './commands/parse-arguments.ts';
import { quickRun } from './commands/run-quick.ts';
import { COMMAND_WORDS } from './commands/words.ts';

const STDOUT = 1;
const HOST_TROUBLE = 3;
/** Linux's numbers of `/dev/null` and its like, and of pseudo-terminals. */
const MEMORY_DEVICES = 1;
const FIRST_PTS = 136;
const LAST_PTS = 143;

/** What a run with nothing to do says; null for every other command line, mistaken ones included. */
function nothingToDo(argv: readonly string[]): string | null {
  const parsed = parseArguments(argv, COMMAND_WORDS);
  if (!parsed.ok || parsed.value.command?.name !== 'run') return null;
  const { positionals, flags } = parsed.value;
  if (flags['help'] !== undefined) return null;
  const directory = flags['directory'];
  const cwd = typeof directory === 'string' ? resolve(directory) : process.cwd();
  return quickRun({ positionals, flags, cwd, env: process.env }, { isTTY: isTerminal() });
}

/** Asks `node:tty`, which takes 2 ms to load, only where the kind of device does not say it. */
function isTerminal(): boolean {
  try {
    const stats = fstatSync(STDOUT);
    if (!stats.isCharacterDevice()) return false;
    const major = process.platform === 'linux' ? (stats.rdev >> 8) & 0xfff : null;
    if (major === MEMORY_DEVICES) return false;
    if (major !== null && major >= FIRST_PTS && major <= LAST_PTS) return true;
  } catch {
    return false;
  }
  return process.stdout.isTTY === true;
}

/** Without the stream that `process.stdout` makes, which costs as much as looking at a thousand files. */
function say(text: string): void {
  const bytes = Buffer.from(text);
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(STDOUT, bytes, written);
  } catch {
    void sayPatiently(bytes.subarray(written));
  }
}

/** A full pipe that does not block, one whose reader went away, a full disk: the stream knows how to wait, and what to ignore. */
async function sayPatiently(bytes: Uint8Array): Promise<void> {
  const { lostOutput, standardStream } = await import('./commands/standard-stream.ts');
  const stdout = standardStream(process.stdout);
  process.on('exit', () => {
    const trouble = stdout.trouble();
    if (trouble === null) return;
    standardStream(process.stderr).write(lostOutput(trouble));
    process.exitCode = HOST_TROUBLE;
  });
  process.stdout.write(bytes);
}

async function loadTheRest(): Promise<void> {
  // Whoever asks for real names in a stack gets the files from Node, which alone can look them up in source maps.
  if (!process.sourceMapsEnabled) {
    const { useCompiledCode } = await import('./commands/compiled-code.ts');
    useCompiledCode(require.extensions);
  }
  await import('./cli.ts');
}

const [, , ...argv] = process.argv;
const asksVersion = argv[0] === '--version' || argv[0] === '-V';
const said = asksVersion ? `bake ${process.env['BAKE_VERSION']}\n` : nothingToDo(argv);
if (said === null) void loadTheRest();
else say(said);
