/** Tests of images that are here already: outputs of other stages and files of the checkout are linked, not moved. */
import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stageContext } from '../support/stage-context.ts';
import { codeOf, fetchWith, IMAGE, outputOf, SHA256, SHA512 } from './fetching.ts';

const UPSTREAM = { $artifact: { action: 'installer', output: 'iso' } };

test("another stage's output is linked and handed on as it is", async () => {
  await using place = await stageContext();
  const path = join(place.scratch, 'blob');
  writeFileSync(path, IMAGE, { mode: 0o444 });
  await using context = await stageContext({ inputs: { iso: path }, outputs: { iso: 'sub/image.iso' } });
  const result = await fetchWith({ url: UPSTREAM, sha256: SHA256, sha512: SHA512 }, context);
  expect(result).toEqual({ ok: true, value: { unchanged: { iso: context.input(UPSTREAM) } } });
  expect(statSync(context.output('iso')).ino).toBe(statSync(path).ino);
  expect(outputOf(context)).toBe('image');
});

test('a staged symbolic link is followed: the output is the file', async () => {
  await using place = await stageContext();
  const [path, link] = [join(place.scratch, 'blob'), join(place.scratch, 'link')];
  writeFileSync(path, IMAGE);
  symlinkSync(path, link);
  await using context = await stageContext({ inputs: { iso: link } });
  expect(codeOf(await fetchWith({ url: UPSTREAM }, context))).toBe('ok');
  expect(context.host.files.stamp(context.output('iso'))?.type).toBe('file');
});

test('a file of the checkout is taken without a checksum', async () => {
  await using place = await stageContext();
  const path = join(place.scratch, 'x.iso');
  writeFileSync(path, IMAGE);
  await using context = await stageContext({ inputs: { 'isos/x.iso': path } });
  expect(await fetchWith({ url: 'isos/x.iso' }, context)).toEqual({ ok: true, value: {} });
  expect(outputOf(context)).toBe('image');
});

test("a file of the checkout is copied, not linked, when the stage runs in place: it is the user's own", async () => {
  await using place = await stageContext();
  const path = join(place.scratch, 'x.iso');
  writeFileSync(path, IMAGE);
  await using context = await stageContext({ inputs: { 'isos/x.iso': path }, isolated: false });
  expect(codeOf(await fetchWith({ url: 'isos/x.iso' }, context))).toBe('ok');
  expect(outputOf(context)).toBe('image');
  expect(statSync(path).nlink).toBe(1);
});

test.each([
  ['sha256', { sha256: '0'.repeat(64) }, SHA256],
  ['sha512', { sha512: '0'.repeat(128) }, SHA512],
])('a wrong %s is refused by name, and nothing is left', async (algorithm, checksum, actual) => {
  await using place = await stageContext();
  const path = join(place.scratch, 'x.iso');
  writeFileSync(path, IMAGE);
  await using context = await stageContext({ inputs: { iso: path } });
  expect(await fetchWith({ url: UPSTREAM, ...checksum }, context)).toMatchObject({
    failure: { code: 'fetch-checksum', url: 'installer.iso', algorithm, actual, sizeBytes: IMAGE.length },
  });
  expect(outputOf(context)).toBe('nothing');
});
