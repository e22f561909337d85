/** Stories of downloads by the real program: remembered, resumed after kill -9, fetched once by two, refused when changed. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Rig } from '../support/rig.ts';
import { webServer } from '../support/web-server.ts';
import { IMAGE, SHA256, serveImage } from './fetching.ts';

function pipeline(options: object): string {
  const rest = { retry_delay: '1ms', ...options };
  return `bake: 1
name: fetching
stages:
  iso:
    uses: fetch-iso
    with: ${JSON.stringify(rest)}
    outputs: { iso: dist/image.iso }
`;
}

/** Bytes of the one download that is under way in a cache; 0 when there is none. */
function sizeOfPart(cache: string): number {
  if (!existsSync(cache)) return 0;
  const part = readdirSync(cache, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith('/part'),
  );
  return part === undefined ? 0 : statSync(join(cache, part)).size;
}

function withChecksumFile(checksum: () => string) {
  return webServer((request, response) => {
    if (request.url === '/SHA256SUMS') response.end(`${checksum()} *image.iso\n`);
    else serveImage(request, response);
  });
}

test('another mirror with the same checksum downloads nothing', async () => {
  await using rig = await Rig.make();
  await using server = await webServer(serveImage);
  const checkout = rig.checkout('a', {
    'pipeline.yaml': pipeline({ url: `${server.origin}/x.iso`, sha256: SHA256 }),
  });
  expect((await checkout.run()).outcomes).toEqual({ iso: 'built' });
  expect(readFileSync(checkout.path('dist/image.iso')).equals(IMAGE)).toBe(true);
  checkout.write({
    'pipeline.yaml': pipeline({
      urls: ['https://elsewhere.invalid/y.iso'],
      checksum: `sha256:${SHA256}`,
      retries: 0,
    }),
  });
  expect((await checkout.run()).outcomes).toEqual({ iso: 'fresh' });
  expect(server.requests).toHaveLength(1);
});

test('a run that is killed in the middle of a download is resumed by the next', async () => {
  await using rig = await Rig.make();
  let stalled: ServerResponse | null = null;
  await using server = await webServer((request, response, count) => {
    if (count > 1) return serveImage(request, response);
    stalled = response;
    response.writeHead(200, { etag: '"v1"', 'content-length': IMAGE.length });
    response.write(IMAGE.subarray(0, 2 * 2 ** 20));
  });
  const checkout = rig.checkout('a', {
    'pipeline.yaml': pipeline({ url: `${server.origin}/x.iso`, sha256: SHA256 }),
  });
  const { running } = checkout.startRun();
  await expect.poll(() => sizeOfPart(checkout.path('cache')), { timeout: 20_000 }).toBeGreaterThan(0);
  running.kill('SIGKILL');
  await running.ended;
  expect(stalled).not.toBeNull();
  const run = await checkout.run();
  expect([run.code, run.outcomes]).toEqual([0, { iso: 'built' }]);
  expect(server.requests).toHaveLength(2);
  expect(Number(/^bytes=(\d+)-$/.exec(server.requests[1]?.headers.range ?? '')?.[1])).toBeGreaterThan(0);
  expect(readFileSync(checkout.path('dist/image.iso')).equals(IMAGE)).toBe(true);
});

test('two checkouts that want the same image at the same moment fetch it once', async () => {
  await using rig = await Rig.make();
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using server = await webServer((request, response) => {
    void released.then(() => serveImage(request, response));
  });
  const files = { 'pipeline.yaml': pipeline({ url: `${server.origin}/x.iso`, sha256: SHA256 }) };
  const env = { BAKE_CACHE_DIR: rig.path('cache') };
  const first = rig.checkout('a', files).startRun([], { env });
  await expect.poll(() => server.requests.length).toBe(1);
  const second = rig.checkout('b', files).startRun([], { env });
  await second.running.says(/wait/);
  release();
  const runs = await Promise.all([first.run, second.run]);
  expect(runs.map(({ outcomes }) => outcomes)).toEqual([{ iso: 'built' }, { iso: 'restored' }]);
  expect(server.requests).toHaveLength(1);
});

test('a checksum file is asked once; bake.lock then serves a clone with an empty cache', async () => {
  await using rig = await Rig.make();
  await using server = await withChecksumFile(() => SHA256);
  const files = {
    'pipeline.yaml': pipeline({
      url: `${server.origin}/image.iso`,
      checksum: `file:${server.origin}/SHA256SUMS`,
    }),
  };
  const checkout = rig.checkout('a', files);
  const planned = await checkout.bake(['plan']);
  expect(planned.code).toBe(0);
  expect(checkout.has('bake.lock')).toBe(false);
  expect(server.requests).toEqual([]);
  expect((await checkout.run()).outcomes).toEqual({ iso: 'built' });
  expect((await checkout.run()).outcomes).toEqual({ iso: 'fresh' });
  const lock = checkout.read('bake.lock');
  expect(lock).toContain(`fetch-iso ${server.origin}/SHA256SUMS image.iso = sha256:${SHA256}\n`);
  const clone = rig.checkout('b', { ...files, 'bake.lock': lock });
  expect((await clone.run()).outcomes).toEqual({ iso: 'built' });
  expect(server.requests.map(({ path }) => path)).toEqual(['/SHA256SUMS', '/image.iso', '/image.iso']);
});

test('an image that was replaced at its origin fails the stage, until --force accepts it', async () => {
  await using rig = await Rig.make();
  await using server = await withChecksumFile(() => SHA256);
  const old = 'e'.repeat(64);
  const line = `fetch-iso ${server.origin}/SHA256SUMS image.iso = sha256:`;
  const checkout = rig.checkout('a', {
    'pipeline.yaml': pipeline({
      url: `${server.origin}/image.iso`,
      checksum: `file:${server.origin}/SHA256SUMS`,
    }),
    'bake.lock': `${line}${old}\n`,
  });
  const refused = await checkout.run();
  expect([refused.code, refused.outcomes]).toEqual([1, { iso: 'failed' }]);
  expect(refused.stages['iso']?.failure?.code).toBe('fetch-changed');
  const words = refused.stdout + refused.stderr;
  for (const part of [old, SHA256, 'has changed since bake.lock was written', '--force'])
    expect(words).toContain(part);
  expect(checkout.read('bake.lock')).toContain(`${line}${old}`);
  expect(checkout.has('dist/image.iso')).toBe(false);
  const forced = await checkout.run(['--force']);
  expect([forced.code, forced.outcomes]).toEqual([0, { iso: 'built' }]);
  expect(checkout.read('bake.lock')).toContain(`${line}${SHA256}`);
  expect((await checkout.run()).outcomes).toEqual({ iso: 'fresh' });
});

test('a missing checksum is found before anything runs', async () => {
  await using rig = await Rig.make();
  await using server = await webServer(serveImage);
  const checkout = rig.checkout('a', { 'pipeline.yaml': pipeline({ url: `${server.origin}/image.iso` }) });
  const run = await checkout.run();
  expect(run.code).toBe(2);
  expect(run.stderr).toContain('needs a checksum');
  expect(run.stderr).toMatch(/pipeline\.yaml:6:\d+/);
  expect(server.requests).toEqual([]);
});

test('an output of another stage is passed on without a second copy in the cache', async () => {
  await using rig = await Rig.make();
  const checkout = rig.checkout('a', {
    'pipeline.yaml': `bake: 1
name: passing
stages:
  make:
    run: printf image > made.iso
    outputs: { iso: made.iso }
  iso:
    uses: fetch-iso
    with: { url: "\${{ stages.make.outputs.iso }}" }
  end:
    run: test "$(cat \${{ stages.iso.outputs.iso }})" = image
`,
  });
  const run = await checkout.run();
  expect(run.outcomes).toEqual({ make: 'built', iso: 'built', end: 'built' });
  expect(run.stages['iso']?.outputs[0]?.digest).toBe(run.stages['make']?.outputs[0]?.digest);
});

test('a password in an address is neither shown nor logged', async () => {
  await using rig = await Rig.make();
  await using server = await webServer((_, response) => response.writeHead(403).end());
  const url = `${server.origin.replace('//', '//me:hunter2@')}/x.iso`;
  const checkout = rig.checkout('a', { 'pipeline.yaml': pipeline({ url, sha256: SHA256 }) });
  const run = await checkout.run();
  const log = await checkout.bake(['log', 'iso']);
  expect(run.outcomes).toEqual({ iso: 'failed' });
  expect(run.stderr + run.stdout + log.stdout + JSON.stringify(run.stages)).not.toContain('hunter2');
  expect(log.stdout).toContain('***@127.0.0.1');
});
