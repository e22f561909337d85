/** `bake help`: how a command is called, laid out for the width of the terminal. */

import { suggest } from '../model/suggest.ts';
import type { CommandModule, CommandWords, Flag } from './command.ts';
import { GLOBAL_FLAGS } from './flags.ts';
import { printFailures } from './print-failures.ts';
import { table, wrap } from './text-table.ts';
import { COMMAND_WORDS } from './words.ts';

const WIDEST = 100;

const COMMANDS: readonly CommandWords[] = COMMAND_WORDS;

export const run: CommandModule['run'] = async (invocation) => {
  const [name] = invocation.positionals;
  const command = COMMANDS.find((candidate) => candidate.name === name) ?? null;
  if (name !== undefined && command === null) {
    const names = COMMANDS.map((candidate) => candidate.name);
    return printFailures(invocation, [
      { code: 'unknown-command', command: name, suggestion: suggest(name, names) },
    ]);
  }
  invocation.write(helpFor(command, process.stdout.columns));
  return 0;
};

/** The help text of a command, or of the program. */
export function helpFor(command: CommandWords | null, columns: number | undefined): string {
  const width = Math.min(WIDEST, Math.max(40, columns ?? 80));
  return `${(command === null ? programHelp(width) : commandHelp(command, width)).join('\n')}\n`;
}

function programHelp(width: number): readonly string[] {
  return [
    'bake: make with a memory, from ISO to importable appliance',
    '',
    'Usage: bake <command> [pipeline.yaml] [target…] [flags]',
    '',
    'Commands:',
    ...table(
      COMMANDS.map((command) => [command.name, command.summary]),
      width,
    ),
    '',
    'Flags of every command:',
    ...table([...GLOBAL_FLAGS.map(flagRow), ['    --version', 'Print the version']], width),
    '',
    ...wrap('The pipeline is the first argument that ends in .yaml or .yml, else ./pipeline.yaml.', width),
    '',
    ...wrap(
      'Targets: a stage, a matrix cell (build[arch=amd64]), a pattern (test-*), tag:x, stage+ (and all that depends on it), +stage (only what it needs).',
      width,
    ),
    '',
    'Exit status: 0 ok, 1 a stage failed, 2 pipeline or usage wrong,',
    '3 trouble with cache or host, 70 a bug in bake, 130 interrupted.',
    '',
    '`bake help <command>` says more. `bake init` writes a first pipeline.',
  ];
}

function commandHelp(command: CommandWords, width: number): readonly string[] {
  const lines = [
    `Usage: bake ${[command.name, command.usage, '[flags]'].filter(Boolean).join(' ')}`,
    '',
    ...wrap(`${command.summary}.`, width),
    '',
    'Flags:',
    ...table([...command.flags, ...GLOBAL_FLAGS].map(flagRow), width),
  ];
  if (!command.examples) return lines;
  const examples = command.examples.flatMap(([line, meaning]) => [
    `  ${line}`,
    ...wrap(meaning, width - 6).map((text) => `      ${text}`),
  ]);
  return [...lines, '', 'Examples:', ...examples];
}

function flagRow(flag: Flag): readonly [string, string] {
  const short = flag.short ? `-${flag.short}, ` : '    ';
  const value = flag.value === undefined ? '' : flag.optionalValue ? `[=${flag.value}]` : ` <${flag.value}>`;
  const repeat = flag.repeatable ? ' (may be repeated)' : '';
  return [`${short}--${flag.name}${value}`, `${flag.summary}${repeat}`];
}
