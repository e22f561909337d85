/** Listing and removing: what is named stays, what a running build needs stays, all else goes. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readContents } from '../../src/cache/contents.ts';
import { decodeEntry, encodeEntry } from '../../src/cache/index-entry.ts';
import { layoutOf } from '../../src/cache/layout.ts';
import { removeResults } from '../../src/cache/remove-results.ts';
import { tracedIn, tracedKey } from '../../src/cache/results.ts';
import { fingerprintOf } from '../../src/engine/manifest.ts';
import type { Files } from '../../src/host/host.ts';
import { realHost } from '../../src/host/real.ts';
import type { ActionResult, Manifest } from '../../src/model/action.ts';
import type { Content } from '../../src/model/artifact.ts';
import { type CacheRig, cacheRig, failingOnce, fingerprint, must, resultOf } from './cache-rig.ts';
import { buildProgram, startChild } from './child-program.ts';

/** Stores three results, `a` and `b` sharing a blob; the process that did so is over afterwards. */
async function filled(rig: CacheRig): Promise<{ [name in 'shared' | 'tree' | 'large']: Content }> {
  const cache = await rig.open();
  const shared = must(await cache.blobs.adopt(rig.write('work/shared', 'shared')));
  rig.write('work/tree/file', 'in a tree');
  const tree = must(await cache.blobs.adopt(rig.path('work/tree')));
  const large = must(await cache.blobs.adopt(rig.write('work/large', Buffer.alloc(2_000_000, 1))));
  must(await cache.actions.put(resultOf(fingerprint('a'), [shared, large], 'first')));
  must(await cache.actions.put(resultOf(fingerprint('b'), [shared, tree], 'second[arch=amd64]')));
  must(await cache.actions.put(resultOf(fingerprint('c'), [], 'third')));
  await cache.close();
  return { shared, tree, large };
}

const isOf = (digit: string) => (listed: { result: { fingerprint: string } }) =>
  listed.result.fingerprint === fingerprint(digit);

test('all results are listed, newest first, with what they need', async () => {
  await using rig = cacheRig();
  const { shared, large } = await filled(rig);
  const { results, blobs } = await readContents(rig.host, rig.path('cache'));
  expect(results.map(({ result }) => result.origin.action).sort()).toEqual([
    'first',
    'second[arch=amd64]',
    'third',
  ]);
  const times = results.map(({ storedAtMs }) => storedAtMs);
  expect([...times].sort((x, y) => y - x)).toEqual(times);
  const first = results.find(isOf('a'));
  expect(first?.needs).toEqual(new Set([shared.digest, large.digest]));
  expect(first?.sizeBytes).toBe(2_000_006);
  // shared, large, tree manifest, its file, three results.
  expect(blobs).toHaveLength(7);
});

test('a directory that is no cache holds nothing, and removing from it touches nothing', async () => {
  await using rig = cacheRig();
  expect((await readContents(rig.host, rig.path('cache'))).results).toEqual([]);
  expect(must(await removeResults(rig.host, rig.path('cache'), () => true))).toMatchObject({ blobs: 0 });
  expect(readdirSync(rig.directory)).toEqual([]);
});

test('removing one result frees what only it named', async () => {
  await using rig = cacheRig();
  const { shared, large } = await filled(rig);
  const removal = must(await removeResults(rig.host, rig.path('cache'), isOf('a')));
  expect(removal.removed.map(({ result }) => result.origin.action)).toEqual(['first']);
  expect(removal.blobs).toBe(2);
  expect(removal.freedBytes).toBeGreaterThanOrEqual(2_000_000);
  const cache = await rig.open();
  expect(await cache.actions.get(fingerprint('a'))).toBeNull();
  expect(await cache.actions.latest('appliance', 'first')).toBeNull();
  expect(await cache.blobs.has(large.digest, 2_000_000)).toBe(false);
  expect(await cache.blobs.has(shared.digest, 6)).toBe(true);
  const left = await cache.actions.get(fingerprint('b'));
  expect(left && (await cache.isComplete(left))).toBe(true);
});

test('removing all leaves no content and no index', async () => {
  await using rig = cacheRig();
  await filled(rig);
  must(await removeResults(rig.host, rig.path('cache'), () => true));
  for (const directory of ['content-v2', 'index-v5'])
    expect(
      rig.host.files.walk(rig.path(`cache/v1/${directory}`)).entries.filter(({ type }) => type === 'file'),
    ).toEqual([]);
});

test.each<readonly [string, keyof Files, RegExp, number]>([
  ['an entry of the index', 'readText', /index-v5/, 0],
  ['an entry of the index, when it is looked through again', 'readText', /index-v5/, 7],
  ['the index', 'walk', /index-v5/, 0],
  ['the record of a result', 'readBytes', /content-v2/, 0],
  ['the record of a result, when they are looked through again', 'readBytes', /content-v2/, 3],
  ['the list of a directory', 'readText', /content-v2/, 0],
  ['the list of who runs', 'list', /v1.work/, 0],
])('where %s cannot be read once, nothing is removed that another result needs', async (_, ...fault) => {
  await using rig = cacheRig();
  await filled(rig);
  const removed = await removeResults(failingOnce(rig.host, ...fault), rig.path('cache'), isOf('c'));
  expect(removed).toMatchObject({ ok: false, failure: { code: 'file-trouble', errno: 'EIO' } });
  const cache = await rig.open();
  for (const name of ['a', 'b']) {
    const left = await cache.actions.get(fingerprint(name));
    expect(left && (await cache.isComplete(left))).toBe(true);
  }
});

test('what bake never wrote in an index keeps nobody from removing', async () => {
  await using rig = cacheRig();
  await filled(rig);
  const huge = rig.write(`cache/v1/index-v5/aa/bb/${'c'.repeat(60)}`, '');
  truncateSync(huge, 300 * 1024 * 1024);
  expect(must(await removeResults(rig.host, rig.path('cache'), isOf('a'))).blobs).toBe(2);
});

const RUNNING = `
import { openCache } from './src/cache/local.ts';
import { realHost } from './src/host/real.ts';
const [directory, fingerprint] = process.argv.slice(2);
const host = realHost();
const cache = (await openCache(host, directory)).value;
await cache.use(await cache.actions.get(fingerprint));
const workspace = (await cache.makeWorkspace()).value;
await host.files.writeFile(workspace.path + '/fresh', 'named by nobody yet');
const fresh = await cache.blobs.adopt(workspace.path + '/fresh');
console.log(fresh.value.digest);
setInterval(() => {}, 1000);
`;

test('what a running build rests on, and what it stored but did not yet name, is spared until it is over', async () => {
  await using rig = cacheRig();
  await filled(rig);
  const program = await buildProgram(rig.directory, 'running', RUNNING);
  await using child = startChild(program, [rig.path('cache'), fingerprint('a')]);
  const fresh = (await child.nextLine()) as never;
  const cache = await rig.open({ lookOnly: true });
  const removal = must(await removeResults(rig.host, rig.path('cache'), () => true));
  expect(removal.spared.map(({ result }) => result.origin.action)).toEqual(['first']);
  const kept = await cache.actions.get(fingerprint('a'));
  expect(kept && (await cache.isComplete(kept))).toBe(true);
  expect(await cache.actions.get(fingerprint('b'))).toBeNull();
  expect(await cache.blobs.has(fresh, 19)).toBe(true);
  child.process.kill('SIGKILL');
  await child.ended;
  const after = must(await removeResults(rig.host, rig.path('cache'), () => true));
  expect(after.spared).toEqual([]);
  expect(await cache.blobs.has(fresh, 19)).toBe(false);
});

/** A result of the same work, that read something else each time. */
function traced(reads: Manifest['reads'] = {}): ActionResult {
  const plain = resultOf(fingerprint('t'), [], 'traced');
  const manifest = { ...plain.manifest, reads };
  return { ...plain, manifest, fingerprint: fingerprintOf(manifest, realHost().hashing) };
}

test('results of one work are found by what it read, newest first and not without end; the list goes with the last of them', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const all = Array.from({ length: 20 }, (_, at) => traced({ a: { is: 'file', sizeBytes: at } }));
  for (const result of all) must(await cache.actions.put(result));
  const key = fingerprint('t');
  const found = await cache.actions.traced(key);
  expect(found.map((one) => one.fingerprint)).toEqual(
    all
      .slice(4)
      .reverse()
      .map((one) => one.fingerprint),
  );
  expect(await cache.actions.traced(fingerprint('other'))).toEqual([]);
  await cache.close();
  const entry = layoutOf(rig.path('cache')).bucket(tracedKey(key));
  const last = all.at(-1)?.fingerprint;
  must(await removeResults(rig.host, rig.path('cache'), ({ result }) => result.fingerprint !== last));
  expect(existsSync(entry)).toBe(true);
  const again = await rig.open();
  expect((await again.actions.traced(key)).map((one) => one.fingerprint)).toEqual([last]);
  await again.close();
  must(await removeResults(rig.host, rig.path('cache'), () => true));
  expect(existsSync(entry)).toBe(false);
});

test('a list of results is not believed: one of another work is passed over', async () => {
  await using rig = cacheRig();
  const cache = await rig.open();
  const other = resultOf(fingerprint('o'), [], 'other');
  must(await cache.actions.put(other));
  must(await cache.actions.put(traced({ a: { is: 'absent' } })));
  const entry = layoutOf(rig.path('cache')).bucket(tracedKey(fingerprint('t')));
  const known = decodeEntry(readFileSync(entry, 'utf8'), null);
  if (known === null) throw new Error('no entry');
  const fingerprints = [other.fingerprint, 7, '../../etc/passwd', ...tracedIn(known)];
  writeFileSync(entry, encodeEntry({ ...known, metadata: { fingerprints } }));
  const found = await cache.actions.traced(fingerprint('t'));
  expect(found.map((one) => one.origin.action)).toEqual(['traced']);
});
