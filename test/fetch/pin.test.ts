/** Tests of what names a fetched image: checksums, bake.lock, and the checks before anything runs. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../src/model/json.ts';
import { ok } from '../../src/model/result.ts';
import { fetchIsoStage } from '../../src/stages/fetch-iso.ts';
import { stageContext } from '../support/stage-context.ts';
import { webServer } from '../support/web-server.ts';
import {
  codeOf,
  fetchWith,
  host,
  IMAGE,
  memoryLock,
  noneBeside,
  outputOf,
  parsed,
  SHA256,
} from './fetching.ts';

const UNHASHED = new Set(fetchIsoStage.unhashed);

/** What of pinned options enters a fingerprint, as text. */
async function hashed(given: object, lock = memoryLock()): Promise<string> {
  const pinned = await fetchIsoStage.pin?.(
    parsed(given),
    lock,
    null,
    new AbortController().signal,
    noneBeside,
  );
  if (!pinned?.ok || pinned.value === null) throw new Error('not pinned');
  return canonicalJson(
    Object.fromEntries(Object.entries(pinned.value).filter(([name]) => !UNHASHED.has(name))) as never,
  );
}

/** Serves the image, and a checksum file that says what `checksum` says at the time. */
function release(checksum: () => string) {
  return webServer((request, response) => {
    if (request.url === '/SHA256SUMS') response.end(`${checksum()}  image.iso\n`);
    else if (request.url === '/image.iso') response.end(IMAGE);
    else response.writeHead(404).end();
  });
}

describe('the fingerprint', () => {
  test('depends on the checksum alone, not on addresses, their number, patience or how the checksum was written', async () => {
    const one = await hashed({ url: 'https://a.example/x.iso', sha256: SHA256 });
    expect(one).toBe(`{"sha256":"${SHA256}"}`);
    expect(await hashed({ url: 'https://b.example/y.iso', sha256: SHA256.toUpperCase() })).toBe(one);
    expect(await hashed({ urls: ['/c.iso', 'http://d.example/'], sha256: SHA256, retries: 9 })).toBe(one);
    expect(await hashed({ url: '/c.iso', checksum: `sha256:${SHA256}`, headers: { a: 'b' } })).toBe(one);
    expect(await hashed({ url: '/c.iso', sha256: '0'.repeat(64) })).not.toBe(one);
  });

  test('does not move the output when the address changes', () => {
    const of = (url: string) => fetchIsoStage.outputs(parsed({ url, sha256: SHA256 }));
    expect(of('https://a.example/x.iso')).toEqual(of('https://b.example/y.iso'));
  });

  test('holds a file of the checkout or an output by reference, so that its digest enters', async () => {
    expect(await hashed({ url: './isos//x.iso' })).toBe('{"url":{"$file":"isos/x.iso"}}');
    const $artifact = { action: 'a', output: 'iso' };
    expect(await hashed({ url: { $artifact } })).toBe('{"url":{"$artifact":{"action":"a","output":"iso"}}}');
  });
});

describe('a checksum file', () => {
  test('is asked once, then bake.lock answers for ever', async () => {
    await using server = await release(() => SHA256);
    const given = { url: `${server.origin}/image.iso`, checksum: `file:${server.origin}/SHA256SUMS` };
    const lock = memoryLock();
    await using first = await stageContext();
    expect(codeOf(await fetchWith(given, first, lock))).toBe('ok');
    expect(lock.entries).toEqual({
      [`fetch-iso ${server.origin}/SHA256SUMS image.iso`]: `sha256:${SHA256}`,
    });
    await using second = await stageContext();
    expect(codeOf(await fetchWith(given, second, lock))).toBe('ok');
    expect(server.requests.map(({ path }) => path)).toEqual(['/SHA256SUMS', '/image.iso', '/image.iso']);
    expect(await hashed(given, lock)).toBe(`{"sha256":"${SHA256}"}`);
  });

  test('is not asked by a plan, which then does not know', async () => {
    await using server = await release(() => SHA256);
    const given = parsed({ url: `${server.origin}/image.iso`, checksum: `file:${server.origin}/SHA256SUMS` });
    const pinned = await fetchIsoStage.pin?.(
      given,
      memoryLock(),
      null,
      new AbortController().signal,
      noneBeside,
    );
    expect(pinned).toEqual({ ok: true, value: null });
    expect(server.requests).toEqual([]);
  });

  test('that changed is an error which names old and new, and bake.lock stays', async () => {
    const old = createHash('sha256').update('the image of last month').digest('hex');
    await using server = await release(() => SHA256);
    const given = { url: `${server.origin}/image.iso`, checksum: `file:${server.origin}/SHA256SUMS` };
    const lockKey = `fetch-iso ${server.origin}/SHA256SUMS image.iso`;
    const lock = memoryLock({ [lockKey]: `sha256:${old}` });
    await using context = await stageContext();
    expect(await fetchWith(given, context, lock)).toEqual({
      ok: false,
      failure: {
        code: 'fetch-changed',
        url: given.url,
        checksumUrl: `${server.origin}/SHA256SUMS`,
        lockKey,
        locked: `sha256:${old}`,
        current: `sha256:${SHA256}`,
      },
    });
    expect(outputOf(context)).toBe('nothing');
    expect(lock.entries).toEqual({ [lockKey]: `sha256:${old}` });
  });

  test('that still says the same leaves a wrong image a wrong image', async () => {
    const listed = '1'.repeat(64);
    await using server = await release(() => listed);
    const given = { url: `${server.origin}/image.iso`, checksum: `file:${server.origin}/SHA256SUMS` };
    await using context = await stageContext();
    expect(await fetchWith(given, context)).toMatchObject({
      failure: { code: 'fetch-checksum', expected: listed, actual: SHA256 },
    });
  });

  test('without the image says what it lists', async () => {
    await using server = await release(() => SHA256);
    const given = { url: `${server.origin}/other.iso`, checksum: `file:${server.origin}/SHA256SUMS` };
    await using context = await stageContext();
    expect(await fetchWith(given, context)).toEqual({
      ok: false,
      failure: {
        code: 'checksum-not-listed',
        checksumUrl: `${server.origin}/SHA256SUMS`,
        names: ['other.iso'],
        listed: ['image.iso'],
      },
    });
    expect(codeOf(await fetchWith({ ...given, filename: 'image.iso' }, context))).toBe('fetch-failed');
  });

  test('that is not there is a failed download that names it', async () => {
    await using server = await release(() => SHA256);
    const given = { url: `${server.origin}/image.iso`, checksum: `file:${server.origin}/MISSING` };
    await using context = await stageContext();
    expect(await fetchWith(given, context)).toMatchObject({
      failure: {
        code: 'fetch-failed',
        troubles: [{ url: `${server.origin}/MISSING`, problem: 'the server answers 404' }],
      },
    });
  });

  test('is remembered without credentials and query, which are not to be committed', async () => {
    await using server = await release(() => SHA256);
    const secret = server.origin.replace('//', '//user:hunter2@');
    const lock = memoryLock();
    const given = { url: `${secret}/image.iso`, checksum: `file:${secret}/SHA256SUMS` };
    await using context = await stageContext();
    await fetchIsoStage.pin?.(parsed(given), lock, host, context.signal, noneBeside);
    expect(Object.keys(lock.entries)).toEqual([`fetch-iso ${server.origin}/SHA256SUMS image.iso`]);
    expect(server.requests[0]?.headers.authorization).toBe(
      `Basic ${Buffer.from('user:hunter2').toString('base64')}`,
    );
  });
});

describe('a checksum file beside the pipeline', () => {
  const beside = (text: string) => ({
    read: async (path: string) =>
      path === 'sums/SHA256SUMS' ? ok(Buffer.from(text)) : noneBeside.read(path),
    emptyDirectories: () => [],
  });
  const given = { url: 'https://a.example/x/image.iso', checksum: 'file:./sums/SHA256SUMS' };

  test('is read every time, also by a plan, and nothing is remembered of it', async () => {
    const lock = memoryLock();
    for (const digit of ['1', '2']) {
      const checkout = beside(`${digit.repeat(64)}  image.iso\n`);
      const pinned = await fetchIsoStage.pin?.(
        parsed(given),
        lock,
        null,
        new AbortController().signal,
        checkout,
      );
      expect(pinned).toMatchObject({ ok: true, value: { sha256: digit.repeat(64) } });
    }
    expect(lock.entries).toEqual({});
  });

  test('with two files of that name is an error with its place', async () => {
    const checkout = beside(`# two\n${'1'.repeat(64)}  a/image.iso\n${'2'.repeat(64)}  b/image.iso\n`);
    const pinned = await fetchIsoStage.pin?.(
      parsed(given),
      memoryLock(),
      null,
      new AbortController().signal,
      checkout,
    );
    expect(pinned).toMatchObject({
      ok: false,
      failure: { code: 'checksum-ambiguous', location: { file: 'sums/SHA256SUMS', line: 2 } },
    });
  });
});

describe('options are refused', () => {
  const sha256 = SHA256;
  test.each([
    [{ url: 'https://a/x' }, 'needs a checksum'],
    [{ urls: ['https://a/x'] }, 'needs a checksum'],
    [{ url: '/abs.iso' }, 'needs a checksum'],
    [{ url: 'file:///abs.iso' }, 'needs a checksum'],
    [{}, 'expected `url`'],
    [{ url: 'https://a/x', urls: ['https://b/x'], sha256 }, 'not both'],
    [{ url: 'https://a/x', sha256, checksum: `sha256:${sha256}` }, 'not both'],
    [
      { url: { $artifact: { action: 'a', output: 'o' } }, checksum: 'file:https://a/SUMS' },
      'say under `filename`',
    ],
  ])('by a check: %j', (given, problem) => {
    const problems = fetchIsoStage.check?.(parsed(given)) ?? [];
    expect(problems.map((found) => found.problem)).toEqual([expect.stringContaining(problem)]);
  });

  test.each([
    [{ url: '../x.iso', sha256 }, 'URL, the path of a file beside the pipeline'],
    [{ url: 'ftp://a/x.iso', sha256 }, 'URL, the path of a file beside the pipeline'],
    [{ url: '', sha256 }, 'URL, the path of a file beside the pipeline'],
    [{ urls: ['isos/x.iso'], sha256 }, 'absolute path'],
    [{ urls: [], sha256 }, 'Too small'],
    [{ url: 'https://a/x', sha256: 'abc' }, '64 hex digits'],
    [{ url: 'https://a/x', sha512: sha256 }, '128 hex digits'],
    [{ url: 'https://a/x', checksum: 'none' }, 'nobody could tell'],
    [{ url: 'https://a/x', checksum: 'md5:d41d8cd98f00b204e9800998ecf8427e' }, 'forged'],
    [{ url: 'https://a/x', checksum: 'sha256:abc' }, '64 hex digits'],
    [{ url: 'https://a/x', checksum: 'file:../SUMS' }, 'address or the path of a checksum file'],
    [{ url: 'https://a/x', checksum: sha256 }, 'expected sha256:<hex>'],
    [{ url: 'https://a/x', sha256, filename: '../x' }, 'without directories'],
    [{ url: 'https://a/x', sha256, checksm: 'x' }, 'checksm'],
  ])('by the schema: %j', (given, problem) => {
    expect(() => parsed(given)).toThrow(problem);
  });
});
