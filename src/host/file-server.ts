/** Serves a few files over HTTP on 127.0.0.1 to a guest (installers fetch their answers so), telling of every request. */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, createReadStream, fstatSync, openSync, realpathSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { peerUser } from './peer-user.ts';
import type { FileRequest, FileServer, ServedFile, ServedPlace } from './sockets.ts';

/** Keys that are typed without shift: the segment may be typed at a guest. 26 of 32 are 130 bits. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const SEGMENT_LETTERS = 26;

type Resolve = (path: string) => ServedFile | null;

/**
 * Listens at a place that a guest knows already, or on a port of the OS's choosing and under a path that nobody can guess;
 * null when the port is taken. `resolve` maps a decoded URL path below that (starting with `/`) to a file.
 */
export function serveFiles(
  resolve: Resolve,
  onRequest: (request: FileRequest) => void,
  place: ServedPlace | null = null,
): Promise<FileServer | null> {
  const segment = place?.segment ?? randomSegment();
  const server = createServer((request, response) => answer(request, response, segment, resolve, onRequest));
  server.on('connection', (socket) => {
    const user = peerUser(socket.remotePort ?? 0, socket.localPort ?? 0);
    // The guest comes through QEMU, which runs as this very user.
    if (user !== null && user !== process.geteuid?.()) socket.destroy();
  });
  return new Promise((done, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(null) : reject(error),
    );
    server.listen(place?.port ?? 0, '127.0.0.1', () => {
      done({
        port: (server.address() as AddressInfo).port,
        segment,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

function randomSegment(): string {
  return [...randomBytes(SEGMENT_LETTERS)].map((byte) => LETTERS[byte % LETTERS.length]).join('');
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  segment: string,
  resolve: Resolve,
  onRequest: (request: FileRequest) => void,
): void {
  const method = request.method ?? 'GET';
  const asked = pathOf(request.url ?? '/');
  const isOwn = asked === `/${segment}` || asked.startsWith(`/${segment}/`);
  const path = isOwn ? asked.slice(segment.length + 1) || '/' : asked;
  const told = (status: number, sizeBytes: number): void =>
    onRequest({ method, path, isOwn, status, sizeBytes });
  const served = isOwn ? resolve(path) : null;
  const file = served === null ? null : openRegular(served);
  const range = file ? rangeOf(request.headers.range, file.sizeBytes) : null;
  const isRefused = isOwn && method !== 'GET' && method !== 'HEAD';
  if (isRefused || file === null || range === 'unsatisfiable') {
    if (file !== null) closeSync(file.descriptor);
    const problem = isRefused ? 405 : range === 'unsatisfiable' ? 416 : 404;
    told(problem, 0);
    response.writeHead(problem, { 'content-length': 0 }).end();
    return;
  }
  told(range ? 206 : 200, send(response, file, range, method === 'HEAD'));
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Sends a file or a part of it, and closes it; gives back how many bytes that are. */
function send(
  response: ServerResponse,
  { descriptor, sizeBytes }: OpenFile,
  range: Range | null,
  isHead: boolean,
): number {
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
  const length = end - start + 1;
  response.writeHead(range ? 206 : 200, {
    'content-length': length,
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    ...(range ? { 'content-range': `bytes ${start}-${end}/${sizeBytes}` } : {}),
  });
  if (isHead || length === 0) {
    closeSync(descriptor);
    response.end();
    return length;
  }
  const stream = createReadStream('', { fd: descriptor, start, end });
  stream.on('error', () => response.destroy()).pipe(response);
  response.on('close', () => stream.destroy());
  return length;
}

function pathOf(url: string): string {
  const path = url.replace(/[?#].*$/, '');
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

interface OpenFile {
  readonly descriptor: number;
  readonly sizeBytes: number;
}

/** Opens a regular file that really lies where it is said to; null when it is none, or when a link leads elsewhere. */
function openRegular({ path, within }: ServedFile): OpenFile | null {
  let descriptor: number | null = null;
  try {
    const real = realpathSync(path);
    const root = realpathSync(within);
    if (real !== root && !real.startsWith(root === '/' ? '/' : `${root}/`)) return null;
    // A FIFO would hold up everything; and what has become a link since is not followed.
    descriptor = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const stat = fstatSync(descriptor);
    if (stat.isFile()) return { descriptor, sizeBytes: stat.size };
    closeSync(descriptor);
    return null;
  } catch {
    if (descriptor !== null) closeSync(descriptor);
    return null;
  }
}

function rangeOf(header: string | undefined, size: number): Range | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}
