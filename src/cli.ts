/** argv to command; the only place that sets the exit status, handles signals and catches bugs. */
import { resolve } from 'node:path';
import type { Invocation } from './commands/command.ts';
import { COMMANDS } from './commands/index.ts';
import { parseArguments } from './commands/parse-arguments.ts';
import { printFailures } from './commands/print-failures.ts';
import { cleaningSink } from './commands/sink.ts';
import { lostOutput, standardStream } from './commands/standard-stream.ts';

const HOST_TROUBLE = 3;
const BUG = 70;
const INTERRUPTED = 130;

const stdout = standardStream(process.stdout);
const stderr = standardStream(process.stderr);
const stop = new AbortController();
const write = cleaningSink(stdout.write, process.env, process.stdout);
const writeError = cleaningSink(stderr.write, process.env, process.stderr);

/** The first signal asks to stop, the second stops. */
function onSignal(): void {
  if (stop.signal.aborted) process.exit(INTERRUPTED);
  stop.abort();
}

function onBug(error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeError(
    `bake: this is a bug in bake (${process.env['BAKE_VERSION']}, Node ${process.version}). Please report it with the lines below.\n${stack}\n`,
  );
  process.exit(BUG);
}

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseArguments(argv, COMMANDS);
  if (!parsed.ok) {
    return printFailures({ env: process.env, writeError }, parsed.failure);
  }
  const { command, positionals, passedOn, flags } = parsed.value;
  const directory = flags['directory'];
  const invocation: Invocation = {
    command: command?.name ?? 'help',
    positionals,
    passedOn,
    flags,
    signal: stop.signal,
    cwd: typeof directory === 'string' ? resolve(directory) : process.cwd(),
    env: process.env,
    write,
    writeError,
  };
  if (command === null || flags['help'] === true) {
    const { helpFor } = await import('./commands/other-commands.ts');
    write(helpFor(command, process.stdout.columns));
    return 0;
  }
  const module = await command.load();
  return module.run(invocation);
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);
process.on('SIGHUP', onSignal);
process.on('uncaughtException', onBug);
process.on('exit', (status) => {
  const trouble = stdout.trouble();
  if (trouble === null || status !== 0) return;
  writeError(lostOutput(trouble));
  process.exitCode = HOST_TROUBLE;
});
main(process.argv.slice(2)).then((status) => {
  process.exitCode = stop.signal.aborted && status !== 0 ? INTERRUPTED : status;
}, onBug);
