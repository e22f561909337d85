/** Serves a few files over HTTP on 127.0.0.1 to a guest (installers fetch their answers so), telling of every request. */
import { createReadStream, type Stats, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FileRequest, FileServer } from './sockets.ts';

/**
 * Listens on a port of one's own choosing, or for 0 of the OS's; null when it is taken. `resolve` maps a decoded URL path
 * (starting with `/`) to an absolute file path.
 */
export function serveFiles(
  resolve: (path: string) => string | null,
  onRequest: (request: FileRequest) => void,
  port = 0,
): Promise<FileServer | null> {
  const server = createServer((request, response) => answer(request, response, resolve, onRequest));
  return new Promise((done, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(null) : reject(error),
    );
    server.listen(port, '127.0.0.1', () => {
      done({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  resolve: (path: string) => string | null,
  onRequest: (request: FileRequest) => void,
): void {
  const method = request.method ?? 'GET';
  const path = pathOf(request.url ?? '/');
  const told = (status: number, sizeBytes: number): void => onRequest({ method, path, status, sizeBytes });
  const file = resolve(path);
  const stat = file === null ? null : regular(file);
  const range = stat ? rangeOf(request.headers.range, stat.size) : null;
  const problem = method !== 'GET' && method !== 'HEAD' ? 405 : range === 'unsatisfiable' ? 416 : 404;
  if (problem === 405 || file === null || stat === null || range === 'unsatisfiable') {
    told(problem, 0);
    response.writeHead(problem, { 'content-length': 0 }).end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: stat.size - 1 };
  const length = end - start + 1;
  told(range ? 206 : 200, length);
  response.writeHead(range ? 206 : 200, {
    'content-length': length,
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    ...(range ? { 'content-range': `bytes ${start}-${end}/${stat.size}` } : {}),
  });
  if (method === 'HEAD' || length === 0) {
    response.end();
    return;
  }
  createReadStream(file, { start, end })
    .on('error', () => response.destroy())
    .pipe(response);
}

function pathOf(url: string): string {
  const path = url.replace(/[?#].*$/, '');
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function regular(file: string): Stats | null {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() ? stat : null;
}

function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}
