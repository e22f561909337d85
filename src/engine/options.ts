/** Walks resolved options: finds what they refer to, and puts something else in its place. */
import type { JsonValue } from '../model/json.ts';
import type { ArtifactRef, OptionValue, OptionValues, PlannedAction, Template } from '../model/plan.ts';

/** What stands for the three sorts of values that are no plain JSON. */
export interface OptionSink {
  artifact(ref: ArtifactRef): JsonValue;
  file(path: string): JsonValue;
  text(template: Template): JsonValue;
}

/** Plain JSON out of an option, each reference replaced by what `sink` says. */
export function plainOption(value: OptionValue, sink: OptionSink): JsonValue {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item: OptionValue) => plainOption(item, sink));
  if (isArtifact(value)) return sink.artifact(value.$artifact);
  if (isFile(value)) return sink.file(value.$file);
  if (isText(value)) return sink.text(value.$text);
  const members = Object.entries(value as { readonly [key: string]: OptionValue });
  return Object.fromEntries(members.map(([key, member]) => [key, plainOption(member, sink)]));
}

/** Everything that an action refers to, each thing once, in the order of its options and then of its environment. */
export interface References {
  /** Whole values: `disk: ${{ stages.x.outputs.disk }}`. */
  readonly artifacts: readonly ArtifactRef[];
  /** Within text, a script or a variable: staged in the workspace under a path. */
  readonly staged: readonly ArtifactRef[];
  /** Files of the checkout named in options. */
  readonly files: readonly string[];
}

const knownReferences = new WeakMap<
  PlannedAction,
  { readonly options: OptionValues; readonly found: References }
>();

/** What the options, those that enter no fingerprint included, and the environment of an action refer to. */
export function referencesOf(action: PlannedAction, options: OptionValues): References {
  const known = knownReferences.get(action);
  // Asked four times on the way of each action, always with the same options once they are pinned.
  if (known?.options === options) return known.found;
  const found = findReferences(action, options);
  knownReferences.set(action, { options, found });
  return found;
}

function findReferences(action: PlannedAction, options: OptionValues): References {
  const artifacts = new Map<string, ArtifactRef>();
  const staged = new Map<string, ArtifactRef>();
  const files = new Set<string>();
  const text = (template: Template) => {
    for (const part of template) if (typeof part !== 'string') staged.set(refKey(part), part);
    return null;
  };
  plainOption(options, {
    artifact: (ref) => {
      artifacts.set(refKey(ref), ref);
      return null;
    },
    file: (path) => {
      files.add(path);
      return null;
    },
    text,
  });
  for (const template of Object.values(action.env)) text(template);
  return { artifacts: [...artifacts.values()], staged: [...staged.values()], files: [...files] };
}

/** A text that names one output of one action. */
export function refKey(ref: ArtifactRef): string {
  return `${ref.action}\n${ref.output}`;
}

/** Text with every reference replaced. */
export function renderTemplate(template: Template, pathOf: (ref: ArtifactRef) => string): string {
  return template.map((part) => (typeof part === 'string' ? part : pathOf(part))).join('');
}

function isArtifact(value: object): value is { readonly $artifact: ArtifactRef } {
  return '$artifact' in value;
}

function isFile(value: object): value is { readonly $file: string } {
  return '$file' in value;
}

function isText(value: object): value is { readonly $text: Template } {
  return '$text' in value;
}
