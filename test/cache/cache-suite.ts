/** What every implementation of Cache must do, whatever it keeps things in. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type CacheRig, fingerprint, must, resultOf } from './cache-rig.ts';

const BIG = 3 * 1024 * 1024;

export function registerCacheSuite(name: string, makeRig: () => CacheRig): void {
  describe(`${name}: results`, () => {
    test('a result that was put is found under its fingerprint, also by another opening', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.write('a', 'hello')));
      const result = resultOf(fingerprint('a'), [content]);
      must(await cache.actions.put(result));
      expect(await cache.actions.get(fingerprint('a'))).toEqual(result);
      const other = await rig.open();
      expect(await other.actions.get(fingerprint('a'))).toEqual(result);
      expect(await other.isComplete(result)).toBe(true);
      expect(await other.actions.get(fingerprint('b'))).toBeNull();
    });

    test('the newest result of an action is found by its name', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      must(await cache.actions.put(resultOf(fingerprint('a'), [])));
      must(await cache.actions.put(resultOf(fingerprint('b'), [])));
      must(await cache.actions.put(resultOf(fingerprint('c'), [], 'other')));
      expect((await cache.actions.latest('appliance', 'disk'))?.fingerprint).toBe(fingerprint('b'));
      expect(await cache.actions.latest('another', 'disk')).toBeNull();
    });

    test('a removed result is a miss', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      must(await cache.actions.put(resultOf(fingerprint('a'), [])));
      await cache.actions.remove(fingerprint('a'));
      expect(await cache.actions.get(fingerprint('a'))).toBeNull();
    });

    test('a result whose blob is gone is not complete, and that is said once', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.write('a', 'hello')));
      const result = resultOf(fingerprint('a'), [content]);
      must(await rig.host.files.remove(cache.blobs.pathOf(content.digest)));
      expect(await cache.isComplete(result)).toBe(false);
      expect(await cache.isComplete(result)).toBe(false);
      expect(rig.warnings).toEqual([{ code: 'cache-incomplete', action: 'disk', missing: content.digest }]);
    });

    test('a result whose tree lacks one file is not complete', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      rig.write('tree/deep/file', 'in a tree');
      const content = must(await cache.blobs.adopt(rig.path('tree')));
      const result = resultOf(fingerprint('a'), [content]);
      expect(await cache.isComplete(result)).toBe(true);
      const file = (await cache.blobs.tree(content.digest))?.find((entry) => entry.type === 'file');
      must(
        await rig.host.files.remove(
          cache.blobs.pathOf(file!.type === 'file' ? file!.digest : content.digest),
        ),
      );
      expect(await cache.isComplete(result)).toBe(false);
    });
  });

  describe(`${name}: contents`, () => {
    test.each([0, 1, BIG])('a file of %i bytes comes back as it was, in both modes', async (size) => {
      await using rig = makeRig();
      const cache = await rig.open();
      const bytes = Buffer.alloc(size, 'bake');
      const content = must(await cache.blobs.adopt(rig.write('work/disk', bytes)));
      expect(content).toMatchObject({ type: 'file', sizeBytes: size, executable: false });
      expect(existsSync(rig.path('work/disk'))).toBe(false);
      for (const mode of ['private', 'shared'] as const) {
        must(await cache.restore(content, rig.path(`out/${mode}`), mode));
        expect(readFileSync(rig.path(`out/${mode}`)).equals(bytes)).toBe(true);
      }
      expect(lstatSync(rig.path('out/private')).mode & 0o200).toBe(0o200);
      expect(lstatSync(rig.path('out/shared')).mode & 0o222).toBe(0);
      expect(readdirSync(rig.path('out')).sort()).toEqual(['private', 'shared']);
    });

    test('writing to a private copy leaves the store as it was', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.write('disk', Buffer.alloc(BIG, 1))));
      must(await cache.restore(content, rig.path('copy'), 'private'));
      writeFileSync(rig.path('copy'), 'changed');
      expect(readFileSync(cache.blobs.pathOf(content.digest)).equals(Buffer.alloc(BIG, 1))).toBe(true);
    });

    test.each(['private', 'shared'] as const)('the exec bit survives (%s)', async (mode) => {
      await using rig = makeRig();
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.write('tool', '#!/bin/sh\n', 0o755)));
      expect(content).toMatchObject({ executable: true });
      must(await cache.restore(content, rig.path('out'), mode));
      expect(lstatSync(rig.path('out')).mode & 0o100).toBe(0o100);
    });

    test('the same bytes twice are one blob', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const one = must(await cache.blobs.adopt(rig.write('one', 'same')));
      const two = must(await cache.blobs.adopt(rig.write('two', 'same')));
      expect(two).toEqual(one);
      expect(must(await cache.blobs.put(Buffer.from('same'))).digest).toBe(one.digest);
      expect(await cache.blobs.get(one.digest)).toEqual(Buffer.from('same'));
    });

    test('two outputs that are hard links of one file are both stored, and neither can be written through', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const first = rig.write('work/first', Buffer.alloc(BIG, 7));
      must(await rig.host.files.link(first, rig.path('work/second')));
      const one = must(await cache.blobs.adopt(first));
      writeFileSync(rig.path('work/second'), Buffer.alloc(BIG, 8));
      const two = must(await cache.blobs.adopt(rig.path('work/second')));
      expect(one.digest).not.toBe(two.digest);
      expect(readFileSync(cache.blobs.pathOf(one.digest)).equals(Buffer.alloc(BIG, 7))).toBe(true);
      expect(readFileSync(cache.blobs.pathOf(two.digest)).equals(Buffer.alloc(BIG, 8))).toBe(true);
    });

    test('restoring replaces a file, a directory, and a link without following it', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.write('new', 'new')));
      const elsewhere = rig.write('elsewhere', 'precious');
      rig.write('out/file', 'old');
      rig.write('out/directory/inside', 'old');
      symlinkSync(elsewhere, rig.path('out/link'));
      for (const old of ['file', 'directory', 'link']) {
        must(await cache.restore(content, rig.path(`out/${old}`), 'private'));
        expect(lstatSync(rig.path(`out/${old}`)).isFile()).toBe(true);
        expect(readFileSync(rig.path(`out/${old}`), 'utf8')).toBe('new');
      }
      expect(readFileSync(elsewhere, 'utf8')).toBe('precious');
      expect(readdirSync(rig.path('out'))).toHaveLength(3);
    });

    test('a linked parent that leads out of the root is refused, one that stays inside is not', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.write('new', 'new')));
      mkdirSync(rig.path('outside'));
      mkdirSync(rig.path('root/inside'), { recursive: true });
      symlinkSync('../outside', rig.path('root/away'));
      symlinkSync('inside', rig.path('root/near'));
      symlinkSync('../nowhere', rig.path('root/dangling'));
      const root = rig.path('root');
      for (const link of ['away', 'dangling']) {
        expect(await cache.restore(content, `${root}/${link}/deep/file`, 'private', root)).toEqual({
          ok: false,
          failure: { code: 'restore-escapes', path: `${root}/${link}/deep/file`, link: `${root}/${link}` },
        });
      }
      expect(readdirSync(rig.path('outside'))).toEqual([]);
      expect(existsSync(rig.path('nowhere'))).toBe(false);
      must(await cache.restore(content, `${root}/near/file`, 'private', root));
      expect(readFileSync(rig.path('root/inside/file'), 'utf8')).toBe('new');
    });

    test('a tree keeps links, empty directories, exec bits and strange names', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const names = ['plain', 'zwölf ☃', 'new\nline', 'back\\slash', '-rf', ' ', 'a'.repeat(255)];
      for (const each of names) rig.write(`tree/${each}`, each);
      rig.write('tree/bin/tool', 'x', 0o755);
      mkdirSync(rig.path('tree/empty/also empty'), { recursive: true });
      symlinkSync('../../outside', rig.path('tree/bin/link'));
      symlinkSync('plain', rig.path('tree/aaa'));
      const content = must(await cache.blobs.adopt(rig.path('tree')));
      expect(existsSync(rig.path('tree'))).toBe(false);
      for (const mode of ['private', 'shared'] as const) {
        const at = rig.path(`out-${mode}`);
        must(await cache.restore(content, at, mode));
        for (const each of names) expect(readFileSync(`${at}/${each}`, 'utf8')).toBe(each);
        expect(lstatSync(`${at}/bin/tool`).mode & 0o100).toBe(0o100);
        expect(lstatSync(`${at}/plain`).mode & 0o100).toBe(0);
        expect(readdirSync(`${at}/empty`)).toEqual(['also empty']);
        expect(readlinkSync(`${at}/bin/link`)).toBe('../../outside');
        expect(readlinkSync(`${at}/aaa`)).toBe('plain');
      }
    });

    test('restoring a tree leaves nothing of what was there before', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      rig.write('tree/new', 'new');
      const content = must(await cache.blobs.adopt(rig.path('tree')));
      rig.write('out/old', 'old');
      chmodSync(rig.path('out'), 0o555);
      must(await cache.restore(content, rig.path('out'), 'private'));
      expect(readdirSync(rig.path('out'))).toEqual(['new']);
    });

    test('content that is not there is a failure, and nothing is left behind', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      const content = must(await cache.blobs.adopt(rig.write('a', 'hello')));
      must(await rig.host.files.remove(cache.blobs.pathOf(content.digest)));
      rig.write('out/a', 'old');
      expect(await cache.restore(content, rig.path('out/a'), 'private')).toMatchObject({
        ok: false,
        failure: { code: 'blob-missing' },
      });
      expect(readdirSync(rig.path('out'))).toEqual(['a']);
      expect(readFileSync(rig.path('out/a'), 'utf8')).toBe('old');
    });

    test('an output that is not a file, directory or link in one is refused', async () => {
      await using rig = makeRig();
      const cache = await rig.open();
      rig.write('tree/file', 'kept');
      const made = await rig.host.processes.run('mkfifo', [rig.path('tree/pipe')], {
        cwd: '/',
        env: { PATH: process.env['PATH'] ?? '' },
      });
      expect(must(made).exitCode).toBe(0);
      expect(await cache.blobs.adopt(rig.path('tree'))).toMatchObject({
        ok: false,
        failure: { code: 'not-storable', path: rig.path('tree/pipe') },
      });
      expect(readFileSync(rig.path('tree/file'), 'utf8')).toBe('kept');
      expect(await cache.blobs.adopt(rig.path('absent'))).toMatchObject({ ok: false });
    });
  });
}
