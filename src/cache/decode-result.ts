/** The schema of a stored result: every field's shape and bounds, because anybody who may write to the cache may have written it. */
import { sha256Hex } from '../host/sha256.ts';
import type { ActionResult, Manifest, ManifestInput } from '../model/action.ts';
import type { Artifact, Content, LayeredContent } from '../model/artifact.ts';
import { type Fingerprint, fingerprintOfHex, isDigest } from '../model/digest.ts';
import { isOfKernel, MOST_NAMES, type Observation, type SeenKind } from '../model/observation.ts';
import { hasGoodExtras, isInside } from './tree.ts';

const RESULT_FORMAT: ActionResult['format'] = 1;
const MANIFEST_FORMAT: Manifest['format'] = 2;

/** More than any pipeline has; a record beyond them is not one that bake wrote. */
const MOST_BYTES = 256 * 1024 * 1024;
const MOST_ARTIFACTS = 4_096;
const MOST_LAYERS = 1_024;
const MOST_MEMBERS = 10_000;
const MOST_INPUTS = 2_000_000;
const MOST_DEPTH = 64;
const LONGEST_NAME = 1_024;
const LONGEST_PATH = 4_096;
const LONGEST_TEXT = 1024 * 1024;

/** Names in the order of canonical JSON. In a text they would stand with a backslash. */
const BEFORE_MANIFEST = ',"manifest":';
const AFTER_MANIFEST = ',"origin":';

const RESULT_FIELDS = [
  'format',
  'fingerprint',
  'artifacts',
  'layered',
  'log',
  'durationMs',
  'createdAt',
  'origin',
];
const CONTENT_FIELDS = ['type', 'digest', 'sizeBytes'];
const FILE_FIELDS = [...CONTENT_FIELDS, 'executable', 'private', 'special', 'attributes'];

type Fields = { readonly [field: string]: unknown };

/**
 * A result out of the bytes of its blob; null for anything that `encodeResult` could not have written. Its manifest is the
 * one of its fingerprint. `asked`: the fingerprint of a manifest that the caller made itself, whose shape is sure. Never
 * throws.
 */
export function decodeResult(bytes: Uint8Array, asked: Fingerprint | null = null): ActionResult | null {
  const parts =
    bytes.length > MOST_BYTES ? null : partsOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  if (parts === null) return null;
  const value = parseJson(parts.others);
  const fingerprint = fingerprintOfHex(sha256Hex(parts.manifest));
  if (!isRecord(value) || value['fingerprint'] !== fingerprint || !isResult(value)) return null;
  const manifest = parseJson(parts.manifest.toString('utf8'));
  return fingerprint === asked || isManifest(manifest) ? { ...value, manifest: manifest as Manifest } : null;
}

/**
 * The text of the manifest, and all others. In canonical JSON the one lies whole between two names: hashing that takes a
 * hundredth of the time of writing it out again. What is parsed as the manifest is what was hashed, whoever wrote it.
 */
function partsOf(bytes: Buffer): { readonly manifest: Buffer; readonly others: string } | null {
  const at = bytes.indexOf(BEFORE_MANIFEST);
  const end = bytes.lastIndexOf(AFTER_MANIFEST);
  if (at < 0 || end < at) return null;
  return {
    manifest: bytes.subarray(at + BEFORE_MANIFEST.length, end),
    others: `${bytes.toString('utf8', 0, at)}${bytes.toString('utf8', end)}`,
  };
}

/** The value of a JSON text; null when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isResult(value: Fields): value is Fields & Omit<ActionResult, 'manifest'> {
  return (
    hasOnly(value, RESULT_FIELDS) &&
    value['format'] === RESULT_FORMAT &&
    areArtifacts(value['artifacts']) &&
    (value['layered'] === undefined || isLayered(value['layered'])) &&
    (value['log'] === null || isSizedDigest(value['log'])) &&
    isDuration(value['durationMs']) &&
    isDate(value['createdAt']) &&
    isOrigin(value['origin'])
  );
}

function isManifest(value: unknown): value is Manifest {
  return (
    isRecord(value) &&
    value['format'] === MANIFEST_FORMAT &&
    isText(value['kind'], LONGEST_NAME) &&
    isCount(value['kindVersion']) &&
    isRecord(value['options']) &&
    isJson(value['options'], MOST_DEPTH) &&
    isMap(value['env'], MOST_MEMBERS, (text) => isText(text, LONGEST_TEXT)) &&
    isMap(value['secrets'], MOST_MEMBERS, (version) => version === null || isText(version, LONGEST_TEXT)) &&
    isMap(value['inputs'], MOST_INPUTS, isInput) &&
    (value['reads'] === undefined || areReads(value['reads'])) &&
    isMap(value['outputs'], MOST_ARTIFACTS, (path) => isText(path, LONGEST_PATH)) &&
    isMap(value['tools'], MOST_MEMBERS, (version) => isText(version, LONGEST_TEXT)) &&
    (value['platform'] === null || isText(value['platform'], LONGEST_NAME))
  );
}

function isInput(value: unknown): value is ManifestInput {
  if (!isRecord(value)) return false;
  if (value['link'] !== undefined) return isText(value['link'], LONGEST_PATH);
  return (
    isDigestText(value['digest']) &&
    isFlag(value['executable']) &&
    isFlag(value['tree']) &&
    hasGoodExtras(value)
  );
}

const OBSERVATION_FIELDS = ['is', 'sizeBytes', 'link', 'digest', 'entries'];
const SEEN_KINDS: readonly SeenKind[] = ['absent', 'file', 'executable', 'directory', 'other', 'unreadable'];

function isListing(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length <= MOST_NAMES && value.every((name) => isText(name, LONGEST_NAME))
  );
}

/** By paths that lead nowhere else than they say, and not to what the kernel makes up. */
function areReads(value: unknown): boolean {
  if (!isMap(value, MOST_INPUTS, isObservation)) return false;
  return Object.keys(value).every(
    (path) => path === '.' || (isInside(path.replace(/^\//, '')) && !isOfKernel(path)),
  );
}

function isObservation(value: unknown): value is Observation {
  if (!isRecord(value) || !hasOnly(value, OBSERVATION_FIELDS)) return false;
  const { is, sizeBytes, link, digest, entries } = value;
  return (
    (is === undefined || SEEN_KINDS.some((kind) => kind === is)) &&
    (sizeBytes === undefined || isCount(sizeBytes)) &&
    (link === undefined || link === null || isText(link, LONGEST_PATH)) &&
    (digest === undefined || isDigestText(digest)) &&
    (entries === undefined || isDigestText(entries) || isListing(entries))
  );
}

/** Present only when it is so. */
function isFlag(value: unknown): boolean {
  return value === undefined || value === true;
}

/** Each name and each path once: two outputs at one place would overwrite each other. */
function areArtifacts(value: unknown): value is readonly Artifact[] {
  if (!Array.isArray(value) || value.length > MOST_ARTIFACTS || !value.every(isArtifact)) return false;
  return [new Set(value.map(({ name }) => name)), new Set(value.map(({ path }) => path))].every(
    ({ size }) => size === value.length,
  );
}

function isArtifact(value: unknown): value is Artifact {
  return (
    isRecord(value) &&
    hasOnly(value, ['name', 'path', 'content']) &&
    isText(value['name'], LONGEST_NAME) &&
    value['name'] !== '' &&
    isText(value['path'], LONGEST_PATH) &&
    isInside(value['path']) &&
    isContent(value['content'])
  );
}

function isContent(value: unknown): value is Content {
  if (!isSizedDigest(value)) return false;
  switch (value['type']) {
    case 'file':
      return hasOnly(value, FILE_FIELDS) && typeof value['executable'] === 'boolean' && hasGoodExtras(value);
    case 'tree':
      return hasOnly(value, CONTENT_FIELDS);
    case 'layers':
      return hasOnly(value, [...CONTENT_FIELDS, 'layers']) && areLayers(value['layers']);
    default:
      return false;
  }
}

function areLayers(value: unknown): value is LayeredContent['layers'] {
  return (
    Array.isArray(value) && value.length > 0 && value.length <= MOST_LAYERS && value.every(isSizedDigest)
  );
}

function isLayered(value: unknown): boolean {
  return isMap(value, MOST_ARTIFACTS, areLayers) && Object.keys(value).every(isDigest);
}

function isSizedDigest(value: unknown): value is Fields {
  return isRecord(value) && isDigestText(value['digest']) && isCount(value['sizeBytes']);
}

function isDigestText(value: unknown): boolean {
  return typeof value === 'string' && isDigest(value);
}

function isOrigin(value: unknown): boolean {
  return isRecord(value) && isText(value['pipeline'], LONGEST_NAME) && isText(value['action'], LONGEST_NAME);
}

/** ISO 8601, as `toISOString` writes it. */
function isDate(value: unknown): boolean {
  if (!isText(value, LONGEST_NAME)) return false;
  const time = Date.parse(value);
  return !Number.isNaN(time) && new Date(time).toISOString() === value;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest && !value.includes('\0');
}

/** An object whose names are texts of bounded length, and whose values are all of one kind. */
function isMap(value: unknown, most: number, isValue: (value: unknown) => boolean): value is Fields {
  if (!isRecord(value)) return false;
  const names = Object.keys(value);
  if (names.length > most) return false;
  for (const name of names) if (!isText(name, LONGEST_PATH) || !isValue(value[name])) return false;
  return true;
}

/** Whether a JSON value nests no deeper, and has no name that assigning it elsewhere would take for something else. */
function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value !== 'object') return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isJson(item, depth - 1));
  return Object.keys(value).every(
    (name) => name !== '__proto__' && isJson((value as Fields)[name], depth - 1),
  );
}

/** A misspelt or doubled field would else pass for one that is not there. */
function hasOnly(value: Fields, names: readonly string[]): boolean {
  return Object.keys(value).every((name) => names.includes(name));
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
