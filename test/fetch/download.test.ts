/** Tests of downloads against servers that misbehave, each in its own way. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { stageContext } from '../support/stage-context.ts';
import { webServer } from '../support/web-server.ts';
import {
  codeOf,
  cutAfter,
  fetchWith,
  IMAGE,
  outputOf,
  SHA256,
  SHA512,
  serve,
  serveImage,
} from './fetching.ts';

describe('a download', () => {
  test('leaves the verified image, and tells how far it is', async () => {
    await using server = await webServer(serveImage);
    await using context = await stageContext();
    expect(
      await fetchWith({ url: `${server.origin}/image.iso`, sha256: SHA256, sha512: SHA512 }, context),
    ).toEqual({
      ok: true,
      value: {},
    });
    expect(outputOf(context)).toBe('image');
    expect(context.activities.at(-1)).toMatchObject({
      activity: expect.stringMatching(/^downloading image\.iso: 2\.9 of 2\.9 MiB, .* MiB\/s/),
      fraction: 1,
    });
    expect(server.requests).toHaveLength(1);
  });

  test('works without a Content-Length', async () => {
    await using server = await webServer((_, response) => {
      response.write(IMAGE.subarray(0, 1000));
      response.end(IMAGE.subarray(1000));
    });
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
  });

  test('of a wrong file names both checksums and leaves neither output nor part', async () => {
    await using server = await webServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<html>please log in</html>');
    });
    await using context = await stageContext();
    const result = await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context);
    expect(result).toMatchObject({
      ok: false,
      failure: {
        code: 'fetch-checksum',
        algorithm: 'sha256',
        expected: SHA256,
        actual: createHash('sha256').update('<html>please log in</html>').digest('hex'),
        sizeBytes: 26,
        contentType: 'text/html',
        others: [],
      },
    });
    expect(outputOf(context)).toBe('nothing');
    expect(readdirSync(context.persistent)).toEqual([]);
    expect(server.requests).toHaveLength(1);
  });

  test('checks sha512 also where sha256 holds', async () => {
    await using server = await webServer(serveImage);
    await using context = await stageContext();
    const result = await fetchWith(
      { url: `${server.origin}/i`, sha256: SHA256, sha512: '0'.repeat(128) },
      context,
    );
    expect(result).toMatchObject({
      failure: { code: 'fetch-checksum', algorithm: 'sha512', actual: SHA512 },
    });
    expect(outputOf(context)).toBe('nothing');
  });

  test('that was cut off goes on where it ended, asking for the same file', async () => {
    await using server = await webServer((request, response, count) =>
      count === 1 ? cutAfter(1_000_000, response) : serveImage(request, response),
    );
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(server.requests[1]?.headers).toMatchObject({ range: 'bytes=1000000-', 'if-range': '"v1"' });
    expect(server.requests).toHaveLength(2);
  });

  test('that is cut off again and again comes to its end, as long as each time brings something', async () => {
    await using server = await webServer((request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
      response.writeHead(start === 0 ? 200 : 206, {
        etag: '"v1"',
        'content-length': IMAGE.length - start,
        'content-range': `bytes ${start}-${IMAGE.length - 1}/${IMAGE.length}`,
      });
      const piece = IMAGE.subarray(start, start + 300_000);
      if (start + piece.length === IMAGE.length) response.end(piece);
      else response.write(piece, () => response.destroy());
    });
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256, retries: 1 }, context))).toBe(
      'ok',
    );
    expect(outputOf(context)).toBe('image');
    expect(server.requests).toHaveLength(10);
  });

  test('starts anew at a server that ignores Range', async () => {
    await using server = await webServer((_, response, count) => {
      if (count === 1) cutAfter(1_000_000, response);
      else response.writeHead(200, { 'content-length': IMAGE.length }).end(IMAGE);
    });
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(server.requests).toHaveLength(2);
  });

  test('gives up a server that ignores Range and never gets to the end', async () => {
    await using server = await webServer((_, response) => cutAfter(500_000, response));
    await using context = await stageContext();
    const result = await fetchWith({ url: `${server.origin}/i`, sha256: SHA256, retries: 2 }, context);
    expect(result).toMatchObject({
      failure: {
        code: 'fetch-failed',
        troubles: [{ problem: 'the connection was cut off' }],
        keptBytes: 500_000,
      },
    });
    expect(outputOf(context)).toBe('nothing');
    // One that brought something, and two more that brought nothing new.
    expect(server.requests).toHaveLength(3);
  });

  test('notices by If-Range that the file was replaced in between, and takes the new one whole', async () => {
    const old = randomBytes(IMAGE.length);
    await using server = await webServer((request, response, count) =>
      count === 1 ? cutAfter(1_000_000, response, old, '"old"') : serve(request, response, IMAGE, '"new"'),
    );
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(server.requests).toHaveLength(2);
  });

  test('whose pieces do not belong together is fetched anew, once', async () => {
    const old = randomBytes(IMAGE.length);
    await using server = await webServer((request, response, count) => {
      if (count === 1) cutAfter(1_000_000, response, old, null);
      else serveImage({ ...request, headers: { range: request.headers.range } } as typeof request, response);
    });
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=1000000-',
      undefined,
    ]);
  });

  test('starts anew when the server answers with another range', async () => {
    await using server = await webServer((request, response, count) => {
      if (count === 1) return cutAfter(1_000_000, response);
      if (request.headers.range === undefined) return serveImage(request, response);
      response.writeHead(206, { 'content-range': `bytes 0-9/${IMAGE.length}`, 'content-length': 10 });
      response.end(IMAGE.subarray(0, 10));
    });
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
  });

  test('gives up a connection that falls silent, and goes on from there', async () => {
    await using server = await webServer((request, response, count) => {
      if (count > 1) return serveImage(request, response);
      response.writeHead(200, { etag: '"v1"', 'content-length': IMAGE.length });
      response.write(IMAGE.subarray(0, 1_000_000));
    });
    await using context = await stageContext();
    const given = { url: `${server.origin}/i`, sha256: SHA256, stall_timeout: '300ms' };
    expect(codeOf(await fetchWith(given, context))).toBe('ok');
    expect(context.lines).toContainEqual(expect.stringContaining('nothing came for 300 ms'));
    expect(server.requests[1]?.headers.range).toBe('bytes=1000000-');
  });

  test('gives up a server that never answers', async () => {
    await using server = await webServer(() => undefined);
    await using context = await stageContext();
    const given = { url: `${server.origin}/i`, sha256: SHA256, stall_timeout: '100ms', retries: 1 };
    expect(await fetchWith(given, context)).toMatchObject({
      failure: { code: 'fetch-failed', troubles: [{ problem: 'no answer within 100 ms' }] },
    });
    expect(server.requests).toHaveLength(2);
  });

  test('asks again after 503, no sooner than the server says', async () => {
    await using server = await webServer((request, response, count) => {
      if (count === 1) response.writeHead(503, { 'retry-after': '1' }).end();
      else serveImage(request, response);
    });
    await using context = await stageContext();
    const started = performance.now();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(performance.now() - started).toBeGreaterThan(990);
  });

  test('ends at once when it is stopped, and keeps what it has', async () => {
    const stopping = new AbortController();
    await using server = await webServer((_, response) => {
      response.writeHead(200, { etag: '"v1"', 'content-length': IMAGE.length });
      response.write(IMAGE.subarray(0, 1_500_000));
    });
    await using context = await stageContext({ signal: stopping.signal });
    const fetching = fetchWith({ url: `${server.origin}/i`, sha256: SHA256, stall_timeout: '60s' }, context);
    const part = join(context.persistent, 'part');
    // What arrives is written a MiB at a time; the rest is written when it stops.
    const size = () => (existsSync(part) ? statSync(part).size : 0);
    await expect.poll(size, { timeout: 30_000 }).toBeGreaterThanOrEqual(1024 * 1024);
    stopping.abort();
    expect(codeOf(await fetching)).toBe('fetch-failed');
    expect(size()).toBeGreaterThanOrEqual(1024 * 1024);
    expect(readFileSync(part).equals(IMAGE.subarray(0, size()))).toBe(true);
    expect(outputOf(context)).toBe('nothing');
  });
});

describe('another run', () => {
  test('goes on with the part that an earlier one left', async () => {
    await using first = await stageContext();
    await using server = await webServer((request, response, count) =>
      count === 1 ? cutAfter(2_000_000, response) : serveImage(request, response),
    );
    const given = { url: `${server.origin}/i`, sha256: SHA256, retries: 0 };
    expect(codeOf(await fetchWith(given, first))).toBe('fetch-failed');
    await using second = await stageContext({ persistent: first.persistent });
    expect(codeOf(await fetchWith(given, second))).toBe('ok');
    expect(outputOf(second)).toBe('image');
    expect(server.requests[1]?.headers).toMatchObject({ range: 'bytes=2000000-', 'if-range': '"v1"' });
  });

  test('does not trust a part whose bytes were spoilt', async () => {
    await using first = await stageContext();
    await using server = await webServer((request, response, count) =>
      count === 1 ? cutAfter(2_000_000, response) : serveImage(request, response),
    );
    const given = { url: `${server.origin}/i`, sha256: SHA256, retries: 0 };
    await fetchWith(given, first);
    const part = join(first.persistent, 'part');
    const bytes = readFileSync(part);
    bytes[77] = (bytes[77] ?? 0) ^ 1;
    writeFileSync(part, bytes);
    await using second = await stageContext({ persistent: first.persistent });
    expect(codeOf(await fetchWith(given, second))).toBe('ok');
    expect(outputOf(second)).toBe('image');
    expect(server.requests).toHaveLength(3);
  });

  test('asks nobody when the part is whole already', async () => {
    await using server = await webServer((_, response) => response.end('must not be asked'));
    await using context = await stageContext();
    writeFileSync(join(context.persistent, 'part'), IMAGE);
    writeFileSync(join(context.persistent, 'part.json'), JSON.stringify({ address: 'x' }));
    expect(codeOf(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(server.requests).toHaveLength(0);
  });

  test('takes a whole part for finished when the server has no more than that', async () => {
    await using server = await webServer((_, response) => {
      response.writeHead(416, { 'content-range': `bytes */${IMAGE.length}` }).end();
    });
    await using context = await stageContext();
    writeFileSync(join(context.persistent, 'part'), randomBytes(IMAGE.length));
    writeFileSync(
      join(context.persistent, 'part.json'),
      JSON.stringify({ address: 'x', totalBytes: IMAGE.length }),
    );
    const result = await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context);
    // Whole, but wrong: it is thrown away, and what the server then says to a plain request is the verdict.
    expect(result).toMatchObject({
      failure: { code: 'fetch-failed', troubles: [{ problem: 'the server answers 416' }] },
    });
    expect(readdirSync(context.persistent)).toEqual([]);
  });
});

describe('mirrors', () => {
  test('are asked in order, each only when those before it failed', async () => {
    await using missing = await webServer((_, response) => response.writeHead(404).end('no'));
    await using wrong = await webServer((_, response) => response.end('another file'));
    await using good = await webServer(serveImage);
    await using unasked = await webServer(serveImage);
    await using context = await stageContext();
    const urls = [missing, wrong, good, unasked].map(({ origin }) => `${origin}/i`);
    expect(codeOf(await fetchWith({ urls, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect([missing, wrong, good, unasked].map(({ requests }) => requests.length)).toEqual([1, 1, 1, 0]);
  });

  test('continue what another began', async () => {
    await using first = await webServer((_, response, count) => {
      if (count === 1) cutAfter(1_000_000, response);
      else response.writeHead(404).end();
    });
    await using second = await webServer(serveImage);
    await using context = await stageContext();
    const urls = [`${first.origin}/i`, `${second.origin}/i`];
    expect(codeOf(await fetchWith({ urls, sha256: SHA256 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    expect(second.requests[0]?.headers).toMatchObject({ range: 'bytes=1000000-' });
    expect(second.requests[0]?.headers['if-range']).toBeUndefined();
  });

  test('that all fail are all named, the wrong file first', async () => {
    await using missing = await webServer((_, response) => response.writeHead(404).end());
    await using wrong = await webServer((_, response) => response.end('another file'));
    await using context = await stageContext();
    const urls = [`${missing.origin}/i`, `${wrong.origin}/i`];
    expect(await fetchWith({ urls, sha256: SHA256 }, context)).toMatchObject({
      failure: {
        code: 'fetch-checksum',
        url: urls[1],
        others: [{ url: urls[0], problem: 'the server answers 404' }],
      },
    });
  });

  test('may be files of this host', async () => {
    await using server = await webServer((_, response) => response.writeHead(404).end());
    await using context = await stageContext();
    const path = join(context.directory, 'my image.iso');
    writeFileSync(path, IMAGE);
    const before = statSync(path);
    const urls = [`${server.origin}/i`, '/nonexistent.iso', `file://${context.directory}/my%20image.iso`];
    expect(codeOf(await fetchWith({ urls, sha256: SHA256, sha512: SHA512 }, context))).toBe('ok');
    expect(outputOf(context)).toBe('image');
    // The user's file is neither linked nor touched.
    const after = statSync(path);
    expect([after.nlink, after.mode, after.ctimeMs]).toEqual([1, before.mode, before.ctimeMs]);
    expect(statSync(context.output('iso')).ino).not.toBe(after.ino);
  });

  test('on this host with another content are refused', async () => {
    await using context = await stageContext();
    const path = join(context.directory, 'image.iso');
    writeFileSync(path, 'something else');
    expect(await fetchWith({ url: path, sha256: SHA256 }, context)).toMatchObject({
      failure: { code: 'fetch-checksum', url: path, expected: SHA256 },
    });
    expect(outputOf(context)).toBe('nothing');
  });
});

describe('a file that is too large', () => {
  const given = { sha256: SHA256, max_size: '1MiB' };

  test.each([
    ['by its Content-Length', true],
    ['by what comes', false],
  ])('%s is not fetched, and nothing of it is kept', async (_, isStated) => {
    await using server = await webServer((_request, response) => {
      if (isStated) response.setHeader('content-length', IMAGE.length);
      response.write(IMAGE.subarray(0, 1_000_000));
      response.end(IMAGE.subarray(1_000_000));
    });
    await using context = await stageContext();
    expect(await fetchWith({ ...given, url: `${server.origin}/i` }, context)).toMatchObject({
      failure: {
        code: 'fetch-failed',
        troubles: [{ problem: expect.stringContaining('`max_size` allows 1048576') }],
        keptBytes: 0,
      },
    });
    expect(server.requests).toHaveLength(1);
    expect(readdirSync(context.persistent)).toEqual([]);
  });

  test('on this host is not copied', async () => {
    await using context = await stageContext();
    const path = join(context.directory, 'image.iso');
    writeFileSync(path, IMAGE);
    expect(await fetchWith({ ...given, url: path }, context)).toMatchObject({
      failure: { code: 'fetch-failed', troubles: [{ problem: expect.stringContaining('max_size') }] },
    });
  });

  test('is fetched when it is just as large as it may be', async () => {
    await using server = await webServer(serveImage);
    await using context = await stageContext();
    const exact = { sha256: SHA256, max_size: `${IMAGE.length}B` };
    expect(codeOf(await fetchWith({ ...exact, url: `${server.origin}/i` }, context))).toBe('ok');
  });
});

describe('a body that was encoded although nobody asked for it', () => {
  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('by %s is named as what it is', async (encoding, encode) => {
    await using server = await webServer((_, response) => {
      response.setHeader('content-encoding', encoding);
      response.end(encode(Buffer.from('image'.repeat(100))));
    });
    await using context = await stageContext();
    expect(await fetchWith({ url: `${server.origin}/i`, sha256: SHA256 }, context)).toMatchObject({
      failure: { code: 'fetch-checksum', encoding },
    });
  });

  test('is the wanted file when its checksum is that of the bytes as they came', async () => {
    await using server = await webServer((_, response) => {
      response.setHeader('content-encoding', 'x-gzip');
      response.end(IMAGE);
    });
    await using context = await stageContext();
    expect(codeOf(await fetchWith({ url: `${server.origin}/i.gz`, sha256: SHA256 }, context))).toBe('ok');
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ])('by %s is decoded when it is a checksum file', async (encoding, encode) => {
    await using server = await webServer((request, response) => {
      if (request.url === '/i.iso') return response.end(IMAGE);
      response.setHeader('content-encoding', encoding);
      return response.end(encode(Buffer.from(`${SHA256}  i.iso\n`)));
    });
    await using context = await stageContext();
    const checksum = `file:${server.origin}/SUMS`;
    expect(codeOf(await fetchWith({ url: `${server.origin}/i.iso`, checksum }, context))).toBe('ok');
  });

  test.each([
    ['zstd', Buffer.from('x')],
    ['gzip', Buffer.from('no gzip')],
    ['gzip', gzipSync(Buffer.alloc(64 << 20))],
  ])('by %s is refused as a checksum file when it cannot be decoded', async (encoding, body) => {
    await using server = await webServer((_, response) => {
      response.setHeader('content-encoding', encoding);
      response.end(body);
    });
    await using context = await stageContext();
    const checksum = `file:${server.origin}/SUMS`;
    expect(await fetchWith({ url: `${server.origin}/i.iso`, checksum }, context)).toMatchObject({
      failure: { code: 'fetch-failed', troubles: [{ problem: expect.stringContaining(encoding) }] },
    });
  });
});
