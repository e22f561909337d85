/** What a checkout remembers of its last runs: for each action its last good fingerprint, how long it took, and what was placed. */
import { dirname } from 'node:path';
import type { Files } from '../host/host.ts';
import type { Artifact, FileContent } from '../model/artifact.ts';
import type { Digest, Fingerprint } from '../model/digest.ts';
import type { StatNumbers } from '../model/stat-record.ts';
import { readSealed, writeSealed } from './sealed.ts';

/** A path that was looked at and its StatRecord, or nothing where nothing was. */
export type Look = readonly [path: string, ...stat: StatNumbers] | readonly [path: string];

/** What all actions rest on. */
export interface Ground {
  /** Everything besides files: versions of bake and Node, variables, `PATH`. */
  readonly key: string;
  /** Tools, `bake.lock`, the pipeline's files, and the file that notes removals from the cache. */
  readonly looks: readonly Look[];
}

/** A remembered answer of a tool: the StatRecord of the binary, then what it said. */
export type ToolMemo = { [binary: string]: readonly [...stat: StatNumbers, version: string] };

/** Path relative to the pipeline's directory, then its StatRecord when it was placed. */
export type PlacedFile = readonly [path: string, ...stat: StatNumbers];

export interface PlacedOutput {
  readonly digest: Digest;
  /** The file, or every file and link in the directory. */
  readonly files: readonly PlacedFile[];
  /** The directory itself and those in it; what else lies in them is not ours. */
  readonly directories?: readonly string[];
  /** The file itself where the content is made of layers: what a reader finds there. */
  readonly flat?: FileContent;
}

export interface ActionState {
  readonly fingerprint: Fingerprint;
  /** How long its result took to build, here or elsewhere. */
  readonly durationMs: number | null;
  readonly artifacts: readonly Artifact[];
  /** Stands for all of them. */
  readonly made: string;
  /** What the actions that it needs had made when this was its result, in their order. */
  readonly upstream: readonly string[];
  readonly placed: { readonly [output: string]: PlacedOutput };
  /** All files that it was prepared from; null when the next run must look more closely. */
  readonly looks: readonly Look[] | null;
}

export interface CheckoutState {
  readonly format: 3;
  readonly actions: { readonly [name: string]: ActionState };
  readonly tools: ToolMemo;
  /** What everything that is remembered rests on; null when nothing is. */
  readonly ground: Ground | null;
}

/** Raised when what is written would be misread. */
const KEY = 'bake checkout state 3';

const EMPTY_STATE: CheckoutState = { format: 3, actions: {}, tools: {}, ground: null };

/** Reads the state of a checkout; an absent or damaged one is an empty one, which costs time only. */
export async function readState(files: Files, directory: string): Promise<CheckoutState> {
  const body = await readSealed(files, stateFile(directory), KEY);
  return body === null ? EMPTY_STATE : (JSON.parse(body) as CheckoutState);
}

/** Writes it in one piece. Trouble is no failure, nor is a file lost by a power cut: the next run looks more closely. */
export async function writeState(files: Files, directory: string, state: CheckoutState): Promise<void> {
  // `<private place>/checkouts/<checkout>`
  const root = dirname(dirname(directory));
  await writeSealed(files, { root, path: stateFile(directory), key: KEY, body: JSON.stringify(state) });
}

/** The file that holds the output of an action's last run. */
export function logFileOf(directory: string, action: string): string {
  return `${directory}/logs/${encodeURIComponent(action)}.log`;
}

/** Where an action leaves what helps to understand why it failed. */
export function evidenceDirectory(directory: string, action: string): string {
  return `${directory}/evidence/${encodeURIComponent(action)}`;
}

/** Where is kept what an action wrote into its copy of the project. */
export function writtenDirectory(directory: string, action: string): string {
  return `${directory}/written/${encodeURIComponent(action)}`;
}

/** Directory of the records of machines that outlive a run. */
export function keptMachinesDirectory(directory: string): string {
  return `${directory}/machines`;
}

function stateFile(directory: string): string {
  return `${directory}/state.json`;
}
