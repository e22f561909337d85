/** The Plan: a pipeline after validation, acyclic, with every value resolved that does not depend on what a stage will produce. */
import type { DiskContainer } from './disk-format.ts';
import type { PipelineFailure } from './failure-pipeline.ts';
import type { JsonObject } from './json.ts';
import type { Location } from './location.ts';

/** Refers to an output of an action that comes before. */
export interface ArtifactRef {
  readonly action: string;
  readonly output: string;
}

/** Text with holes that only the run can fill: at run time a hole becomes the path at which that artifact is staged. */
export type Template = readonly (string | ArtifactRef)[];

/**
 * A resolved option value: plain JSON, except that an object with a single `$artifact`, `$file` or `$text` key stands
 * for an artifact of another action, a file of the checkout (path relative to the pipeline file), or a Template.
 */
export type OptionValue =
  | string
  | number
  | boolean
  | null
  | readonly OptionValue[]
  | { readonly [key: string]: OptionValue }
  | { readonly $artifact: ArtifactRef }
  | { readonly $file: string }
  | { readonly $text: Template };

export type OptionValues = { readonly [key: string]: OptionValue };

export interface PlannedOutput {
  readonly name: string;
  /** Relative to the workspace and, when placed, to the directory of the pipeline file; `/` separated, normalised, never escaping. */
  readonly path: string;
  /** What it is, where its kind makes a disk. */
  readonly format?: DiskContainer;
  /** What of the user's stands there is replaced: the pipeline says so. */
  readonly replace?: true;
  /** Line, column and length of its path in the pipeline, where that is not on the line of the stage's name. */
  readonly at?: readonly [line: number, column: number, length: number];
}

export interface PlannedTool {
  /** As found on PATH, or `node:<component>` out of `process.versions`. */
  readonly name: string;
  readonly versionArguments: readonly string[];
}

export interface PlannedSecret {
  /** The variable the stage sees and, unless `from` says otherwise, the one read from bake's own environment. */
  readonly name: string;
  readonly from: string;
  /** Enters the fingerprint in place of the value. */
  readonly version: string | null;
  /** What is done when it is found in an output; absent: a warning, and the output is not kept in the cache. */
  readonly inOutputs?: 'error' | 'ignore';
}

export interface Resources {
  /** Processor slots, 1 by default; out of `--jobs`. */
  readonly cpu: number;
  /** Bytes of memory reserved while it runs; 0 when not said. */
  readonly memoryBytes: number;
  readonly kvm: boolean;
}

/** A stage, one cell of a stage's matrix, or one step of a stage: whatever is fingerprinted, run and cached on its own. */
export interface PlannedAction {
  /** Unique: `disk`, `disk[arch=amd64]`, `provision@base`. */
  readonly name: string;
  /** The stage it belongs to, matrix cell included: equal to `name` unless it is a step. */
  readonly stage: string;
  /** `run` or the name after `uses`. */
  readonly stageKind: string;
  readonly step: string | null;
  /** What runs it: `stageKind`, but for a step, which has a kind of its own. */
  readonly kind: string;
  readonly kindVersion: number;
  /** As the kind's schema gave them back: defaults filled in, sizes in bytes, durations in milliseconds. */
  readonly options: OptionValues;
  /** Names of options that do not enter the fingerprint; `ssh.timeout` names one within another. */
  readonly unhashed: readonly string[];
  readonly platformSensitive: boolean;
  /** The kind finds more inputs by looking at the checkout (a playbook's roles). */
  readonly discovers: boolean;
  /** The kind sees a whole project and says what it read of it: see `StageKind.view`. Absent where it does not. */
  readonly traced?: true;
  /** The kind replaces options by what `bake.lock` remembers before the fingerprint is taken. */
  readonly pins: boolean;
  /** What artifacts that options name are, as the kinds that make them say: format by action and output, as in `action\noutput`. Absent when nothing is known. */
  readonly formats?: { readonly [ref: string]: DiskContainer };
  /** What others of them are by the names that the pipeline gives them, in the same way: an image must not contradict it. */
  readonly named?: { readonly [ref: string]: DiskContainer };
  /** Patterns of checkout files that the stage declares, in order (`!` excludes), relative to the pipeline file. */
  readonly inputs: readonly string[];
  readonly outputs: readonly PlannedOutput[];
  readonly env: { readonly [name: string]: Template };
  readonly passEnv: readonly string[];
  readonly secrets: readonly PlannedSecret[];
  /** The kind's own and the declared ones; their versions enter the fingerprint. */
  readonly tools: readonly PlannedTool[];
  /** Names of all actions that must be done before, by reference or by `needs`, sorted. */
  readonly needs: readonly string[];
  readonly timeoutMs: number | null;
  /** Additional attempts after the first. */
  readonly retries: number;
  readonly resources: Resources;
  /** `cache: false` makes it run every time and store nothing. */
  readonly cacheable: boolean;
  /** Its outputs are put into the checkout: leaf stages, and those that say `place: true`. */
  readonly placed: boolean;
  readonly workspace: 'isolated' | 'in-place';
  readonly tags: readonly string[];
  readonly description: string | null;
  readonly location: Location;
}

export interface Plan {
  readonly name: string;
  /** The pipeline file as the user named it. */
  readonly file: string;
  /** Absolute directory of the pipeline file; never part of a fingerprint. */
  readonly root: string;
  /** `cache:` of the pipeline, relative to `root`, or null. */
  readonly cacheDir: string | null;
  /** Every action, each after all that it needs; the order of the file where that leaves a choice. */
  readonly actions: readonly PlannedAction[];
  /** What planning read besides the pipeline file, so that a compiled plan can be reused: `--var-file` paths, and every `BAKE_VAR_*` that it looked at with its value, null where it was not set. */
  readonly read: { readonly files: readonly string[]; readonly variables: JsonObject };
  /** What looks wrong but stops nothing, such as a variable that no stage uses. */
  readonly warnings: readonly PipelineFailure[];
}
