/** Tests of HTTP itself: redirects, credentials, certificates, proxies. */
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Http } from '../../src/host/http.ts';
import { proxyFor } from '../../src/host/proxy.ts';
import { makeHttp } from '../../src/host/real-http.ts';
import { shownAddress } from '../../src/stages/fetch/source.ts';
import { webServer } from '../support/web-server.ts';

const direct = makeHttp({});
const signal = new AbortController().signal;

async function textOf(http: Http, url: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await http.get(url, { headers, silenceMs: 5000, signal });
  if (!answer.ok) return `${answer.problem.permanent ? 'permanent' : 'passing'}: ${answer.problem.text}`;
  const pieces: Uint8Array[] = [];
  const cut = await answer.response.receive(async (bytes) => {
    pieces.push(bytes);
    return 'more';
  });
  return cut === null ? `${answer.response.status} ${Buffer.concat(pieces)}` : `cut: ${cut.text}`;
}

let identity: ServerOptions;
let authority: string;
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-tls-'));
  authority = join(directory, 'cert.pem');
  const key = join(directory, 'key.pem');
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      ...names,
      '-keyout',
      key,
      '-out',
      authority,
    ],
    { stdio: 'ignore' },
  );
  identity = { key: readFileSync(key), cert: readFileSync(authority) };
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function secureServer(location?: string) {
  const server = createHttps(identity, (_, response) => {
    if (location === undefined) response.end('secret');
    else response.writeHead(302, { location }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Asks in a process that trusts the test's own certificate, as a user's NODE_EXTRA_CA_CERTS makes it. */
async function trusting(url: string, env: Record<string, string> = {}): Promise<string> {
  const program = `
    import { makeHttp } from ${JSON.stringify(join(import.meta.dirname, '../../src/host/real-http.ts'))};
    const signal = new AbortController().signal;
    const asked = await makeHttp(process.env).get(process.argv[2], { silenceMs: 5000, signal });
    if (!asked.ok) console.log(asked.problem.text);
    else await asked.response.receive(async (bytes) => (process.stdout.write(bytes), 'more'));`;
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: import.meta.dirname },
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const source = join(directory, 'ask.mjs');
  writeFileSync(source, outputFiles[0]?.contents ?? '');
  const { stdout } = await promisify(execFile)(process.execPath, [source, url], {
    env: { PATH: process.env['PATH'] ?? '', NODE_EXTRA_CA_CERTS: authority, ...env },
  });
  return stdout.trim();
}

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('%i is followed, relative to where it came from', async (status) => {
    await using server = await webServer((request, response) => {
      if (request.url === '/a/one') response.writeHead(status, { location: '../two' }).end();
      else response.end(request.url);
    });
    expect(await textOf(direct, `${server.origin}/a/one`)).toBe('200 /two');
  });

  test('are not followed for ever', async () => {
    await using server = await webServer((request, response) => {
      response.writeHead(302, { location: `${request.url}x` }).end();
    });
    expect(await textOf(direct, `${server.origin}/`)).toBe(
      'permanent: the server redirects more than 10 times',
    );
    expect(server.requests).toHaveLength(11);
  });

  test('to another origin go without the headers that were meant for the first', async () => {
    await using other = await webServer((_, response) => response.end('ok'));
    await using server = await webServer((_, response) => {
      response.writeHead(302, { location: `${other.origin}/x` }).end();
    });
    const headers = { authorization: 'Bearer secret', 'x-token': 'secret', range: 'bytes=0-' };
    expect(await textOf(direct, `${server.origin}/`, headers)).toBe('200 ok');
    expect(server.requests[0]?.headers).toMatchObject(headers);
    expect(other.requests[0]?.headers['authorization']).toBeUndefined();
    expect(other.requests[0]?.headers['x-token']).toBeUndefined();
    expect(other.requests[0]?.headers['range']).toBe('bytes=0-');
  });

  test.each(['file:///etc/passwd', 'ftp://a/x', 'http://[', 'javascript:1'])(
    'to %s are refused',
    async (location) => {
      await using server = await webServer((_, response) => response.writeHead(302, { location }).end());
      expect(await textOf(direct, `${server.origin}/`)).toMatch(/^permanent: the server redirects to /);
    },
  );

  test('from https to http are refused', async () => {
    await using plain = await webServer((_, response) => response.end('plain'));
    await using server = await secureServer(plain.origin);
    expect(await trusting(server.origin)).toMatch(/^the server redirects from https to plain http/);
    expect(plain.requests).toEqual([]);
  });
});

describe('https', () => {
  test('refuses a certificate of an unknown authority, for good', async () => {
    await using server = await secureServer();
    expect(await textOf(direct, server.origin)).toMatch(
      /^permanent: its certificate is not valid: .*NODE_EXTRA_CA_CERTS/,
    );
  });

  test('takes the authorities of NODE_EXTRA_CA_CERTS', async () => {
    await using server = await secureServer();
    expect(await trusting(server.origin)).toBe('secret');
  });
});

describe('trouble', () => {
  test('of each kind is told apart', async () => {
    await using gone = await webServer(() => undefined);
    const { origin } = gone;
    await gone[Symbol.asyncDispose]();
    expect(await textOf(direct, origin)).toBe('passing: the connection was refused');
    expect(await textOf(direct, 'nonsense')).toBe('permanent: that is not a URL');
    expect(await textOf(direct, 'ftp://a/')).toBe('permanent: ftp:// is neither http nor https');
    expect(await textOf(direct, 'http://127.0.0.1:1/', { 'bad name': 'x' })).toMatch(/^permanent: /);
  });
});

describe('a proxy', () => {
  test('is asked for http with the whole address', async () => {
    await using proxy = await webServer((request, response) => response.end(`proxied ${request.url}`));
    const http = makeHttp({ http_proxy: proxy.origin.replace('//', '//me:pw@') });
    expect(await textOf(http, 'http://far.example/x?y')).toBe('200 proxied http://far.example/x?y');
    expect(proxy.requests[0]?.headers).toMatchObject({
      host: 'far.example',
      'proxy-authorization': `Basic ${Buffer.from('me:pw').toString('base64')}`,
    });
  });

  test('tunnels https, whose certificate is still verified', async () => {
    await using server = await secureServer();
    const asked: string[] = [];
    const proxy = createHttp().on('connect', (request, socket, head) => {
      asked.push(request.url ?? '');
      const [, port] = (request.url ?? '').split(':');
      const far = connect(Number(port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        far.write(head);
        far.pipe(socket).pipe(far);
      });
      for (const end of [far, socket]) end.on('error', () => undefined);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      expect(await textOf(makeHttp({ https_proxy: address }), server.origin)).toMatch(
        /certificate is not valid/,
      );
      expect(await trusting(server.origin, { https_proxy: address })).toBe('secret');
      expect(asked).toEqual([server.origin.slice('https://'.length), server.origin.slice('https://'.length)]);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  test.each([
    ['https://a.example/', { https_proxy: 'http://p:1' }, 'http://p:1/'],
    ['https://a.example/', { HTTPS_PROXY: 'p:1' }, 'http://p:1/'],
    ['http://a.example/', { https_proxy: 'http://p:1' }, null],
    ['http://a.example/', { HTTP_PROXY: 'http://p:1' }, null],
    ['http://a.example/', { all_proxy: 'http://p:1' }, 'http://p:1/'],
    ['http://a.example/', { http_proxy: 'http://p:1', no_proxy: 'b, .example' }, null],
    ['http://a.example/', { http_proxy: 'http://p:1', no_proxy: 'ample' }, 'http://p:1/'],
    ['http://a.example/', { http_proxy: 'http://p:1', no_proxy: '*' }, null],
    ['http://a.example/', { http_proxy: '' }, null],
    ['http://a.example/', { http_proxy: 'http://p:1', NO_PROXY: 'A.EXAMPLE.' }, null],
    ['http://a.example:81/', { http_proxy: 'http://p:1', no_proxy: 'a.example:81' }, null],
    ['http://a.example/', { http_proxy: 'http://p:1', no_proxy: 'a.example:80 b' }, null],
    ['http://a.example:81/', { http_proxy: 'http://p:1', no_proxy: 'a.example:80' }, 'http://p:1/'],
    ['http://b.a.example/', { http_proxy: 'http://p:1', no_proxy: '*.a.example' }, null],
    ['http://10.1.2.3/', { http_proxy: 'http://p:1', no_proxy: 'x,10.0.0.0/8' }, null],
    ['http://10.1.2.3/', { http_proxy: 'http://p:1', no_proxy: '10.1.2.3' }, null],
    ['http://11.1.2.3/', { http_proxy: 'http://p:1', no_proxy: '10.0.0.0/8' }, 'http://p:1/'],
    ['http://10.1.2.3/', { http_proxy: 'http://p:1', no_proxy: '10.0.0.0/99,10.0.0.0/x,/8' }, 'http://p:1/'],
    ['http://1.2.3/', { http_proxy: 'http://p:1', no_proxy: '3' }, 'http://p:1/'],
    ['http://[fd00::1]/', { http_proxy: 'http://p:1', no_proxy: 'fd00::/8' }, null],
    ['http://[fd00::1]/', { http_proxy: 'http://p:1', no_proxy: 'fd00:0::1' }, null],
    ['http://[fd00::1]:8/', { http_proxy: 'http://p:1', no_proxy: '[fd00::1]:8' }, null],
    ['http://[fd00::1]:8/', { http_proxy: 'http://p:1', no_proxy: '[fd00::1]:9' }, 'http://p:1/'],
    ['http://[fe00::1]/', { http_proxy: 'http://p:1', no_proxy: 'fd00::/8' }, 'http://p:1/'],
  ])('for %s with %j is %s', (url, env, proxy) => {
    expect(proxyFor(new URL(url), env as Record<string, string>)?.toString() ?? null).toBe(proxy);
  });

  test.each([
    [{ all_proxy: 'socks5://me:pw@127.0.0.1:9' }, 'SOCKS'],
    [{ ALL_PROXY: 'socks5h://127.0.0.1:9' }, 'SOCKS'],
    [{ http_proxy: 'socks4://127.0.0.1:9' }, 'SOCKS'],
    [{ http_proxy: 'https://127.0.0.1:9' }, 'kind https'],
    [{ http_proxy: 'http://[' }, 'no URL'],
  ])('that cannot be used, as in %j, is never passed by', async (env, word) => {
    await using server = await webServer((_, response) => response.end('direct'));
    const text = await textOf(makeHttp(env as Record<string, string>), server.origin);
    expect(text).toMatch(/^permanent: /);
    expect(text).toContain(word);
    expect(text).not.toContain('pw');
    expect(server.requests).toEqual([]);
  });
});

test('addresses are shown without credentials and queries', () => {
  expect(shownAddress('https://me:pw@host:8443/a%20b.iso?X-Signature=abc#f')).toBe(
    'https://***@host:8443/a%20b.iso?…',
  );
  expect(shownAddress('/a?b')).toBe('/a?b');
});
