/** Why an action runs or does not, in sentences. */
import type { Manifest } from '../model/action.ts';
import { isDigest, shortName } from '../model/digest.ts';
import type { JsonValue } from '../model/json.ts';
import { nameOf, type Observation } from '../model/observation.ts';
import type { OptionValue, PlannedAction } from '../model/plan.ts';
import type { Change } from './changes.ts';
import { compareManifests } from './changes.ts';
import { IN_OUTPUTS, stagedPath } from './manifest.ts';
import { referencesOf } from './options.ts';

const LONGEST_VALUE = 60;
/** Names of a directory that are told one by one. */
const MOST_TOLD = 8;

/** One sentence for each difference between the last manifest of an action and its present one. */
export function reasonsOfChange(action: PlannedAction, before: Manifest, after: Manifest): readonly string[] {
  const origins = stagedOrigins(action, after);
  return compareManifests(before, after).map((change) => sentence(change, action, origins));
}

/** The first line of what a tool says of itself, or only its version number where that tells the two apart. */
function toolVersions(before: string, after: string): string {
  const number = /\d+(?:\.\d+)+[\w.+~-]*/;
  const [was, is] = [number.exec(before)?.[0], number.exec(after)?.[0]];
  return was !== undefined && is !== undefined && was !== is ? `${was} → ${is}` : `${before} → ${after}`;
}

function sentence(change: Change, action: PlannedAction, origins: ReadonlyMap<string, string>): string {
  const { name, before, after } = change;
  switch (change.section) {
    case 'inputs':
      return inputSentence(change, origins.get(name));
    case 'reads':
      return readSentence(change);
    case 'options':
      return optionSentence(change, action);
    case 'env':
      return valueSentence(`variable ${name}`, before, after);
    case 'secrets':
      return secretSentence(change);
    case 'tools':
      if (before === undefined) return `tool ${name} is new`;
      if (after === undefined) return `tool ${name} is no longer used`;
      return `tool ${name}: ${toolVersions(String(before), String(after))}`;
    case 'outputs':
      return valueSentence(`path of the output ${name}`, before, after);
    case 'kind':
      return `kind: ${String(before)} → ${String(after)}`;
    case 'kindVersion':
      return `kind ${action.kind}: version ${String(before)} → ${String(after)}`;
    case 'platform':
      return `platform: ${String(before)} → ${String(after)}`;
  }
}

function secretSentence({ name, before, after }: Change): string {
  if (!name.endsWith(IN_OUTPUTS)) return valueSentence(`version of the secret ${name}`, before, after);
  const secret = name.slice(0, -IN_OUTPUTS.length);
  return after === undefined
    ? `the secret ${secret} is no longer ignored in outputs`
    : `the secret ${secret} is now ignored in outputs`;
}

function inputSentence({ name, before, after }: Change, origin: string | undefined): string {
  const what = origin ?? `input ${name}`;
  if (before === undefined) return `${what} is new`;
  if (after === undefined) return `${what} is gone`;
  const [was, is] = [inputWords(before), inputWords(after)];
  return was === is ? `${what}: the executable bit changed` : `${what} changed (${was} → ${is})`;
}

/** What was read, or looked for, is not as it was. */
function readSentence({ name, before, after }: Change): string {
  const [was, is] = [before ?? {}, after ?? {}] as [Observation, Observation];
  const isThere = (seen: Observation) => seen.is !== 'absent' || typeof seen.link === 'string';
  const what = name === '.' ? "the pipeline's directory" : name;
  if (!isThere(was) && isThere(is)) return `${what} appeared`;
  if (isThere(was) && !isThere(is)) return `input ${what} is gone`;
  if (was.digest !== undefined && is.digest !== undefined && was.digest !== is.digest)
    return `input ${what} changed (${shortName(was.digest).slice(0, 8)} → ${shortName(is.digest).slice(0, 8)})`;
  if (was.link !== is.link) return `input ${what} changed (${linkWords(was)} → ${linkWords(is)})`;
  if (was.entries !== undefined && is.entries !== undefined)
    return listingSentence(name, was.entries, is.entries);
  const isExecutable = [was.is, is.is].includes('executable') && [was.is, is.is].includes('file');
  if (isExecutable) return `input ${what}: the executable bit changed`;
  if (was.is === is.is && was.sizeBytes !== is.sizeBytes)
    return `input ${what} changed (${was.sizeBytes} → ${is.sizeBytes} bytes)`;
  return `input ${what} changed (${was.is ?? 'file'} → ${is.is ?? 'file'})`;
}

type Listing = NonNullable<Observation['entries']>;

/** Which names of a directory are others than they were. */
function listingSentence(directory: string, was: Listing, is: Listing): string {
  const where = directory === '.' ? '' : `${directory}/`;
  const more = (names: Listing, others: Listing) =>
    typeof names === 'string' || typeof others === 'string'
      ? []
      : names.filter((name) => !others.includes(name)).map((name) => where + nameOf(name));
  const [appeared, gone] = [more(is, was), more(was, is)];
  const changed = appeared.filter((name) => gone.includes(name));
  const sentences = [
    ...changed.map((name) => `${name} is something else`),
    ...appeared.filter((name) => !changed.includes(name)).map((name) => `${name} appeared`),
    ...gone.filter((name) => !changed.includes(name)).map((name) => `${name} is gone`),
  ];
  return sentences.length === 0 ? `names in ${directory} appeared or are gone` : shortList(sentences);
}

function shortList(sentences: readonly string[]): string {
  const shown = sentences.slice(0, MOST_TOLD).join(', ');
  return sentences.length > MOST_TOLD ? `${shown} and ${sentences.length - MOST_TOLD} more` : shown;
}

function linkWords({ link, is = 'file' }: Observation): string {
  return typeof link === 'string' ? `link to ${link}` : is;
}

function inputWords(input: JsonValue): string {
  const { digest, link } = input as { readonly digest?: string; readonly link?: string };
  if (link !== undefined) return `link to ${link}`;
  return digest !== undefined && isDigest(digest) ? shortName(digest).slice(0, 8) : 'unknown';
}

function optionSentence({ name, before, after }: Change, action: PlannedAction): string {
  const planned = optionAt(action, name);
  if (before !== undefined && after !== undefined && isReference(planned)) {
    return `${planned.$artifact.output} from ${planned.$artifact.action} changed`;
  }
  return valueSentence(`option ${name}`, before, after);
}

function valueSentence(what: string, before: JsonValue | undefined, after: JsonValue | undefined): string {
  if (before === undefined) return `${what} is new: ${valueWords(after)}`;
  if (after === undefined) return `${what} is gone: it was ${valueWords(before)}`;
  return `${what} changed: ${valueWords(before)} → ${valueWords(after)}`;
}

function valueWords(value: JsonValue | undefined): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE - 1)}…`;
}

function optionAt(action: PlannedAction, name: string): OptionValue | undefined {
  let value: OptionValue | undefined = action.options as OptionValue;
  for (const key of name.split('.')) {
    value = (value as { readonly [key: string]: OptionValue } | undefined)?.[key];
  }
  return value;
}

function isReference(value: unknown): value is { $artifact: { action: string; output: string } } {
  return typeof value === 'object' && value !== null && '$artifact' in value;
}

/** Staged path → "iso from installer", for the artifacts that text refers to. */
function stagedOrigins(action: PlannedAction, after: Manifest): ReadonlyMap<string, string> {
  const origins = new Map<string, string>();
  for (const ref of referencesOf(action, action.options).staged) {
    const directory = stagedPath(ref, '');
    for (const path of Object.keys(after.inputs)) {
      if (path.startsWith(directory)) origins.set(path, `${ref.output} from ${ref.action}`);
    }
  }
  return origins;
}
