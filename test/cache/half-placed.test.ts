/** What a run that was killed while it placed something left in a checkout: cleared up by the next, also when that has nothing to place there. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ownerName, temporaryBeside } from '../../src/cache/destination.ts';
import { halfPlacedIn } from '../../src/cache/half-placed.ts';
import type { Host } from '../../src/host/host.ts';
import { cacheRig, failingOnce } from './cache-rig.ts';

const HOUR_MS = 60 * 60_000;

/** Another process of this host, dead by now. */
function dead(host: Host): Host {
  return { ...host, identity: { ...host.identity, pid: spawnSync('true').pid } };
}

/** A process of another container, or of an earlier start of the machine. */
function foreign(host: Host): Host {
  return { ...host, identity: { ...host.identity, realm: 'elsewhere' } };
}

function later(host: Host, byMs: number): Host {
  return { ...host, clock: { ...host.clock, nowMs: () => host.clock.nowMs() + byMs } };
}

/** A checkout in which a process was killed on its way. */
async function left(rig: ReturnType<typeof cacheRig>, by: Host): Promise<string> {
  const [root, state] = [rig.path('checkout'), rig.path('state')];
  mkdirSync(`${root}/out/deep`, { recursive: true });
  await halfPlacedIn(by, () => state).note(root, `${root}/out/deep`);
  const temporary = temporaryBeside(by, `${root}/out/deep/o`);
  mkdirSync(temporary);
  writeFileSync(`${temporary}/whole`, 'half');
  const [, startedAt, realm] = ownerName(by).split('-');
  for (const name of [
    '.bake-notes.tmp',
    '.bake-1-2.tmp',
    `.bake-${'9'.repeat(20)}-${startedAt}-${realm}-x.tmp`,
    'mine',
  ])
    writeFileSync(`${root}/out/deep/${name}`, 'mine');
  return temporary;
}

test('what a dead process left is removed, and nothing else', async () => {
  await using rig = cacheRig();
  const temporary = await left(rig, dead(rig.host));
  const here = halfPlacedIn(rig.host, () => rig.path('state'));
  await here.note(rig.path('checkout'), rig.path('checkout'));
  await here.clear(rig.path('checkout'));
  expect(existsSync(temporary)).toBe(false);
  expect(readdirSync(rig.path('checkout/out/deep')).sort()).toEqual([
    ...['.bake-1-2.tmp', expect.stringContaining('9'.repeat(20)), '.bake-notes.tmp', 'mine'],
  ]);
  expect(readdirSync(rig.path('state/placing'))).toEqual([ownerName(rig.host)]);
  await here.close();
  expect(readdirSync(rig.path('state/placing'))).toEqual([]);
});

test('a living process keeps what is its own', async () => {
  await using rig = cacheRig();
  const temporary = await left(rig, rig.host);
  await halfPlacedIn(rig.host, () => rig.path('state')).clear(rig.path('checkout'));
  expect(existsSync(temporary)).toBe(true);
});

test('one that cannot be seen keeps it for an hour', async () => {
  await using rig = cacheRig();
  const temporary = await left(rig, foreign(rig.host));
  const clear = (host: Host) => halfPlacedIn(host, () => rig.path('state')).clear(rig.path('checkout'));
  await clear(rig.host);
  expect(existsSync(temporary)).toBe(true);
  await clear(later(rig.host, 2 * HOUR_MS));
  expect(existsSync(temporary)).toBe(false);
});

test('a list that cannot be read for a moment stays for the next run', async () => {
  await using rig = cacheRig();
  const temporary = await left(rig, dead(rig.host));
  const here = halfPlacedIn(failingOnce(rig.host, 'readText', /placing/), () => rig.path('state'));
  await here.clear(rig.path('checkout'));
  expect(existsSync(temporary)).toBe(true);
  await here.clear(rig.path('checkout'));
  expect(existsSync(temporary)).toBe(false);
});

test('a list that is junk, cut short or no file hinders nobody', async () => {
  await using rig = cacheRig();
  const temporary = await left(rig, dead(rig.host));
  const placing = rig.path('state/placing');
  writeFileSync(`${placing}/${ownerName(dead(rig.host))}`, '7\n{"a":\n"relative"\n"/nowhere"\n"/et');
  mkdirSync(`${placing}/${ownerName(dead(rig.host))}`);
  writeFileSync(`${placing}/junk`, 'junk');
  await halfPlacedIn(rig.host, () => rig.path('state')).clear(rig.path('checkout'));
  expect(existsSync(temporary)).toBe(false);
  expect(readdirSync(placing)).toEqual(['junk']);
});
