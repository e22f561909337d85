/** What a command is: its words for help and completion (cheap), and its code (loaded only when it is run). */
import type { SinkText } from '../report/printable.ts';

export interface Flag {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /** What the value is called in help; absent for a switch. */
  readonly value?: string;
  readonly repeatable?: boolean;
  /** `--flag` and `--flag=value` are both allowed. */
  readonly optionalValue?: boolean;
  /** Closed set of values, for checking and completion. */
  readonly choices?: readonly string[];
  readonly summary: string;
}

/** What help, completion and documentation say of a command. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  /** The part of the usage line after the name, such as `[pipeline.yaml] [target…]`. */
  readonly usage: string;
  readonly flags: readonly Flag[];
  /** What follows `--` is not for bake but for a program that it starts. */
  readonly passesOn?: true;
  /** Most arguments that are no flags; any number when absent. */
  readonly most?: number;
  /** What its arguments are, for completion: names of stages, of kinds, of commands, or these words. */
  readonly completes?: 'stages' | 'kinds' | 'commands' | readonly string[];
  /** Examples for help: command line and what it does. */
  readonly examples?: readonly (readonly [string, string])[];
}

export interface Command extends CommandWords {
  load(): Promise<CommandModule>;
}

export interface CommandModule {
  /** Resolves to the exit status. */
  run(invocation: Invocation): Promise<number>;
}

export interface Invocation {
  readonly command: string;
  /** Arguments that are no flags. */
  readonly positionals: readonly string[];
  /** What stands after `--`, for commands that pass that on. */
  readonly passedOn: readonly string[];
  readonly flags: { readonly [name: string]: string | boolean | readonly string[] | undefined };
  /** Fires at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Absolute directory to work in: `-C` or the current one. */
  readonly cwd: string;
  readonly env: { readonly [name: string]: string | undefined };
  /** To standard output; see `sink.ts` for what stays behind. */
  write(text: SinkText): void;
  /** To standard error, in the same way. */
  writeError(text: SinkText): void;
}
