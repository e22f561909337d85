/** What is taken of declared files: digests and link texts in the order of paths, and what links lead to where that counts. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cache } from '../../src/cache/cache.ts';
import { openCache } from '../../src/cache/local.ts';
import { takeInputs } from '../../src/engine/fingerprint.ts';
import { findInputs, sortedByPath } from '../../src/engine/inputs.ts';
import { followLinks } from '../../src/engine/links.ts';
import { Looks, MOST_LOOKS } from '../../src/engine/looks.ts';
import type { Prepared } from '../../src/engine/prepare.ts';
import { realHost } from '../../src/host/real.ts';

const host = realHost();
let root: string;
let cache: Cache;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'bake-taken-'));
  mkdirSync(join(root, 'in'));
  writeFileSync(join(root, 'in/a'), 'a');
  symlinkSync('a', join(root, 'in/b'));
  writeFileSync(join(root, 'in/c'), 'ccc', { mode: 0o755 });
  writeFileSync(join(root, 'aside'), 'aside');
  symlinkSync('../aside', join(root, 'in/d'));
  const opened = await openCache(host, join(root, 'cache'), { lookOnly: true });
  if (!opened.ok) throw new Error('no cache');
  cache = opened.value;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** As if `in` had been found `agoMs` ago, and an option named `in/d` as its value. */
async function take(agoMs: number, change: () => void = () => undefined) {
  const looks = new Looks(host.files, root, []);
  const linked = followLinks(findInputs(['in'], looks).files, {
    files: host.files,
    looks,
    asFiles: new Set(['in/d']),
    isExcluded: () => false,
    inPlace: false,
  });
  const files = sortedByPath(linked.files);
  change();
  const foundAtMs = host.clock.nowMs() - agoMs;
  const { places: followed, passed } = linked;
  const prepared = { files, foundAtMs, followed, passed } as unknown as Prepared;
  const taken = await takeInputs(prepared, { host, cache, looks });
  if (!taken.ok) throw new Error(JSON.stringify(taken.failure));
  return taken.value;
}

const digest = (text: string) => host.hashing.digestBytes(text);

describe.each([
  ['just found', 0],
  ['found long ago', 3_600_000],
])('of files %s', (_, agoMs) => {
  it('each has what it holds, in the order of paths', async () => {
    const { inputs } = await take(agoMs);
    expect([...inputs]).toEqual([
      ['in/a', { digest: digest('a') }],
      ['in/b', { link: 'a' }],
      ['in/c', { digest: digest('ccc'), executable: true }],
      ['in/d', { digest: digest('aside') }],
    ]);
  });

  it('a link that counts by what it leads to has the stamp and the place of that', async () => {
    const { stamps, followed } = await take(agoMs);
    expect([...followed]).toEqual([['in/d', join(host.files.realPath(root) ?? '', 'aside')]]);
    expect(stamps.get('in/d')).toMatchObject({ type: 'file', sizeBytes: 5 });
    expect(stamps.get('in/b')).toMatchObject({ type: 'link' });
  });
});

it('what was found long ago is looked at again', async () => {
  const { inputs, stamps } = await take(3_600_000, () => writeFileSync(join(root, 'in/a'), 'longer'));
  expect(inputs.get('in/a')).toEqual({ digest: digest('longer') });
  expect(stamps.get('in/a')?.sizeBytes).toBe(6);
});

describe('looks of an action', () => {
  it('are noted up to a bound and one more, and known all the same', () => {
    const all = new Looks(host.files, root, []);
    const looks = all.noting(3);
    for (const name of ['a', 'b', 'c', 'd', 'absent']) looks.stamp(`in/${name}`);
    looks.add('/elsewhere', null);
    expect([...looks.noted()]).toEqual(['a', 'b', 'c', 'd'].map((name) => join(root, 'in', name)));
    expect([...all.all().keys()]).toEqual([
      ...['a', 'b', 'c', 'd', 'absent'].map((name) => join(root, 'in', name)),
      '/elsewhere',
    ]);
  });

  it('at the same place are one, however it is named', () => {
    const looks = new Looks(host.files, root, []);
    for (const path of ['in/a', join(root, 'in/a'), '', '.', root, `${root}-aside`]) looks.stamp(path);
    looks.add(join(root, 'in/a'), null);
    looks.add(join(root, 'in/c'), null);
    const all = looks.all();
    expect([...all.keys()]).toEqual([join(root, 'in/a'), root, `${root}-aside`, join(root, 'in/c')]);
    expect(all.get(join(root, 'in/a'))).toEqual(host.files.stamp(join(root, 'in/a')));
    expect([all.get(root)?.type, all.get(`${root}-aside`)]).toEqual(['directory', null]);
  });

  it('are noted whole as long as they are few', () => {
    const looks = new Looks(host.files, root, []).noting(MOST_LOOKS);
    for (let at = 0; at < MOST_LOOKS; at++) looks.stamp(`absent-${at}`);
    expect(looks.noted().size).toBe(MOST_LOOKS);
  });
});
