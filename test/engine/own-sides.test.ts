/** Side files of an action: for later attempts of it in its checkout, at once and whatever becomes of this one. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Cache } from '../../src/cache/cache.ts';
import { openCache } from '../../src/cache/local.ts';
import { Looks } from '../../src/engine/looks.ts';
import { ownSides } from '../../src/engine/own-sides.ts';
import { realHost } from '../../src/host/real.ts';

const host = realHost();
let root: string;
let cache: Cache;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'bake-own-'));
  const opened = await openCache(host, join(root, 'cache'));
  if (!opened.ok) throw new Error(JSON.stringify(opened.failure));
  cache = opened.value;
});
afterEach(async () => {
  await cache.close();
  rmSync(root, { recursive: true, force: true });
});

function sidesOf(given: { action?: string; pipeline?: string; startsAnew?: boolean } = {}) {
  const input = join(root, 'input');
  if (!existsSync(input)) writeFileSync(input, 'as it was taken');
  const stamp = host.files.stamp(input);
  if (stamp === null) throw new Error('no stamp');
  const { action = 'install', pipeline = 'p', startsAnew = false } = given;
  const taken = {
    inputs: new Map(),
    stamps: new Map([['input', stamp]]),
    followed: new Map(),
    passed: new Map(),
    takenAtMs: Date.now(),
  };
  const looks = new Looks(host.files, root, []);
  return ownSides({ cache, host, looks, plan: { root, name: pipeline } }, { action, taken, startsAnew });
}

function made(text: string): string {
  const directory = mkdtempSync(join(root, 'made-'));
  mkdirSync(join(directory, 'below'));
  writeFileSync(join(directory, 'below/memory'), text);
  return directory;
}

const textAt = (path: string | null) => readFileSync(join(path ?? '', 'below/memory'), 'utf8');

test('are there at once, for this user alone, until the same name is kept again or dropped', async () => {
  const sides = sidesOf();
  expect(sides.find('mark')).toBeNull();
  expect((await sides.keep('mark', made('one'))).ok).toBe(true);
  const found = sides.find('mark');
  expect(textAt(found)).toBe('one');
  expect(statSync(found ?? '').mode & 0o777).toBe(0o700);
  expect(statSync(join(found ?? '', 'below/memory')).mode & 0o777).toBe(0o600);
  await sides.keep('mark', made('two'));
  expect(textAt(sidesOf().find('mark'))).toBe('two');
  await sides.drop('mark');
  expect(sides.find('mark')).toBeNull();
});

test('belong to one name of one action of one pipeline', async () => {
  await sidesOf().keep('mark', made('one'));
  for (const other of [{ action: 'install[arch=arm]' }, { pipeline: 'q' }])
    expect(sidesOf(other).find('mark')).toBeNull();
  expect(sidesOf().find('other')).toBeNull();
});

test('are not found by one that is to start anew, which may keep its own', async () => {
  await sidesOf().keep('mark', made('one'));
  const anew = sidesOf({ startsAnew: true });
  expect(anew.find('mark')).toBeNull();
  await anew.keep('mark', made('two'));
  expect(textAt(sidesOf().find('mark'))).toBe('two');
});

test('are not kept when an input has changed since it was taken', async () => {
  const sides = sidesOf();
  writeFileSync(join(root, 'input'), 'edited meanwhile');
  const kept = await sides.keep('mark', made('one'));
  expect(kept).toEqual({ ok: false, failure: { code: 'input-changed', files: ['input'] } });
  expect(sides.find('mark')).toBeNull();
});
