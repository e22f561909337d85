/** Tests of downloads from a real nginx, and onto a disk that is too small. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stageContext } from '../support/stage-context.ts';
import { nginx, webServer } from '../support/web-server.ts';
import { without } from '../support/without.ts';
import { codeOf, fetchWith, IMAGE, outputOf, SHA256, serveImage } from './fetching.ts';

/** A directory that nginx serves, with the image in it. */
async function site() {
  const context = await stageContext();
  const root = join(context.directory, 'site');
  mkdirSync(root, { mode: 0o755 });
  execFileSync('chmod', ['755', context.directory]);
  writeFileSync(join(root, 'image.iso'), IMAGE);
  return { context, root };
}

/** What a broken download would have left: the first `bytes` of `image`, with nginx's own validator. */
async function leavePart(persistent: string, url: string, image: Buffer, bytes: number): Promise<void> {
  const { headers } = await fetch(url, { method: 'HEAD' });
  writeFileSync(join(persistent, 'part'), image.subarray(0, bytes));
  const validator = headers.get('etag');
  writeFileSync(
    join(persistent, 'part.json'),
    JSON.stringify({ address: url, validator, totalBytes: image.length }),
  );
}

describe.skipIf(without.nginx)('from nginx', () => {
  test('an image is fetched, by way of a redirect', async () => {
    const { context, root } = await site();
    await using _ = context;
    await using server = await nginx(root, 'location = /latest { return 302 /image.iso; }');
    expect(codeOf(await fetchWith({ url: `${server.origin}/latest`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
  });

  test('a part is continued by Range and If-Range', async () => {
    const { context, root } = await site();
    await using _ = context;
    await using server = await nginx(root);
    const url = `${server.origin}/image.iso`;
    // The same file on the disk at the end: it was continued, not fetched anew.
    await leavePart(context.persistent, url, IMAGE, 2_000_000);
    const inode = statSync(join(context.persistent, 'part')).ino;
    expect(codeOf(await fetchWith({ url, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(statSync(context.output('iso')).ino).toBe(inode);
    expect(context.lines[0]).toBe(`fetching ${url}, going on at byte 2000000`);
  });

  test('a file that was replaced under the same name is noticed by its ETag and fetched whole', async () => {
    const { context, root } = await site();
    await using _ = context;
    await using server = await nginx(root);
    const url = `${server.origin}/image.iso`;
    const old = Buffer.alloc(IMAGE.length, 7);
    writeFileSync(join(root, 'old'), old);
    utimesSync(join(root, 'old'), 1, 1);
    renameSync(join(root, 'old'), join(root, 'image.iso'));
    await leavePart(context.persistent, url, old, 1_000_000);
    writeFileSync(join(root, 'new'), IMAGE);
    renameSync(join(root, 'new'), join(root, 'image.iso'));
    expect(codeOf(await fetchWith({ url, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(context.lines.filter((line) => line.includes('anew'))).toEqual([]);
  });

  test('404 on the first mirror leads to the second', async () => {
    const { context, root } = await site();
    await using _ = context;
    await using server = await nginx(root);
    const urls = [`${server.origin}/gone.iso`, `${server.origin}/image.iso`];
    expect(codeOf(await fetchWith({ urls, sha256: SHA256 }, context))).toBe('ok');
    expect(context.lines).toContain(`${urls[0]}: the server answers 404`);
  });
});

/** Whether a small file system can be mounted here. */

describe.skipIf(without.root)('onto a disk that is too small (needs root for a tmpfs)', () => {
  async function small(use: (directory: string) => Promise<void>): Promise<void> {
    await using place = await stageContext();
    const directory = join(place.directory, 'small');
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', directory]);
    try {
      await use(directory);
    } finally {
      execFileSync('umount', [directory]);
    }
  }

  test('nothing is begun when the length is known', async () => {
    await small(async (persistent) => {
      await using server = await webServer(serveImage);
      await using context = await stageContext({ persistent });
      expect(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context)).toMatchObject({
        failure: { code: 'fetch-disk-full', neededBytes: IMAGE.length, directory: persistent },
      });
      expect(readdirSync(persistent).filter((name) => name === 'part')).toEqual([]);
    });
  });

  test('the failure says so when the length was not known', async () => {
    await small(async (persistent) => {
      await using server = await webServer((_, response) => {
        response.write(IMAGE.subarray(0, 10));
        response.end(IMAGE.subarray(10));
      });
      await using context = await stageContext({ persistent });
      expect(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context)).toMatchObject({
        failure: { code: 'file-trouble', errno: 'ENOSPC', path: join(persistent, 'part') },
      });
      expect(server.requests).toHaveLength(1);
      expect(outputOf(context)).toBe('nothing');
    });
  });
});
