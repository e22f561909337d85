/** What must hold of every text that is given to a reader, whatever it is: pipelines, expressions, boot commands, records of a cache. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { decodeResult } from '../../src/cache/decode-result.ts';
import { decodeEntry, encodeEntry } from '../../src/cache/index-entry.ts';
import { encodeResult } from '../../src/cache/results.ts';
import { decodeTree, encodeTree } from '../../src/cache/tree.ts';
import { bootCommandProblems, parseBootCommand } from '../../src/machine/boot-command.ts';
import type { Failure } from '../../src/model/failure.ts';
import { canonicalJson, type JsonValue } from '../../src/model/json.ts';
import type { Location } from '../../src/model/location.ts';
import type { Node } from '../../src/model/pipeline.ts';
import { parseTemplate } from '../../src/pipeline/expression.ts';
import { parseAnyYaml, parseYamlValue } from '../../src/pipeline/parse.ts';
import { readPlainYaml } from '../../src/pipeline/plain-yaml.ts';
import { planPipeline } from '../../src/pipeline/plan.ts';
import { Problems } from '../../src/pipeline/problems.ts';
import { SourceText } from '../../src/pipeline/source-text.ts';

/** Throws when something that must hold does not. */
function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const textOf = (input: Uint8Array) => Buffer.from(input).toString('utf8');

/** A pipeline is planned, or is refused with failures that point into its text. */
export function pipeline(input: Uint8Array): void {
  const given = { file: 'pipeline.yaml', root: '/project', bytes: input };
  const planned = planPipeline(given, { vars: {}, varFiles: [], env: { HOME: '/root' } });
  const lines = textOf(input)
    .replace(/^\uFEFF/, '')
    .split('\n');
  if (!planned.ok) {
    must(planned.failure.length > 0, 'no plan, and no failure');
    for (const failure of planned.failure) pointsInto(lines, failure);
    return;
  }
  for (const warning of planned.value.warnings)
    if ('location' in warning && warning.location) placeIn(lines, warning.location);
  const names = new Set<string>();
  for (const action of planned.value.actions) {
    for (const need of action.needs) must(names.has(need), `${action.name} stands before ${need}`);
    names.add(action.name);
    for (const { path } of action.outputs)
      must(!path.startsWith('/') && !path.split('/').includes('..'), `the output ${path} is outside`);
  }
  must(names.size === planned.value.actions.length, 'two actions of one name');
}

function pointsInto(lines: readonly string[], failure: Failure): void {
  const place = 'location' in failure ? failure.location : null;
  must(place !== null, `${failure.code} points nowhere`);
  placeIn(lines, place);
}

function placeIn(lines: readonly string[], { line, column, length, text }: Location): void {
  const there = lines[line - 1];
  must(there !== undefined, `line ${line} of ${lines.length}`);
  must(column >= 1 && column <= there.length + 1, `column ${column} of a line of ${there.length}`);
  must(length >= 1, `a length of ${length}`);
  if (text !== '') must(there === text || there === `${text}\r`, `another text than that of line ${line}`);
}

/** What our own reader of YAML takes it takes as the library does, and others' YAML is a value or a problem. */
export function yaml(input: Uint8Array): void {
  const text = textOf(input);
  parseYamlValue(text);
  const plain = readPlainYaml(text);
  if (plain === null) return;
  const problems = new Problems();
  const other = parseAnyYaml(new SourceText('', text), problems);
  must(problems.none && other !== null, `only our own reader takes it: ${problems.list()[0]?.code}`);
  must(isDeepStrictEqual(placedValue(plain), placedValue(other)), 'the two readers disagree');
}

function placedValue(node: Node): unknown {
  if (node.type === 'scalar') return [node.value, node.start];
  if (node.type === 'list') return node.items.map(placedValue);
  return node.entries.map(({ key, keySpan, value }) => [key, keySpan.start, placedValue(value)]);
}

/** The pieces of a template are the whole text again. */
export function expression(input: Uint8Array): void {
  const text = textOf(input);
  const pieces = parseTemplate(text);
  must(pieces.length > 0, 'a text without pieces');
  for (const [at, piece] of pieces.entries()) {
    if (piece.type === 'text') {
      const after = pieces[at + 1];
      must(after === undefined || after.type !== 'text', 'two texts follow each other');
    } else must(text.includes(piece.raw) && piece.raw.startsWith('${{'), `${piece.raw} is not in the text`);
    if (piece.type === 'reference' && piece.reference.space !== 'stages')
      must(piece.reference.path.length > 0, 'a reference to nothing');
  }
  if (pieces.some(({ type }) => type === 'problem')) return;
  const written = pieces.map((piece) => (piece.type === 'text' ? escaped(piece.text) : piece.raw)).join('');
  must(written === text || written.length >= text.length, 'a part of the text is lost');
  must(isDeepStrictEqual(parseTemplate(written), pieces), 'written again it is another text');
}

const escaped = (text: string) => text.replaceAll('${{', '$$${{');

/** A boot command is steps or problems, the same with any values. */
export function bootCommand(input: Uint8Array): void {
  const text = textOf(input);
  const problems = bootCommandProblems(text);
  const parsed = parseBootCommand(text, { HTTPIP: '10.0.2.2', HTTPPort: '1', HTTPPath: '', Name: 'n' });
  must(parsed.ok === (problems.length === 0), 'what is wrong depends on the values');
  if (!parsed.ok) return;
  for (const step of parsed.steps) {
    if (step.type === 'wait') must(step.ms >= 0 && step.ms <= Number.MAX_SAFE_INTEGER, `waits ${step.ms}`);
    if (step.type !== 'wait-for-serial') continue;
    must(step.timeoutMs >= 0 && step.timeoutMs <= Number.MAX_SAFE_INTEGER, `waits ${step.timeoutMs}`);
    new RegExp(step.pattern);
  }
}

/** A tree is none, or one that stays inside and is the same when it is written again. */
export function tree(input: Uint8Array): void {
  const text = textOf(input);
  const read = decodeTree(text);
  if (read === null) return;
  const kinds = new Map<string, string>();
  for (const entry of read) {
    must(!entry.path.startsWith('/') && !entry.path.split('/').includes('..'), `${entry.path} leads out`);
    must(!entry.path.includes('\0'), 'a path with a NUL');
    const above = entry.path.lastIndexOf('/');
    if (above >= 0)
      must(kinds.get(entry.path.slice(0, above)) === 'directory', `${entry.path} has no parent`);
    must(!kinds.has(entry.path), `${entry.path} twice`);
    kinds.set(entry.path, entry.type);
  }
  must(decodeTree(encodeTree(read)) !== null, 'written again it is none');
}

/** A result is none or a whole one; as a forger writes it, with a fingerprint that fits, too. */
export function result(input: Uint8Array): void {
  for (const bytes of [input, forgedResult(input)]) {
    const read = bytes && decodeResult(bytes);
    if (!read) continue;
    for (const { path, content } of read.artifacts) {
      must(!path.startsWith('/') && !path.split('/').includes('..'), `${path} leads out`);
      must(/^sha256:[0-9a-f]{64}$/.test(content.digest), `${content.digest} is no digest`);
    }
    const again = decodeResult(Buffer.from(encodeResult(read)));
    must(isDeepStrictEqual(again, read), 'written again it is another');
  }
}

function forgedResult(input: Uint8Array): Uint8Array | null {
  const value = jsonOf(input);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const manifest = (value as { manifest?: JsonValue }).manifest ?? null;
  const sum = createHash('sha256').update(canonicalJson(manifest)).digest('hex');
  return Buffer.from(canonicalJson({ ...value, fingerprint: `sha256:${sum}` }));
}

function jsonOf(input: Uint8Array): JsonValue {
  try {
    return JSON.parse(textOf(input)) as JsonValue;
  } catch {
    return null;
  }
}

/** A bucket of the index holds an entry or none; a line with a sum that fits, too. */
export function indexEntry(input: Uint8Array): void {
  const text = textOf(input);
  const sum = createHash('sha1').update(text).digest('hex');
  for (const bucket of [text, `\n${sum}\t${text}`]) {
    const read = decodeEntry(bucket, null);
    if (read === null) continue;
    must(/^sha256:[0-9a-f]{64}$/.test(read.digest), `${read.digest} is no digest`);
    must(!Number.isNaN(new Date(read.time).getTime()), `${read.time} is no time`);
    must(isDeepStrictEqual(decodeEntry(encodeEntry(read), read.key), read), 'written again it is another');
  }
}
