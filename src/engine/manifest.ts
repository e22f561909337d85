/** The one walk over a planned action and what is known of the world, that yields its Manifest: see docs/design/fingerprint.md. */
import type { Hashing } from '../host/host.ts';
import type { Manifest, ManifestInput } from '../model/action.ts';
import type { Artifact, Content } from '../model/artifact.ts';
import type { Digest, Fingerprint } from '../model/digest.ts';
import { fingerprintOfHex, hexOf } from '../model/digest.ts';
import type { DiskContainer } from '../model/disk-format.ts';
import type { JsonValue, LongJsonObject } from '../model/json.ts';
import { canonicalJson, canonicalPieces } from '../model/json.ts';
import type { ArtifactRef, OptionValues, PlannedAction } from '../model/plan.ts';
import { sortedByPath } from './inputs.ts';
import { plainOption, referencesOf, refKey, renderTemplate } from './options.ts';

/** What an action's manifest is made of besides the action itself. */
export interface ManifestFacts {
  readonly action: PlannedAction;
  /** As planned, or as pinned by `bake.lock`. */
  readonly options: OptionValues;
  /** Declared and discovered files of the checkout. */
  readonly files: ReadonlyMap<string, ManifestInput>;
  readonly upstream: (ref: ArtifactRef) => Artifact;
  readonly tools: { readonly [name: string]: string };
  readonly platform: string;
}

/** Everything the result of an action depends on; nothing of where, when, by whom or how fast it is made. */
export function buildManifest(facts: ManifestFacts): Manifest {
  const { action, upstream } = facts;
  const pathOf = (ref: ArtifactRef) => stagedPath(ref, upstream(ref).path);
  const options: Record<string, JsonValue> = {};
  for (const [name, value] of Object.entries(withoutUnhashed(facts.options, action.unhashed))) {
    options[name] = plainOption(value, {
      artifact: (ref) => artifactValue(upstream(ref).content, knownOf(ref, action)),
      file: (file) => ({ file }),
      text: (template) => renderTemplate(template, pathOf),
    });
  }
  const staged = referencesOf(action, facts.options).staged.map((ref): [string, ManifestInput] => [
    pathOf(ref),
    contentInput(upstream(ref).content),
  ]);
  const inputs = sortedByPath(staged.length === 0 ? facts.files : new Map([...facts.files, ...staged]));
  const fields = {
    format: 2,
    kind: action.kind,
    kindVersion: action.kindVersion,
    options,
    env: mapValues(action.env, (template) => renderTemplate(template, pathOf)),
    secrets: Object.fromEntries(action.secrets.flatMap(secretEntries)),
    inputs,
    outputs: Object.fromEntries(action.outputs.map(({ name, path }) => [name, path])),
    tools: facts.tools,
    platform: action.platformSensitive ? facts.platform : null,
  } as const;
  let object: Manifest['inputs'] | null = null;
  const manifest: Manifest = {
    ...fields,
    // An object with a hundred thousand names takes longer than all of the text, and few ask for it.
    get inputs() {
      object ??= Object.fromEntries(inputs);
      return object;
    },
  };
  written.set(manifest, fields);
  return manifest;
}

/** Another name than a secret can have. */
export const IN_OUTPUTS = ' in outputs';

/** The version of a secret, and that it may be in what the stage leaves: to somebody who does not allow it the result is another. */
function secretEntries({ name, version, inOutputs }: PlannedAction['secrets'][number]) {
  const entry: readonly [string, string | null] = [name, version];
  return inOutputs === 'ignore' ? [entry, [`${name}${IN_OUTPUTS}`, 'ignore'] as const] : [entry];
}

/** What manifests are written from: the very fields of each, with its inputs as a map. */
const written = new WeakMap<Manifest, LongJsonObject>();

/** The sha256 of a manifest's canonical JSON. */
export function fingerprintOf(manifest: Manifest, hashing: Pick<Hashing, 'digestText'>): Fingerprint {
  const whole = written.get(manifest) ?? (manifest as unknown as LongJsonObject);
  return fingerprintOfHex(hexOf(hashing.digestText(canonicalPieces(whole))));
}

/**
 * Where an artifact that text refers to is put, relative to the workspace: `.bake/<action>/<output>/<its own name>`.
 * Characters that a shell might take apart do not get into it.
 */
export function stagedPath(ref: ArtifactRef, outputPath: string): string {
  const own = outputPath.slice(outputPath.lastIndexOf('/') + 1);
  return `.bake/${plainName(ref.action)}/${plainName(ref.output)}/${plainName(own)}`;
}

/** The digest of what the layers of a disk are, lowest first. */
export function layersDigest(layers: readonly { readonly digest: Digest }[], hashing: Hashing): Digest {
  return hashing.digestBytes(canonicalJson(layers.map(({ digest }) => digest)));
}

/** Matrix cells keep apart as `disk-arch=amd64-os=debian`; any other unusual character becomes its code point. */
function plainName(name: string): string {
  return name
    .replace(/[[,]/g, '-')
    .replace(/\]/g, '')
    .replace(/[^\p{L}\p{N}._@=+-]/gu, (character) => `%${character.codePointAt(0)?.toString(16)}`);
}

/** Options without the unhashed ones; `ssh.timeout` names one within another. */
function withoutUnhashed(options: OptionValues, unhashed: readonly string[]): OptionValues {
  let left = options;
  for (const path of unhashed) {
    const [name = '', ...rest] = path.split('.');
    const { [name]: value, ...others } = left;
    if (value === undefined) continue;
    left = others;
    if (rest.length > 0)
      left = { ...left, [name]: isPlainObject(value) ? withoutUnhashed(value, [rest.join('.')]) : value };
  }
  return left;
}

function isPlainObject(value: OptionValues[string]): value is OptionValues {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The same bytes may be another disk, when another kind says what they are. */
function artifactValue(content: Content, known: { readonly [fact: string]: DiskContainer }): JsonValue {
  const { digest, ...rest } = contentInput(content);
  return { artifact: digest, ...rest, ...known };
}

/** What is known of a disk besides its bytes. */
function knownOf(
  ref: ArtifactRef,
  { formats, named }: PlannedAction,
): { readonly [fact: string]: DiskContainer } {
  const key = refKey(ref);
  const [format, name] = [formats?.[key], named?.[key]];
  if (format !== undefined) return { format };
  return name === undefined ? {} : { named: name };
}

/** What is kept of a file besides its bytes counts, for a command sees it; that of a tree is in its digest. */
function contentInput(content: Content): Extract<ManifestInput, { digest: Digest }> {
  if (content.type === 'tree') return { digest: content.digest, tree: true };
  if (content.type === 'layers') return { digest: content.digest };
  return {
    digest: content.digest,
    ...(content.executable ? { executable: true } : {}),
    ...(content.private ? { private: true } : {}),
    ...(content.special === undefined ? {} : { special: content.special }),
    ...(content.attributes === undefined ? {} : { attributes: content.attributes }),
  };
}

function mapValues<A, B>(record: { readonly [key: string]: A }, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
