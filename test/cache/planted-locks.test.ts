/** Lock files that a stranger wrote: they name who lives, and hold nobody for longer than one who says nothing. */
import { chownSync, utimesSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Cache, LockRequest } from '../../src/cache/cache.ts';
import { lockText } from '../../src/cache/lock-record.ts';
import type { ProcessIdentity } from '../../src/host/host.ts';
import { identityOf, isAlive } from '../../src/host/identity.ts';
import { hexOf } from '../../src/model/digest.ts';
import { cacheRig, fingerprint, must } from './cache-rig.ts';

const FINGERPRINT = fingerprint('a');
const LOCK = `cache/v1/locks/${hexOf(FINGERPRINT)}`;

function take(cache: Cache, onWait: LockRequest['onWait'] = () => undefined) {
  return cache.lock(FINGERPRINT, { directory: '/here', onWait, signal: new AbortController().signal });
}

/** What a builder would have written. */
function recordOf(owner: ProcessIdentity): string {
  return lockText({ builder: { pid: owner.pid, host: 'here', directory: '/far', activity: null }, owner });
}

describe('a record that a stranger wrote', () => {
  const parent = () => identityOf(process.ppid);
  const limits = { lockLimits: { silentMs: 300 } };

  test.each<[string, () => ProcessIdentity]>([
    ['process 1', () => identityOf(1)],
    ['the victim', () => identityOf(process.pid)],
    ['a parent of the victim', parent],
  ])('and that names %s is waited for so long and no longer, and nobody is killed', async (_, owner) => {
    await using rig = cacheRig();
    const file = rig.write(LOCK, recordOf(owner()));
    // Whose file it is can be told apart only where it can be given away.
    if (process.getuid?.() === 0) chownSync(file, 12_003, 12_003);
    else if (owner().pid === process.ppid) return;
    const cache = await rig.open(limits);
    const lock = must(await take(cache));
    expect(rig.warnings).toMatchObject([{ code: 'builder-passed-over', why: 'silent' }]);
    expect(isAlive(owner())).toBe(true);
    await lock?.release();
  });

  test('that names a parent is believed in a file of its user, and where the file system shows another as soon as it is renewed', async () => {
    await using rig = cacheRig();
    const itself = { ok: false, failure: { code: 'stage-waits-for-itself', pid: process.ppid } };
    const file = rig.write(LOCK, recordOf(parent()));
    const cache = await rig.open({ lockLimits: { silentMs: 60_000 } });
    expect(await take(cache)).toEqual(itself);
    if (process.getuid?.() !== 0) return;
    chownSync(file, 12_003, 12_003);
    const onWait = () => utimesSync(file, 1_000, 1_000);
    expect(await take(cache, onWait)).toEqual(itself);
  });
});
