/** Sockets for real: connections from programs to bake, banners, and the file server for guests. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realSockets } from '../../src/host/real-sockets.ts';
import type { FileRequest } from '../../src/host/sockets.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-sockets-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('Unix sockets', () => {
  test('what was said before anybody listened is not lost, and lines are cut right', async () => {
    const path = join(directory, 's');
    const listener = await realSockets.listen(path);
    const program = await realSockets.connect(path);
    program?.write('{"a":1}\r\n{"b"');
    const connection = await listener.accept(new AbortController().signal);
    const lines: string[] = [];
    const both = new Promise<void>((resolve) => {
      connection?.onLine((line) => {
        lines.push(line);
        if (lines.length === 2) resolve();
      });
    });
    program?.write(':2}\n');
    await both;
    expect(lines).toEqual(['{"a":1}', '{"b":2}']);
    program?.close();
    await connection?.closed;
    listener.close();
  });

  test('the socket belongs to this user alone', async () => {
    const path = join(directory, 's');
    const listener = await realSockets.listen(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    listener.close();
  });

  test('waiting for a connection ends when it is called off', async () => {
    const listener = await realSockets.listen(join(directory, 's'));
    const stop = new AbortController();
    const accepted = listener.accept(stop.signal);
    stop.abort();
    expect(await accepted).toBeNull();
    listener.close();
  });

  test('nobody listens: null', async () => {
    expect(await realSockets.connect(join(directory, 'none'))).toBeNull();
  });
});

describe('banners', () => {
  test('the first line of who listens; null from who is silent, or when nobody is there', async () => {
    const talker = createServer((socket) => {
      socket.on('error', () => {});
      socket.write('SSH-2.0-x\r\nmore');
    });
    const silent = createServer((socket) => socket.on('error', () => {}));
    const port = (server: typeof talker) => (server.address() as AddressInfo).port;
    for (const server of [talker, silent])
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    expect(await realSockets.greeting(port(talker), 5_000)).toBe('SSH-2.0-x');
    expect(await realSockets.greeting(port(silent), 50)).toBeNull();
    const gone = port(talker);
    for (const server of [talker, silent]) await new Promise((closed) => server.close(closed));
    expect(await realSockets.greeting(gone, 5_000)).toBeNull();
  });
});

describe('the file server', () => {
  test('serves what is named, in ranges too, refuses the rest, and tells of every request', async () => {
    const file = join(directory, 'preseed.cfg');
    writeFileSync(file, 'hello world');
    symlinkSync('/', join(directory, 'root'));
    const requests: FileRequest[] = [];
    const server = await realSockets.serveFiles(
      (path) =>
        path === '/pre seed.cfg'
          ? { path: file, within: directory }
          : path === '/dir'
            ? { path: directory, within: directory }
            : null,
      (request) => requests.push(request),
    );
    if (server === null) throw new Error('no port is free');
    expect(
      await realSockets.serveFiles(
        () => null,
        () => {},
        server,
      ),
    ).toBeNull();
    const url = `http://127.0.0.1:${server.port}/${server.segment}`;
    expect(await (await fetch(`${url}/pre%20seed.cfg?x=1`)).text()).toBe('hello world');
    const part = await fetch(`${url}/pre%20seed.cfg`, { headers: { range: 'bytes=6-' } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      'bytes 6-10/11',
      'world',
    ]);
    const head = await fetch(`${url}/pre%20seed.cfg`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '11']);
    for (const [path, status, init] of [
      ['/none', 404, {}],
      ['/dir', 404, {}],
      ['/root/etc/passwd', 404, {}],
      ['/pre%20seed.cfg', 405, { method: 'POST', body: 'x' }],
      ['/pre%20seed.cfg', 416, { headers: { range: 'bytes=99-' } }],
    ] as const)
      expect((await fetch(url + path, init)).status, path).toBe(status);
    await server.close();
    expect(requests.map(({ status }) => status)).toEqual([200, 206, 200, 404, 404, 404, 405, 416]);
    await expect(fetch(url)).rejects.toThrow();
  });

  const serveDirectory = async (requests: FileRequest[] = []) => {
    const served = join(directory, 'served');
    const server = await realSockets.serveFiles(
      (path) => ({ path: join(served, path), within: served }),
      (request) => requests.push(request),
    );
    if (server === null) throw new Error('no port is free');
    return { ...server, url: `http://127.0.0.1:${server.port}` };
  };
  const statusOf = (url: string) =>
    new Promise<number | undefined>((done, failed) => {
      get(url, { agent: false }, (response) => done(response.resume().statusCode)).on('error', failed);
    });

  test('a path that nobody can guess leads to the files, and without it there is nothing', async () => {
    mkdirSync(join(directory, 'served'));
    writeFileSync(join(directory, 'served/preseed.cfg'), 'secret', { mode: 0o600 });
    const requests: FileRequest[] = [];
    const first = await serveDirectory(requests);
    const second = await serveDirectory();
    // Of 32 letters, 26 are 130 bits.
    expect(first.segment).toMatch(/^[a-z2-7]{26}$/);
    expect(second.segment).not.toBe(first.segment);
    for (const path of [
      '/preseed.cfg',
      '/',
      '//preseed.cfg',
      `/${first.segment.slice(0, -1)}/preseed.cfg`,
      `/${first.segment}x/preseed.cfg`,
      `/x/../${second.segment}/preseed.cfg`,
      `/${second.segment}/preseed.cfg`,
    ])
      expect(await statusOf(first.url + path), path).toBe(404);
    expect(await (await fetch(`${first.url}/${first.segment}/preseed.cfg`)).text()).toBe('secret');
    expect(requests.map(({ path, isOwn }) => isOwn && path).filter(Boolean)).toEqual(['/preseed.cfg']);
    await first.close();
    // A guest that goes on knows the whole address by heart.
    const again = await realSockets.serveFiles(
      () => ({ path: join(directory, 'served/preseed.cfg'), within: join(directory, 'served/preseed.cfg') }),
      () => {},
      first,
    );
    expect(await statusOf(`${first.url}/${first.segment}/preseed.cfg`)).toBe(200);
    await again?.close();
    await second.close();
  });

  test('a link within the directory is followed, one that leaves it is not, and nothing but files is opened', async () => {
    const served = join(directory, 'served');
    mkdirSync(join(served, 'below'), { recursive: true });
    writeFileSync(join(directory, 'outside'), 'outside');
    writeFileSync(join(served, 'inside'), 'inside');
    symlinkSync('../inside', join(served, 'below/link'));
    symlinkSync('../outside', join(served, 'out'));
    symlinkSync('..', join(served, 'up'));
    symlinkSync(join(directory, 'served-too'), join(served, 'prefix'));
    mkdirSync(join(directory, 'served-too'));
    writeFileSync(join(directory, 'served-too/file'), 'outside');
    execFileSync('mkfifo', [join(served, 'fifo')]);
    const server = await serveDirectory();
    const url = `${server.url}/${server.segment}`;
    expect(await (await fetch(`${url}/below/link`)).text()).toBe('inside');
    for (const path of [
      'out',
      'up/outside',
      'prefix/file',
      'fifo',
      'below',
      '%2e%2e/outside',
      '..%2foutside',
    ])
      expect(await statusOf(`${url}/${path}`), path).toBe(404);
    await server.close();
  });

  test('a program of another user is not even heard', async () => {
    mkdirSync(join(directory, 'served'));
    writeFileSync(join(directory, 'served/file'), 'secret');
    const server = await serveDirectory();
    // A status of its own: a connection that is cut may also just leave a program with nothing to do.
    const heard = 7;
    const program = `fetch('${server.url}/${server.segment}/file').then(() => process.exit(${heard}))`;
    const asked = async (user: object) => {
      const child = spawn(process.execPath, ['-e', program], { ...user, cwd: '/', env: {}, stdio: 'ignore' });
      return await new Promise((ended) => child.once('exit', ended));
    };
    expect(await asked({})).toBe(heard);
    // Only root can start a program of another user.
    if (process.geteuid?.() === 0) expect(await asked({ uid: 65534, gid: 65534 })).not.toBe(heard);
    await server.close();
  });
});
