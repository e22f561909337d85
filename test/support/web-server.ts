/** Web servers on loopback for tests of downloads: one that misbehaves as told, and a real nginx. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface WebServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** Every request so far: path and headers. */
  readonly requests: readonly { readonly path: string; readonly headers: IncomingMessage['headers'] }[];
}

/** A server that answers as `handle` says; `count` is 1 for the first request. */
export async function webServer(
  handle: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<WebServer> {
  const requests: { path: string; headers: IncomingMessage['headers'] }[] = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url ?? '', headers: request.headers });
    response.on('error', () => undefined);
    handle(request, response, requests.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** nginx serving `root` on loopback; `locations` goes into its server block. */
export async function nginx(root: string, locations = ''): Promise<WebServer> {
  const directory = mkdtempSync(join(tmpdir(), 'bake-nginx-'));
  mkdirSync(join(directory, 'temporary'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/temporary/${name};`)
    .join('\n');
  const user =
    process.getuid?.() === 0 ? `user ${execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()};` : '';
  for (;;) {
    const port = await freePort();
    writeFileSync(
      join(directory, 'nginx.conf'),
      `${user} daemon off; master_process off; pid ${directory}/pid; error_log stderr;
events {}
http { access_log off; default_type application/octet-stream; ${temporary}
server { listen 127.0.0.1:${port}; root ${root}; ${locations} } }`,
    );
    const child = spawn('/usr/sbin/nginx', ['-c', join(directory, 'nginx.conf'), '-e', 'stderr'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    // The port may have been taken in between: then nginx ends at once.
    if (!(await answers(child, port))) continue;
    return {
      origin: `http://127.0.0.1:${port}`,
      requests: [],
      async [Symbol.asyncDispose]() {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
        rmSync(directory, { recursive: true, force: true });
      },
    };
  }
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(child: ChildProcess, port: number): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(port, '127.0.0.1');
    const outcome = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (outcome) return true;
    // Nothing tells when nginx listens but trying; this yields until it does.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}
