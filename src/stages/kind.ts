/** What a stage kind is: one definition from which validation, JSON Schema, documentation, fingerprint and execution come. */
import type { z } from 'zod';
import type { Host } from '../host/host.ts';
import type { Content } from '../model/artifact.ts';
import type { DiskContainer } from '../model/disk-format.ts';
import type { Failure } from '../model/failure.ts';
import type { JsonValue } from '../model/json.ts';
import type { Asks } from '../model/observation.ts';
import type { ArtifactRef, Template } from '../model/plan.ts';
import type { Result } from '../model/result.ts';

/** An option that takes an artifact: an output of another stage, or a file of the checkout. */
export type ArtifactOption = { readonly $artifact: ArtifactRef } | { readonly $file: string };

/** An option whose text may hold references to artifacts. */
export type TextOption = string | { readonly $text: Template };

/** The files of the checkout, as input discovery sees them; every look is remembered, so that a change of the answer is noticed. */
export interface InputFinder {
  /** The text of a file, relative to the pipeline file; null when there is no such file. */
  readText(path: string): Promise<string | null>;
  /** A YAML file parsed to plain JSON (anchors resolved, unknown tags as plain values); null when there is no such file, a failure text when it is no YAML. */
  readYaml(path: string): Promise<{ readonly value: JsonValue } | { readonly problem: string } | null>;
  kindOf(path: string): Promise<'file' | 'directory' | 'other' | null>;
  /** Every file below a directory, sorted; empty when it does not exist. */
  list(directory: string): Promise<readonly string[]>;
}

/** What of the checkout a stage may see that says itself what it has read. Paths are relative to the pipeline file. */
export interface ViewRequest {
  /** Everything in them, less what git ignores. */
  readonly directories: readonly string[];
  /** Those of them that are there. */
  readonly files: readonly string[];
  /** What was looked at to know this: a change of it may be another view. */
  readonly looked: readonly string[];
}

/** What a stage read of all that it might have seen. */
export interface ReadTrace {
  /** What was asked of which path: absolute, as the process said it, `..` and links not resolved. */
  readonly lookups: ReadonlyMap<string, Asks>;
  /** Commands of which it is not known what they read: where there is one, everything counts as read. */
  readonly untraced: readonly string[];
}

/** `bake.lock` beside the pipeline file, committed by the user: what only the network could tell, remembered. Keys and values are plain text. */
export interface LockFile {
  get(key: string): string | null;
  set(key: string, value: string): void;
}

/** What a kind that pins its options may look at in the checkout: the next run sees whether that has changed. */
export interface PinnedCheckout {
  read(path: string): Promise<Result<Uint8Array, Failure>>;
  /** Directories below one, relative to it, in which there is nothing; empty text for itself. */
  emptyDirectories(directory: string): readonly string[];
}

/** What a tool is called and how its version is found. */
export interface Tool {
  /** As found on PATH, or `node:<component>` for a version out of `process.versions`, such as `node:zlib`. */
  readonly name: string;
  /** Arguments that print its version; `['--version']` when absent. */
  readonly versionArguments?: readonly string[];
}

/** An input as a running stage gets it. */
export interface StagedInput {
  /** Absolute path for reading only. For a tree, the directory. For layers, the topmost; see `layers`. */
  readonly path: string;
  readonly content: Content;
  /** Absolute paths of all layers, lowest first; one element for a plain file. */
  readonly layers: readonly string[];
  /** What it is as a disk, as the kind that made it says; absent where nobody says it. Whatever a guest wrote does not change it. */
  readonly format?: DiskContainer;
  /** What it is by the name that the pipeline gives it, where no kind says it. */
  readonly named?: DiskContainer;
}

/** An output of an earlier run of the same work. */
export interface Earlier {
  readonly output: StagedInput;
  /** The layers of the disk that an option named then; null when it had none, or they are not all there any more. */
  layers(option: string): Promise<StagedInput | null>;
}

/**
 * Something alive that goes on where an output of an action ends, such as a running machine: the next action that reads
 * this very content takes it over within the same run. Never needed for a right result.
 */
export interface Live {
  /** Ends it and removes what it holds. Called when nobody took it over, also after a failure or Ctrl-C. */
  dispose(): Promise<void>;
}

/** What goes on beside the cache from one action of a run to a later one, found by the content that it belongs to. */
export interface LiveShelf {
  /** Takes over what was handed on with this very content; null when there is nothing. It is the caller's from then on. */
  take(content: Content): Live | null;
  /** A new empty directory on the file system of the cache that outlives the stage; removed by `dispose` or, if this process dies, by a later run. */
  makeDirectory(): Promise<Result<{ readonly path: string; dispose(): Promise<void> }, Failure>>;
}

/**
 * Side files of an action in this checkout, whatever it is made of just now, by names that it chooses: what one attempt
 * leaves to the next one. They are of this host alone, may go at any time, and are 0600.
 */
export interface OwnSides {
  /** Absolute path of the directory of that name; null when there is none, or when the user wants the action done all over. */
  find(name: string): string | null;
  /**
   * Moves a directory there at once, in place of what was there: it stays also if the attempt fails or is killed. Refused
   * when an input has changed since the attempt took it: nobody knows then what it was made of.
   */
  keep(name: string, directory: string): Promise<Result<void, Failure>>;
  drop(name: string): Promise<void>;
}

/** The narrow door through which a running stage sees the world. */
export interface StageContext {
  /** Absolute path of the empty directory in which the stage runs; on the file system of the cache. */
  readonly workspace: string;
  /** False when the workspace is the checkout itself, whose files are the user's own. */
  readonly isolated: boolean;
  /** Absolute path of a scratch directory, removed after the stage. */
  readonly scratch: string;
  /** Absolute directory beside the log in which may be left what helps to understand a failure (a screenshot, a console log); emptied when the stage starts. */
  readonly evidence: string;
  /**
   * Absolute path of a directory that belongs to this fingerprint, on the file system of the cache: it survives a failed
   * or killed attempt, so that a download is resumed, and is removed once a result is stored.
   */
  readonly persistent: string;
  /** Absolute directory that holds the files of the checkout that the stage declared or that `inputs` discovered, and nothing else, at their paths relative to the pipeline file. */
  readonly files: string;
  /** Absolute directory of the records of machines that outlive a run. */
  readonly keptMachines: string;
  /** The artifact behind an option. */
  input(option: ArtifactOption): StagedInput;
  /** The text of an option, with the staged path (relative to the workspace) in place of every reference. */
  text(option: TextOption): string;
  /** Absolute path where an output must be left. */
  output(name: string): string;
  /** The stage's environment: the fixed one, `env`, `pass_env` and secrets. */
  readonly env: { readonly [name: string]: string };
  /** Runs a tool to its end in the workspace: logged, masked, ended with its whole process group when `signal` fires. */
  exec(file: string, args: readonly string[], options?: ExecOptions): Promise<Result<ExecResult, Failure>>;
  /** Adds a line to the stage's log. */
  log(line: string): void;
  /** Tells the user of what fails nothing now. */
  warn(warning: Failure): void;
  /** Says what is being done right now; `fraction` from 0 to 1 when known. */
  progress(activity: string, fraction?: number): void;
  /** Fires when the stage must stop: timeout, Ctrl-C, another stage's failure. */
  readonly signal: AbortSignal;
  readonly host: Host;
  /** Values that must never be written to a log, added to those of `secrets`: temporary passwords and keys. */
  mask(secret: string): void;
  /** Name of the action, for messages. */
  readonly action: string;
  readonly live: LiveShelf;
  /**
   * Absolute path of the directory with the side files kept beside this content; null when there are none. They are of this
   * host alone, may go at any time, and a result must be the same without them.
   */
  sides(content: Content): string | null;
  /** Drops side files that turned out to be of no use. */
  dropSides(content: Content): Promise<void>;
  readonly ownSides: OwnSides;
  /**
   * What the newest result of this action left as this output, if the very same work (kind, options, tools) made it of
   * other inputs: what has not changed since need not be made again. Null when there is none; the result must be the same.
   */
  earlier(output: string): Promise<Earlier | null>;
  /** Whether the user wants checkpoints: false with `--no-checkpoint` or `BAKE_CHECKPOINT=0`. */
  readonly checkpoints: boolean;
  /** What the user wants of a machine whose work failed (`--on-error`); asks at the prompt where that was chosen. */
  afterFailure(failure: Failure): Promise<'end' | 'keep'>;
}

export interface ExecOptions {
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string };
  readonly input?: string;
  /** Exit statuses that are no failure; `[0]` when absent. */
  readonly exitCodes?: readonly number[];
  /** Called for every line, besides the log. */
  readonly onLine?: (line: string) => void;
  /** Keep the output out of the log: it is data, returned in `stdout`. */
  readonly quiet?: boolean;
  readonly timeoutMs?: number;
  /** How long it may say nothing. */
  readonly idleTimeoutMs?: number | undefined;
  /** Whether a process with this command line is known to outlive the command: then it is ended without a word. */
  readonly leavesBehind?: (command: string) => boolean;
}

export interface ExecResult {
  readonly exitCode: number;
  /** Whole standard output; only the last MiB when not `quiet`. */
  readonly stdout: string;
}

/** What `run` gives back when all went well: nothing, or the layers of an output that is not a plain file. */
export interface StageReturn {
  /** Outputs made of layers: for each the digests it rests on (from its input) followed by the file the stage left at `output(name)`. */
  readonly layered?: { readonly [output: string]: StagedInput };
  /** Outputs that are an upstream artifact unchanged: its content is taken as it is, so that no byte is read or moved. The stage leaves a link at `output(name)` all the same. */
  readonly unchanged?: { readonly [output: string]: StagedInput };
  /** Goes on where the output ends: put on the shelf once the result is stored, disposed of at once if it cannot be. */
  readonly handOn?: { readonly output: string; readonly live: Live };
  /** What it read, where its kind has a `view`. */
  readonly reads?: ReadTrace;
  /** For an output the absolute path of a directory whose files are kept beside its content as side files: 0600, never shared, first to be pruned. It is moved away. */
  readonly sides?: { readonly [output: string]: string };
}

/**
 * One step of a stage that is a chain of steps: planned, fingerprinted, run and cached as an action of its own, named
 * `stage@name`.
 */
export interface StepDefinition {
  /** Unique in its stage, speaking: the name of a playbook without its directory and suffix. */
  readonly name: string;
  /** Name of the internal kind that runs it. */
  readonly kind: string;
  /**
   * Options of that kind, before its defaults; `PREVIOUS_STEP` as an action stands for the step before. They come out of
   * the stage's own, where a duration is in milliseconds already: the kind takes it as a number, not as a `duration()`.
   */
  readonly options: { readonly [name: string]: unknown };
}

/** Stands for the step before in `{ $artifact: { action: PREVIOUS_STEP, output } }` of a step's options. */
export const PREVIOUS_STEP = '@previous';

/** The definition of a kind; see docs/design/kinds.md. */
export interface StageKind<Schema extends z.ZodType = z.ZodType> {
  readonly name: string;
  /** Raised whenever the same options and inputs would give another result: the hold on our own code. */
  readonly version: number;
  /** One line. */
  readonly summary: string;
  /** Markdown for `bake stages <kind>` and docs/stages. */
  readonly description: string;
  /** A whole pipeline that plans. */
  readonly example: string;
  readonly options: Schema;
  /** Outputs by name with their default paths and a sentence each; a pipeline's `outputs` may move them. */
  outputs(options: z.output<Schema>): {
    readonly [name: string]: {
      readonly path: string;
      readonly description: string;
      /** What it is, for an output that is a disk: nobody has to guess it from what a guest has written. */
      readonly format?: DiskContainer;
    };
  };
  /** Tools whose versions enter the fingerprint. */
  tools(options: z.output<Schema>): readonly Tool[];
  /** Whether the platform (`linux/x64`) enters the fingerprint. */
  readonly platformSensitive?: boolean;
  /** Options that change how a result is made but not what it is (timeouts, ports, display): left out of the manifest. `ssh.timeout` names one within another. */
  readonly unhashed?: readonly string[];
  /** Files of the checkout that the options imply, relative to the pipeline file: a playbook's roles, a served directory. */
  inputs?(options: z.output<Schema>, finder: InputFinder): Promise<Result<readonly string[], Failure>>;
  /**
   * For a kind that is watched while it runs: all that it may see of the checkout, besides its inputs. What it did read, and
   * looked for in vain, decides when it runs again: it comes back in `StageReturn.reads`.
   */
  view?(options: z.output<Schema>, finder: InputFinder): Promise<Result<ViewRequest, Failure>>;
  /**
   * Replaces what only the network can tell (a checksum file) by what `bake.lock` says, before the fingerprint is taken.
   * With `host` null (plan) it must not ask the network: the value is null when the lock is silent.
   */
  pin?(
    options: z.output<Schema>,
    lock: LockFile,
    host: Host | null,
    signal: AbortSignal,
    checkout: PinnedCheckout,
  ): Promise<Result<z.output<Schema> | null, Failure>>;
  /** Checks beyond the schema, before anything runs: one sentence per problem, with the path of the option it is about. */
  check?(
    options: z.output<Schema>,
  ): readonly { readonly path: readonly (string | number)[]; readonly problem: string }[];
  /**
   * Splits the stage into a chain of steps (pure; called by the planner). The last step has the stage's outputs. `run` of
   * such a kind is never called.
   */
  steps?(options: z.output<Schema>): readonly StepDefinition[];
  /** Runs a step of another kind and cannot be named by a pipeline. */
  readonly internal?: true;
  run(options: z.output<Schema>, context: StageContext): Promise<Result<StageReturn, Failure>>;
}

/** The part of a kind that is needed to run an action that was planned. */
export type StageRunner = Pick<StageKind, 'run'>;

/** Gives a definition its types; the identity otherwise. */
export function defineStage<Schema extends z.ZodType>(kind: StageKind<Schema>): StageKind<Schema> {
  return kind;
}
