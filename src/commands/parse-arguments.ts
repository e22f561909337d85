/** argv to a command, its arguments and its flags; every mistake at once. Light: it runs before anything else. */
import type { UsageFailure } from '../model/failure-usage.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { suggest } from '../model/suggest.ts';
import type { CommandWords, Flag, Invocation } from './command.ts';
import { GLOBAL_FLAGS } from './flags.ts';

export interface ParsedArguments<C extends CommandWords> {
  /** Null when none is named. */
  readonly command: C | null;
  readonly positionals: readonly string[];
  readonly passedOn: readonly string[];
  readonly flags: Invocation['flags'];
}

type Values = { [name: string]: string | boolean | readonly string[] | undefined };

/** Parses what follows the program's name. */
export function parseArguments<C extends CommandWords>(
  argv: readonly string[],
  commands: readonly C[],
): Result<ParsedArguments<C>, readonly UsageFailure[]> {
  const failures: UsageFailure[] = [];
  const command = findCommand(argv, commands, failures);
  if (failures.length > 0) return fail(failures);
  const reader = new ArgumentReader(argv, command, failures);
  const positionals = reader.read();
  if (command?.most !== undefined)
    for (const argument of positionals.slice(command.most))
      failures.push({ code: 'unexpected-argument', argument, command: command.name });
  return failures.length > 0
    ? fail(failures)
    : ok({ command, positionals, passedOn: reader.passedOn, flags: reader.values });
}

/** The first argument that is no flag, nor the value of a global one. */
function findCommand<C extends CommandWords>(
  argv: readonly string[],
  commands: readonly C[],
  failures: UsageFailure[],
): C | null {
  const at = commandPosition(argv);
  const name = argv[at];
  if (name === undefined) return null;
  const command = commands.find((candidate) => candidate.name === name);
  if (command) return command;
  const suggestion = suggest(
    name,
    commands.map((candidate) => candidate.name),
  );
  failures.push({ code: 'unknown-command', command: name, suggestion });
  return null;
}

function commandPosition(argv: readonly string[]): number {
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] as string;
    if (argument === '-C' || argument === '--directory') at++;
    else if (!argument.startsWith('-') || argument === '-') return at;
  }
  return argv.length;
}

class ArgumentReader {
  readonly values: Values = Object.create(null) as Values;
  passedOn: readonly string[] = [];
  private readonly argv: readonly string[];
  private readonly command: CommandWords | null;
  private readonly failures: UsageFailure[];
  private readonly flags: readonly Flag[];
  private at = 0;

  constructor(argv: readonly string[], command: CommandWords | null, failures: UsageFailure[]) {
    this.argv = argv;
    this.command = command;
    this.failures = failures;
    this.flags = [...(command?.flags ?? []), ...GLOBAL_FLAGS];
  }

  read(): readonly string[] {
    const positionals: string[] = [];
    const commandAt = commandPosition(this.argv);
    for (this.at = 0; this.at < this.argv.length; this.at++) {
      const argument = this.argv[this.at] as string;
      if (argument === '--') {
        const rest = this.argv.slice(this.at + 1);
        if (this.command?.passesOn) this.passedOn = rest;
        else positionals.push(...rest);
        break;
      }
      if (argument.startsWith('--')) this.readLong(argument);
      else if (argument.startsWith('-') && argument !== '-') this.readShort(argument);
      else if (this.at !== commandAt) positionals.push(argument);
    }
    return positionals;
  }

  /** `--flag`, `--flag value`, `--flag=value`. */
  private readLong(argument: string): void {
    const equals = argument.indexOf('=');
    const name = argument.slice(2, equals < 0 ? undefined : equals);
    const given = equals < 0 ? null : argument.slice(equals + 1);
    const flag = this.flags.find((candidate) => candidate.name === name);
    if (flag) this.take(flag, `--${name}`, given);
    else this.unknown(`--${name}`);
  }

  /** `-q`, `-qv`, `-j 4`, `-j4`. */
  private readShort(argument: string): void {
    for (let at = 1; at < argument.length; at++) {
      const letter = argument[at] as string;
      const flag = this.flags.find((candidate) => candidate.short === letter);
      if (!flag) {
        this.unknown(`-${letter}`);
        return;
      }
      const rest = argument.slice(at + 1);
      if (flag.value === undefined || flag.optionalValue) this.take(flag, `-${letter}`, null);
      else {
        this.take(flag, `-${letter}`, rest === '' ? null : rest.replace(/^=/, ''));
        return;
      }
    }
  }

  private take(flag: Flag, written: string, given: string | null): void {
    if (flag.value === undefined) {
      if (given === null) this.values[flag.name] = true;
      else this.bad(written, given, 'no value: it is a switch');
      return;
    }
    if (given === null && flag.optionalValue) {
      this.values[flag.name] = true;
      return;
    }
    const value = given ?? this.argv[++this.at];
    if (value === undefined) {
      this.bad(written, '', `a value: \`${written} <${flag.value}>\``);
      return;
    }
    if (flag.choices && !flag.choices.includes(value)) {
      this.bad(written, value, flag.choices.map((choice) => `\`${choice}\``).join(' or '));
      return;
    }
    const before = this.values[flag.name];
    if (flag.repeatable) this.values[flag.name] = [...(Array.isArray(before) ? before : []), value];
    else this.values[flag.name] = value;
  }

  private bad(flag: string, value: string, expected: string): void {
    this.failures.push({ code: 'bad-flag-value', flag, value, expected });
  }

  private unknown(flag: string): void {
    const known = this.flags.map((candidate) => `--${candidate.name}`);
    const suggestion = flag.startsWith('--') ? suggest(flag, known) : null;
    this.failures.push({ code: 'unknown-flag', flag, command: this.command?.name ?? '', suggestion });
  }
}
