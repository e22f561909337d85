/** Makes the chain of steps of a provisioning stage: each in the disk that the one before left, the last one ends the machine. */
import { type ArtifactOption, PREVIOUS_STEP, type StepDefinition } from '../kind.ts';
import { machineOptions, type ProvisionOptions } from './provision-options.ts';

/** A step before it is given its machine. */
export interface StepDraft {
  /** What it would like to be called. */
  readonly name: string;
  readonly kind: string;
  readonly options: { readonly [name: string]: unknown };
}

const LAST = 'shutdown';

/** The steps, with names of their own, and the shutdown after them. */
export function chainOf(options: ProvisionOptions, drafts: readonly StepDraft[]): readonly StepDefinition[] {
  const { generalize, shutdown } = options;
  const end = {
    name: LAST,
    kind: 'shutdown-step',
    options: { generalize, shutdown: { ...shutdown, timeout: milliseconds(shutdown.timeout) } },
  };
  const taken = new Set([LAST]);
  return [...drafts.map((draft) => ({ ...draft, name: freeName(draft.name, taken) })), end].map(
    (draft, index) => ({ ...draft, options: { ...machineOf(options, index === 0), ...draft.options } }),
  );
}

/** The `run` of a kind that is a chain of steps: nobody calls it. */
export function runsAsSteps(): never {
  throw new Error('a stage of steps is run step by step');
}

/** A duration as a kind's schema reads it. */
export function milliseconds(value: number): string {
  return `${value}ms`;
}

/** Time limits in that form. */
export function limitsOf(limits: { readonly timeout: number; readonly idle_timeout?: number | undefined }) {
  const { timeout, idle_timeout: idle } = limits;
  return {
    timeout: milliseconds(timeout),
    ...(idle === undefined ? {} : { idle_timeout: milliseconds(idle) }),
  };
}

/** A name for a step that runs a file. */
export function nameOfFile(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  const dot = file.lastIndexOf('.');
  return dot > 0 ? file.slice(0, dot) : file;
}

/** A name for a step that runs an artifact. */
export function nameOfArtifact(script: ArtifactOption): string {
  return '$file' in script ? nameOfFile(script.$file) : script.$artifact.output;
}

function machineOf(options: ProvisionOptions, isFirst: boolean): StepDraft['options'] {
  const { disk, format, efivars, ssh } = options;
  const names = Object.keys(machineOptions) as (keyof typeof machineOptions)[];
  const machine = Object.fromEntries(names.map((name) => [name, options[name]]));
  const previous = (output: string) => ({ $artifact: { action: PREVIOUS_STEP, output } });
  const variables = isFirst || options.firmware === 'bios' ? efivars : previous('efivars');
  // What the first disk is concerns the first step alone: those after it have one that bake made.
  const disks = {
    disk: isFirst ? disk : previous('disk'),
    format: isFirst ? format : undefined,
    efivars: variables,
  };
  return { ...machine, ...disks, ssh: { ...ssh, timeout: milliseconds(ssh.timeout) } };
}

/** A name as names of stages are, and that no step before has. */
function freeName(wanted: string, taken: Set<string>): string {
  const clean = wanted
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}_-]+/gu, '-')
    .replace(/^[-\p{M}]+|-+$/gu, '');
  const base = (clean === '' ? 'step' : clean).slice(0, 60);
  let name = base;
  for (let number = 2; taken.has(name); number += 1) name = `${base}-${number}`;
  taken.add(name);
  return name;
}
