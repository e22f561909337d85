/** Records out of a cache are data that anybody may have written: whatever is not exactly what bake writes is null, and nothing throws. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeResult } from '../../src/cache/decode-result.ts';
import { decodeEntry, encodeEntry } from '../../src/cache/index-entry.ts';
import { encodeResult } from '../../src/cache/results.ts';
import { decodeTree, encodeTree } from '../../src/cache/tree.ts';
import { fingerprintOf } from '../../src/engine/manifest.ts';
import { realHost } from '../../src/host/real.ts';
import { sha256Hex } from '../../src/host/sha256.ts';
import type { ActionResult, Manifest } from '../../src/model/action.ts';
import { digestOfHex } from '../../src/model/digest.ts';
import { canonicalJson, type JsonValue } from '../../src/model/json.ts';

const { hashing } = realHost();
const RUNS = Number(process.env['BAKE_FUZZ_RUNS'] ?? 300);
const digest = digestOfHex('ab'.repeat(32));

function resultWith(changes: Partial<ActionResult> = {}, manifest: Partial<Manifest> = {}): ActionResult {
  const whole: Manifest = {
    format: 2,
    kind: 'run',
    kindVersion: 1,
    options: { script: 'true', nested: { list: [1, { artifact: digest }] } },
    env: { A: '1' },
    secrets: { T: null },
    inputs: { 'a/b': { digest, executable: true }, c: { link: 'a/b' }, ['__proto__']: { digest } },
    outputs: { out: 'out' },
    tools: { sh: '1' },
    platform: null,
    ...manifest,
  };
  return {
    format: 1,
    fingerprint: fingerprintOf(whole, hashing),
    manifest: whole,
    artifacts: [
      { name: 'out', path: 'out', content: { type: 'file', digest, sizeBytes: 1, executable: false } },
      { name: 'tree', path: 'a/t', content: { type: 'tree', digest, sizeBytes: 0 } },
      {
        name: 'disk',
        path: 'disk',
        content: { type: 'layers', digest, sizeBytes: 2, layers: [{ digest, sizeBytes: 2 }] },
      },
    ],
    layered: { [digest]: [{ digest, sizeBytes: 2 }] },
    log: { digest, sizeBytes: 3 },
    durationMs: 12,
    createdAt: '2026-01-02T03:04:05.000Z',
    origin: { pipeline: 'p', action: 'a' },
    ...changes,
  };
}

const bytesOf = (value: unknown): Uint8Array => Buffer.from(canonicalJson(value as JsonValue));

/** As a forger writes it: with a fingerprint that fits whatever the manifest is. */
function forged(value: unknown): Uint8Array {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bytesOf(value);
  const record = value as { manifest?: JsonValue };
  const fingerprint = `sha256:${sha256Hex(canonicalJson(record.manifest ?? null))}`;
  return bytesOf({ ...record, fingerprint });
}

test('what was read comes back as it was', () => {
  const reads: Manifest['reads'] = {
    '.': { is: 'directory', link: null, entries: ['a', 'b/', 'c/@'] },
    'a/b': { digest, is: 'executable' },
    '/etc/ansible': { is: 'absent' },
    l: { link: 'a/b' },
    x: { is: 'file', sizeBytes: 7 },
  };
  const result = resultWith({}, { reads });
  expect(decodeResult(Buffer.from(encodeResult(result)))).toEqual(result);
});

test('what bake writes is read as it was', () => {
  const result = resultWith();
  expect(decodeResult(Buffer.from(encodeResult(result)))).toEqual(result);
  expect(decodeResult(forged(result))).toEqual(result);
});

/** A value deep inside, changed; the result is forged anew, so that only its shape can give it away. */
function replaced(path: string, value: unknown): Uint8Array {
  const copy = structuredClone(resultWith()) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() as string;
  let at = copy;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return forged(copy);
}

test.each<[string, unknown]>([
  ['format', 2],
  ['artifacts', undefined],
  ['artifacts', {}],
  ['artifacts.0', null],
  ['artifacts.0.name', ''],
  ['artifacts.0.name', 7],
  ['artifacts.0.name', 'disk'],
  ['artifacts.0.path', '../home/bashrc'],
  ['artifacts.0.path', '/etc/passwd'],
  ['artifacts.0.path', 'a//b'],
  ['artifacts.0.path', 'a/./b'],
  ['artifacts.0.path', 'disk'],
  ['artifacts.0.path', 'a\0b'],
  ['artifacts.0.path', 'x'.repeat(5000)],
  ['artifacts.0.content', undefined],
  ['artifacts.0.content.type', 'socket'],
  ['artifacts.0.content.type', undefined],
  ['artifacts.0.content.digest', 'sha256:../../../../etc/passwd'],
  ['artifacts.0.content.digest', `sha256:${'AB'.repeat(32)}`],
  ['artifacts.0.content.digest', 'ab'.repeat(32)],
  ['artifacts.0.content.digest', [digest]],
  ['artifacts.0.content.sizeBytes', -1],
  ['artifacts.0.content.sizeBytes', 1.5],
  ['artifacts.0.content.sizeBytes', 1e300],
  ['artifacts.0.content.sizeBytes', '1'],
  ['artifacts.0.content.executable', undefined],
  ['artifacts.0.content.executable', 1],
  ['artifacts.2.content.layers', 7],
  ['artifacts.2.content.layers', []],
  ['artifacts.2.content.layers', [null]],
  ['artifacts.2.content.layers.0.digest', 'x'],
  ['artifacts.2.content.layers', Array.from({ length: 2000 }, () => ({ digest, sizeBytes: 1 }))],
  [
    'artifacts',
    Array.from({ length: 5000 }, (_, at) => ({
      name: `${at}`,
      path: `${at}`,
      content: { type: 'tree', digest, sizeBytes: 0 },
    })),
  ],
  ['misspelt', 1],
  ['artifacts.0.misspelt', 1],
  ['artifacts.0.content.misspelt', 1],
  ['artifacts.1.content.executable', true],
  ['artifacts.0.content.special', 99],
  ['artifacts.0.content.attributes', 7],
  ['layered', []],
  ['layered', { x: [] }],
  ['log', 7],
  ['log', { digest }],
  ['durationMs', -1],
  ['durationMs', '12'],
  ['durationMs', null],
  ['createdAt', 'yesterday'],
  ['createdAt', '2026-01-02'],
  ['createdAt', 7],
  ['origin', undefined],
  ['origin.action', 7],
  ['origin.pipeline', 'x'.repeat(5000)],
  ['manifest', null],
  ['manifest', { format: 1 }],
  ['manifest.format', 0],
  ['manifest.kind', null],
  ['manifest.kindVersion', 'one'],
  ['manifest.options', []],
  ['manifest.env', { A: 1 }],
  ['manifest.env', 'A=1'],
  ['manifest.secrets', { T: {} }],
  ['manifest.inputs', { a: {} }],
  ['manifest.inputs', { a: null }],
  ['manifest.inputs', { a: { digest, executable: 'yes' } }],
  ['manifest.inputs', { a: { link: 7 } }],
  ['manifest.reads', []],
  ['manifest.reads', { a: 7 }],
  ['manifest.reads', { a: { is: 'there' } }],
  ['manifest.reads', { a: { link: 7 } }],
  ['manifest.reads', { a: { digest: 'x' } }],
  ['manifest.reads', { a: { entries: [7] } }],
  ['manifest.reads', { a: { entries: Array.from({ length: 300 }, String) } }],
  ['manifest.reads', { a: { sizeBytes: -1 } }],
  ['manifest.reads', { a: { misspelt: true } }],
  ['manifest.reads', { '../a': { is: 'absent' } }],
  ['manifest.reads', { '/etc/../proc/kcore': { digest } }],
  ['manifest.reads', { '/proc/kcore': { digest } }],
  ['manifest.outputs', { out: 7 }],
  ['manifest.tools', null],
  ['manifest.platform', 7],
])('a result whose %s is %j is none', (path, value) => {
  expect(decodeResult(replaced(path, value))).toBeNull();
});

test('a manifest that is not the one of its fingerprint is none, also when another text names it twice', () => {
  const result = resultWith();
  const other = resultWith({}, { kind: 'another' });
  expect(decodeResult(bytesOf({ ...result, manifest: other.manifest }))).toBeNull();
  const text = encodeResult(result);
  const twice = text.replace(
    ',"manifest":',
    `,"manifest":${canonicalJson(other.manifest as unknown as JsonValue)},"manifest":`,
  );
  expect(decodeResult(Buffer.from(twice))).toBeNull();
  const after = text.replace(/\}$/, `,"manifest":${canonicalJson(other.manifest as unknown as JsonValue)}}`);
  expect(decodeResult(Buffer.from(after))).toBeNull();
});

test('depth, length and strange names break nothing', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const around = (options: string) => {
    const manifest = canonicalJson({
      ...resultWith().manifest,
      options: 'HERE',
    } as unknown as JsonValue).replace('"HERE"', options);
    const text = encodeResult(resultWith({ fingerprint: `sha256:${sha256Hex(manifest)}` as never }));
    const [before] = text.split(',"manifest":');
    return Buffer.from(`${before},"manifest":${manifest},"origin":{"action":"a","pipeline":"p"}}`);
  };
  expect(decodeResult(around('{}'))).not.toBeNull();
  expect(decodeResult(around(`{"a":${deep}}`))).toBeNull();
  expect(decodeResult(around('{"__proto__":{"polluted":1}}'))).toBeNull();
  expect(decodeResult(around(deep))).toBeNull();
  expect(decodeTree(deep)).toBeNull();
  expect(decodeTree(`{"format":"bake-tree-1","entries":${deep}}`)).toBeNull();
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  for (const text of ['', 'null', '7', '"x"', '[]', '{}', ',"manifest":,"origin":', ',"origin":,"manifest":'])
    expect(decodeResult(Buffer.from(text))).toBeNull();
});

const entry = {
  key: `blob:${digest}`,
  digest,
  sizeBytes: 3,
  time: 1_767_322_800_000,
  metadata: { onDisk: true },
};

/** A line with the sum that its text has, as a forger makes it. */
function line(value: unknown): string {
  const json = typeof value === 'string' ? value : JSON.stringify(value);
  const sum = process.getBuiltinModule('node:crypto').hash('sha1', json, 'hex');
  return `\n${sum}\t${json}`;
}

test.each<[string, unknown]>([
  ['no JSON', 'x'],
  ['a number', 7],
  ['null', null],
  ['a list', []],
  ['deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ['without integrity', { key: entry.key, time: 1, size: 1 }],
  ['with a foreign digest', { key: entry.key, integrity: 'sha512-AAAA', time: 1, size: 1 }],
  ['with a short digest', { key: entry.key, integrity: 'sha256-AAAA', time: 1, size: 1 }],
  ['with a list for a digest', { key: entry.key, integrity: [], time: 1, size: 1 }],
  ['with a time no date can hold', { ...written(), time: 1e300 }],
  ['with a text for a time', { ...written(), time: 'now' }],
  ['with a negative size', { ...written(), size: -1 }],
  ['with a number for metadata', { ...written(), metadata: 7 }],
  ['with a key that is no text', { ...written(), key: 7 }],
])('an index line %s is none', (_, value) => {
  expect(decodeEntry(line(value), null)).toBeNull();
  expect(decodeEntry(line(value), entry.key)).toBeNull();
});

function written(): { readonly [field: string]: unknown } {
  const text = encodeEntry({
    key: `blob:${digestOfHex('ab'.repeat(32))}`,
    digest: digestOfHex('ab'.repeat(32)),
    sizeBytes: 3,
    time: 1,
    metadata: null,
  });
  return JSON.parse(text.slice(text.indexOf('\t') + 1)) as { [field: string]: unknown };
}

/** Values that make trouble wherever they stand. */
const trouble = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    '..',
    '\0',
    '__proto__',
    0,
    -1,
    0.5,
    1e300,
    [],
    {},
    [null],
    { length: 5 },
    'x'.repeat(100_000),
  ),
  fc.jsonValue(),
);

/** Replaces the value at one place of a JSON value, counted in the order of a walk. */
function mutated(value: unknown, at: number, by: unknown): unknown {
  let left = at;
  const visit = (here: unknown): unknown => {
    if (left-- === 0) return by;
    if (Array.isArray(here)) return here.map(visit);
    if (here === null || typeof here !== 'object') return here;
    return Object.fromEntries(Object.entries(here).map(([name, member]) => [name, visit(member)]));
  };
  return visit(value);
}

test('a result of which any part was exchanged is null or a whole result, and writing it again works', () => {
  fc.assert(
    fc.property(fc.nat(70), trouble, (at, by) => {
      const read = decodeResult(forged(mutated(resultWith(), at, by)));
      if (read === null) return;
      expect(decodeResult(Buffer.from(encodeResult(read)))).toEqual(read);
      for (const { path, content } of read.artifacts) {
        expect(path.split('/')).not.toContain('..');
        expect(content.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      }
      expect(new Date(read.createdAt).toISOString()).toBe(read.createdAt);
    }),
    { numRuns: RUNS },
  );
});

test('bytes of a record that were turned, cut or doubled are null or what they were', () => {
  const result = resultWith();
  const texts: [string, (text: string) => unknown, unknown][] = [
    [encodeResult(result), (text) => decodeResult(Buffer.from(text, 'latin1')), result],
    [encodeEntry(entry), (text) => decodeEntry(text, null), entry],
  ];
  fc.assert(
    fc.property(
      fc.nat(1),
      fc.nat(),
      fc.nat(255),
      fc.constantFrom('turn', 'cut', 'double'),
      (which, place, byte, how) => {
        const [text, decode, whole] = texts[which] as (typeof texts)[number];
        const at = place % text.length;
        const changed =
          how === 'cut'
            ? text.slice(0, at)
            : how === 'double'
              ? text.slice(0, at) + text.slice(at >> 1)
              : text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1);
        const read = decode(changed);
        if (read === null || changed === text) return;
        // What no sum covers may differ; the shape holds.
        expect(Object.keys(read as object).sort()).toEqual(Object.keys(whole as object).sort());
      },
    ),
    { numRuns: RUNS },
  );
});

test('an index line of which any part was exchanged is null or an entry', () => {
  fc.assert(
    fc.property(fc.nat(8), trouble, (at, by) => {
      const read = decodeEntry(line(mutated(written(), at, by)), null);
      if (read === null) return;
      expect(read.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(new Date(read.time).getTime()).not.toBeNaN();
      expect(decodeEntry(encodeEntry(read), read.key)).toEqual(read);
    }),
    { numRuns: RUNS },
  );
});

test('a tree of which any part was exchanged is null or a tree that stays inside', () => {
  const tree = encodeTree([
    { path: 'a', type: 'directory' },
    { path: 'a/f', type: 'file', digest, sizeBytes: 3, executable: true },
    { path: 'l', type: 'link', target: '../x' },
  ]);
  fc.assert(
    fc.property(fc.nat(20), trouble, (at, by) => {
      const read = decodeTree(JSON.stringify(mutated(JSON.parse(tree), at, by)));
      for (const { path } of read ?? []) expect(path.split('/')).not.toContain('..');
      for (const one of read ?? [])
        if (one.type === 'file') expect(one.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    }),
    { numRuns: RUNS },
  );
});
