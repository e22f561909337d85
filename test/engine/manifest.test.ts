/** Fingerprints: what enters, what stays out, and the goldens that pin them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ManifestFacts } from '../../src/engine/manifest.ts';
import { buildManifest, fingerprintOf, stagedPath } from '../../src/engine/manifest.ts';
import { realHashing } from '../../src/host/hashing.ts';
import type { Artifact } from '../../src/model/artifact.ts';
import type { Digest } from '../../src/model/digest.ts';
import { canonicalJson } from '../../src/model/json.ts';
import type { PlannedAction } from '../../src/model/plan.ts';

const hashing = realHashing();
const digest = (text: string): Digest => hashing.digestBytes(text);
const location = { file: 'pipeline.yaml', line: 1, column: 1, length: 1, text: '' };

const ACTION: PlannedAction = {
  name: 'pack',
  stage: 'pack',
  stageKind: 'run',
  step: null,
  kind: 'run',
  kindVersion: 1,
  options: { command: { $text: ['cat ', { action: 'make', output: 'image' }, ' > out'] }, timeout: 5 },
  unhashed: ['timeout'],
  platformSensitive: true,
  discovers: false,
  pins: false,
  inputs: ['in.txt'],
  outputs: [{ name: 'out', path: 'out' }],
  env: { LEVEL: ['9'] },
  passEnv: ['CI'],
  secrets: [{ name: 'TOKEN', from: 'MY_TOKEN', version: '2' }],
  tools: [{ name: 'xorriso', versionArguments: ['--version'] }],
  needs: ['make'],
  timeoutMs: null,
  retries: 0,
  resources: { cpu: 1, memoryBytes: 0, kvm: false },
  cacheable: true,
  placed: true,
  workspace: 'isolated',
  tags: [],
  description: null,
  location,
};

const IMAGE: Artifact = {
  name: 'image',
  path: 'build/disk.img',
  content: { type: 'file', digest: digest('image'), sizeBytes: 5, executable: false },
};

const FACTS: ManifestFacts = {
  action: ACTION,
  options: ACTION.options,
  files: new Map([['in.txt', { digest: digest('in') }]]),
  upstream: () => IMAGE,
  tools: { xorriso: 'xorriso 1.5.4' },
  platform: 'linux/x64',
};

function fingerprint(change: Partial<ManifestFacts> = {}, action: Partial<PlannedAction> = {}): string {
  const changed = { ...ACTION, ...action };
  return fingerprintOf(
    buildManifest({ ...FACTS, action: changed, options: changed.options, ...change }),
    hashing,
  );
}

const SAME: Readonly<Record<string, Partial<PlannedAction>>> = {
  'its name': { name: 'other', stage: 'other' },
  placement: { placed: false },
  'needs for order': { needs: ['make', 'lint'] },
  'a time limit': { timeoutMs: 1000 },
  retries: { retries: 3 },
  resources: { resources: { cpu: 4, memoryBytes: 1e9, kvm: true } },
  tags: { tags: ['slow'] },
  'a description': { description: 'hello' },
  'variables that only pass through': { passEnv: ['CI', 'HOME'] },
  'that a secret in an output is an error': {
    secrets: [{ name: 'TOKEN', from: 'MY_TOKEN', version: '2', inOutputs: 'error' }],
  },
  'the variable a secret is read from': { secrets: [{ name: 'TOKEN', from: 'ELSEWHERE', version: '2' }] },
  'an option that changes only how': { options: { ...ACTION.options, timeout: 6 } },
  'its place in the pipeline file': { location: { ...location, line: 9 } },
};

const OTHER: Readonly<Record<string, Partial<PlannedAction>>> = {
  'the kind': { kind: 'other' },
  'the version of the kind': { kindVersion: 2 },
  'an option': { options: { ...ACTION.options, more: true } },
  'a variable': { env: { LEVEL: ['8'] } },
  'the name of an output': { outputs: [{ name: 'result', path: 'out' }] },
  'the path of an output': { outputs: [{ name: 'out', path: 'result' }] },
  'that a secret may be in outputs': {
    secrets: [{ name: 'TOKEN', from: 'MY_TOKEN', version: '2', inOutputs: 'ignore' }],
  },
  'the version of a secret': { secrets: [{ name: 'TOKEN', from: 'MY_TOKEN', version: '3' }] },
};

describe('a fingerprint', () => {
  for (const [what, change] of Object.entries(SAME)) {
    it(`stays the same whatever becomes of ${what}`, () =>
      expect(fingerprint({}, change)).toBe(fingerprint()));
  }

  for (const [what, change] of Object.entries(OTHER)) {
    it(`changes with ${what}`, () => expect(fingerprint({}, change)).not.toBe(fingerprint()));
  }

  it('changes with the content of an input, its executable bit, its name, and a link for a file', () => {
    const all = [
      new Map([['in.txt', { digest: digest('other') }]]),
      new Map([['in.txt', { digest: digest('in'), executable: true as const }]]),
      new Map([['in2.txt', { digest: digest('in') }]]),
      new Map([['in.txt', { link: 'in' }]]),
    ].map((files) => fingerprint({ files }));
    expect(new Set([...all, fingerprint()]).size).toBe(5);
  });

  it('takes an artifact by its bytes, and not by who made it', () => {
    const options = { disk: { $artifact: { action: 'make', output: 'image' } } };
    const renamed = { disk: { $artifact: { action: 'made', output: 'disk' } } };
    const moved = { ...IMAGE, path: 'elsewhere/other.img' };
    const one = fingerprint({ options });
    expect(fingerprint({ options: renamed, upstream: () => moved })).toBe(one);
    const bytes = { ...IMAGE, content: { ...IMAGE.content, digest: digest('x') } };
    expect(fingerprint({ options, upstream: () => bytes })).not.toBe(one);
  });

  it('changes with a tool and, where that matters, with the platform', () => {
    expect(fingerprint({ tools: { xorriso: 'xorriso 1.5.6' } })).not.toBe(fingerprint());
    expect(fingerprint({ platform: 'linux/arm64' })).not.toBe(fingerprint());
    const anywhere = { platformSensitive: false };
    expect(fingerprint({ platform: 'linux/arm64' }, anywhere)).toBe(fingerprint({}, anywhere));
  });

  it('is what the goldens say: a difference needs a conscious decision (UPDATE_GOLDENS=1)', () => {
    const file = join(import.meta.dirname, 'goldens.json');
    const actual = {
      text: { manifest: buildManifest(FACTS), fingerprint: fingerprint() },
      artifact: fingerprint({ options: { disk: { $artifact: { action: 'make', output: 'image' } } } }),
      file: fingerprint({ options: { iso: { $file: 'a.iso' } } }),
    };
    if (process.env['UPDATE_GOLDENS']) writeFileSync(file, `${JSON.stringify(actual, null, 2)}\n`);
    expect(actual).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  });
});

describe('canonical JSON', () => {
  it('does not see the order in which members came', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const entries = Object.entries(object);
        const reversed = Object.fromEntries([...entries].reverse());
        expect(canonicalJson(reversed as never)).toBe(canonicalJson(object as never));
        expect(JSON.parse(canonicalJson(object as never))).toEqual(JSON.parse(JSON.stringify(object)));
      }),
    );
  });
});

describe('the text that is hashed', () => {
  it('is the canonical JSON of the manifest as everyone else sees it, whatever the paths and their order', () => {
    const input = fc.oneof(
      fc.record({ link: fc.string({ unit: 'binary' }) }),
      fc.string().map((text) => ({ digest: digest(text) })),
      fc.string().map((text) => ({ digest: digest(text), executable: true as const })),
    );
    const path = fc.oneof(fc.string({ unit: 'binary' }), fc.nat().map(String), fc.constant('__proto__'));
    fc.assert(
      fc.property(fc.array(fc.tuple(path, input)), (files) => {
        const manifest = buildManifest({ ...FACTS, files: new Map(files) });
        const text = canonicalJson(manifest as never);
        expect(fingerprintOf(manifest, hashing)).toBe(digest(text));
        expect(fingerprintOf({ ...manifest }, hashing)).toBe(digest(text));
      }),
    );
  });

  it('of a hundred thousand characters and more is hashed in pieces, to the same digest', () => {
    const pieces = Array.from({ length: 30_000 }, (_, at) => `${at} zwölf 😀\n`);
    expect(hashing.digestText(pieces)).toBe(digest(pieces.join('')));
    expect(hashing.digestText([])).toBe(digest(''));
  });
});

describe('the path of a staged artifact', () => {
  it('holds no character that a shell would take apart, and keeps cells apart', () => {
    const path = (action: string) => stagedPath({ action, output: 'out' }, 'a b/my file.img');
    expect(path('disk[arch=amd64,os=debian]')).toBe('.bake/disk-arch=amd64-os=debian/out/my%20file.img');
    expect(path('grün')).toBe('.bake/grün/out/my%20file.img');
    expect(path('a/../b').split('/')).toHaveLength(4);
  });
});
