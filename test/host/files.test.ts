/** The real file system through the door of Files. */
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { realFiles as files } from '../../src/host/files.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-test-'));
  const made = directory;
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
});
const at = (path: string) => join(directory, path);

test('stamps tell files, directories and links apart, and change with what they are of', () => {
  writeFileSync(at('file'), 'x');
  symlinkSync('file', at('link'));
  symlinkSync('absent', at('dangling'));
  mkdirSync(at('directory'));
  expect(
    ['file', 'link', 'dangling', 'directory', 'absent'].map((name) => files.stamp(at(name))?.type),
  ).toEqual(['file', 'link', 'link', 'directory', undefined]);
  expect(files.stampTarget(at('link'))?.type).toBe('file');
  expect(files.stampTarget(at('dangling'))).toBeNull();
  expect(files.stamp(at('file/below'))).toBeNull();
  const before = files.stamp(at('file'));
  expect(files.stamp(at('file'))).toEqual(before);
  chmodSync(at('file'), 0o600);
  expect(files.stamp(at('file'))).not.toEqual(before);
});

test('a walk gives every path sorted, and does not follow links', () => {
  mkdirSync(at('a/b'), { recursive: true });
  writeFileSync(at('a/b/c'), '');
  writeFileSync(at('a-b'), '');
  symlinkSync('a', at('z'));
  expect(files.walk(directory).entries).toEqual([
    { path: 'a', type: 'directory' },
    { path: 'a-b', type: 'file' },
    { path: 'a/b', type: 'directory' },
    { path: 'a/b/c', type: 'file' },
    { path: 'z', type: 'link' },
  ]);
  expect(files.walk(at('absent'))).toEqual({ entries: [], trouble: null });
});

test('what cannot be looked at is not absent: its stamp says why, and equals nothing', () => {
  symlinkSync('loop', at('loop'));
  const long = 'x'.repeat(300);
  expect(files.stampTarget(at('loop'))).toMatchObject({ type: 'unknown', errno: 'ELOOP' });
  expect(files.stamp(at('loop/below'))).toMatchObject({ type: 'unknown', errno: 'ELOOP' });
  expect(files.stamp(at(long))).toMatchObject({ type: 'unknown', errno: 'ENAMETOOLONG' });
  const { sizeBytes, mtimeMs, ctimeMs, inode } = files.stamp(at(long)) ?? {};
  expect([sizeBytes, mtimeMs, ctimeMs, inode]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
});

test('a directory that cannot be listed is not empty', () => {
  symlinkSync('loop', at('loop'));
  const trouble = { code: 'file-trouble', action: 'list', path: at('loop'), errno: 'ELOOP' };
  expect(files.list(at('loop'))).toEqual({ names: [], trouble });
  expect(files.walk(at('loop'))).toEqual({ entries: [], trouble });
  expect(files.list(at('absent'))).toEqual({ names: [], trouble: null });
});

test('names and links that are no UTF-8 are told of, never read as something else', () => {
  mkdirSync(at('deep'));
  writeFileSync(at('deep/plain \u{fffd} ü'), '');
  expect(files.list(at('deep'))).toEqual({ names: ['plain \u{fffd} ü'], trouble: null });
  writeFileSync(Buffer.concat([Buffer.from(at('deep/caf')), Buffer.from([0xe9])]), '');
  const trouble = {
    code: 'file-trouble',
    action: 'read the name of',
    path: at('deep/caf\\xe9'),
    errno: 'EILSEQ',
  };
  expect(files.list(at('deep')).trouble).toEqual(trouble);
  expect(files.walk(directory).trouble).toEqual(trouble);
  symlinkSync(Buffer.from([0x61, 0xff]), at('link'));
  expect(files.readLink(at('link'))).toMatchObject({ ok: false, failure: { errno: 'EILSEQ' } });
  symlinkSync('\u{fffd}', at('text'));
  expect(files.readLink(at('text'))).toEqual({ ok: true, value: '\u{fffd}' });
  expect(files.readLink(at('absent'))).toMatchObject({ ok: false, failure: { errno: 'ENOENT' } });
});

test.each([0, 100, 5_000_000])(
  'a sparse file with %i bytes of data keeps its holes and bytes when copied',
  async (data) => {
    const size = 1024 ** 3;
    const descriptor = openSync(at('sparse'), 'w', 0o640);
    writeSync(descriptor, Buffer.alloc(data, 'data'), 0, data, 300_000_001);
    closeSync(descriptor);
    truncateSync(at('sparse'), size);
    expect(await files.copyFile(at('sparse'), at('copy'))).toEqual({ ok: true, value: undefined });
    const copy = statSync(at('copy'));
    expect(copy.size).toBe(size);
    expect(copy.blocks * 512).toBeLessThan(data + 20_000);
    expect(copy.mode & 0o777).toBe(0o640);
    const read = await files.withReader(at('copy'), async (source) => {
      const into = Buffer.alloc(data + 20);
      return (await source.read(into, 300_000_001 - 10)) === data + 20 && into;
    });
    const expected = Buffer.concat([Buffer.alloc(10), Buffer.alloc(data, 'data'), Buffer.alloc(10)]);
    expect(read.ok && read.value !== false && read.value.equals(expected)).toBe(true);
  },
);

test('a copy never overwrites, and a failed one leaves nothing', async () => {
  writeFileSync(at('from'), 'new', { mode: 0o444 });
  writeFileSync(at('to'), 'old');
  expect(await files.copyFile(at('from'), at('to'))).toMatchObject({
    ok: false,
    failure: { errno: 'EEXIST' },
  });
  expect(readFileSync(at('to'), 'utf8')).toBe('old');
  expect(await files.copyFile(at('absent'), at('other'))).toMatchObject({
    ok: false,
    failure: { errno: 'ENOENT' },
  });
  expect(existsSync(at('other'))).toBe(false);
  expect((await files.copyFile(at('from'), at('writable'), 0o666)).ok).toBe(true);
  expect(lstatSync(at('writable')).mode & 0o600).toBe(0o600);
  expect((await files.copyFile(at('from'), at('same'))).ok).toBe(true);
  expect(lstatSync(at('same')).mode & 0o777).toBe(0o444);
});

test('replacing a file leaves the old or the new one and no other names', async () => {
  writeFileSync(at('file'), 'old');
  const reader = openSync(at('file'), 'r');
  expect((await files.replaceFile(at('file'), 'new', { mode: 0o604 })).ok).toBe(true);
  expect(readFileSync(reader, 'utf8')).toBe('old');
  closeSync(reader);
  expect(readFileSync(at('file'), 'utf8')).toBe('new');
  expect(lstatSync(at('file')).mode & 0o777).toBe(0o604);
  mkdirSync(at('directory/inside'), { recursive: true });
  expect(await files.replaceFile(at('directory'), 'x')).toMatchObject({ ok: false });
  expect(readdirSync(directory).sort()).toEqual(['directory', 'file']);
});

test('removing takes whole trees, read-only ones too, and what is not there is no failure', async () => {
  mkdirSync(at('tree/deep/er'), { recursive: true });
  writeFileSync(at('tree/deep/er/file'), '');
  symlinkSync('/etc', at('tree/deep/link'));
  chmodSync(at('tree/deep/er'), 0o555);
  chmodSync(at('tree/deep'), 0o555);
  expect((await files.remove(at('tree'))).ok).toBe(true);
  expect((await files.remove(at('tree'))).ok).toBe(true);
  expect(readdirSync(directory)).toEqual([]);
  expect(existsSync('/etc/passwd')).toBe(true);
});

test('a writer that fails leaves no file, and a bug in what uses it is not hidden', async () => {
  await expect(files.withWriter(at('file'), () => Promise.reject(new Error('a bug')))).rejects.toThrow(
    'a bug',
  );
  expect(existsSync(at('file'))).toBe(false);
  expect(await files.withWriter(at('no/such/directory'), async () => undefined)).toMatchObject({
    ok: false,
    failure: { code: 'file-trouble', action: 'write', errno: 'ENOENT' },
  });
});

test('directories can be made for a group whatever the umask', async () => {
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  expect((await files.makeDirectory(at('a/b'), 0o2775)).ok).toBe(true);
  expect((await files.makeDirectory(at('a/b'), 0o2775)).ok).toBe(true);
  expect([at('a'), at('a/b')].map((path) => lstatSync(path).mode & 0o7777)).toEqual([0o2775, 0o2775]);
  expect((await files.writeFile(at('exact'), '', { mode: 0o444 })).ok).toBe(true);
  expect((await files.writeFile(at('less'), '', { mode: 0o666, lessUmask: true })).ok).toBe(true);
  expect([at('exact'), at('less')].map((path) => lstatSync(path).mode & 0o777)).toEqual([0o444, 0o600]);
});

test('removes a tree that is deeper than a path can be long', async () => {
  const deep = at('deep');
  // Half of it is made elsewhere: no path reaches further.
  const half = (top: string): string => {
    const below = `${top}/${Array.from({ length: 25 }, () => 'd'.repeat(100)).join('/')}`;
    mkdirSync(below, { recursive: true });
    return below;
  };
  const bottom = half(deep);
  half(at('other'));
  writeFileSync(`${at('other')}/file`, '');
  renameSync(at('other'), `${bottom}/other`);
  expect((await files.remove(deep)).ok).toBe(true);
  expect(existsSync(deep)).toBe(false);
});
