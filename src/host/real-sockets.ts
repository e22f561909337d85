/** Sockets for real: Unix sockets that programs connect to, banners of loopback services. Nothing listens beyond loopback. */
import { chmodSync } from 'node:fs';
import { createServer, connect as openSocket, type Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { serveFiles } from './file-server.ts';
import type { Connection, Listener, Sockets } from './sockets.ts';

/** More than this without a line break is handed on as a line, so that a babbling peer does not fill the memory. */
const LONGEST_LINE = 1024 * 1024;

/** The real sockets. */
export const realSockets: Sockets = { connect, listen, greeting, serveFiles };

function connectionOf(socket: Socket): Connection {
  const decoder = new StringDecoder('utf8');
  const textListeners: ((text: string) => void)[] = [];
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  // A reset is the same to us as an orderly end: both are told by `closed`.
  socket.on('error', () => {});
  const onText = (listener: (text: string) => void): void => {
    textListeners.push(listener);
    // Reading starts with the first listener, so that nothing said before is lost.
    if (textListeners.length === 1) {
      socket.on('data', (chunk: Buffer) => {
        const text = decoder.write(chunk);
        for (const each of textListeners) each(text);
      });
      socket.resume();
    }
  };
  return {
    write: (text) => {
      if (socket.writable) socket.write(text);
    },
    onText,
    onLine(listener) {
      let rest = '';
      onText((text) => {
        rest += text;
        let end = rest.indexOf('\n');
        while (end !== -1) {
          listener(rest.slice(0, end).replace(/\r$/, ''));
          rest = rest.slice(end + 1);
          end = rest.indexOf('\n');
        }
        if (rest.length > LONGEST_LINE) {
          listener(rest);
          rest = '';
        }
      });
    },
    closed,
    close: () => socket.destroy(),
  };
}

function connect(path: string): Promise<Connection | null> {
  return new Promise((resolve) => {
    const socket = openSocket(path);
    socket.once('error', () => resolve(null));
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      socket.pause();
      resolve(connectionOf(socket));
    });
  });
}

function listen(path: string): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const accepted: Connection[] = [];
    let wake: ((connection: Connection) => void) | null = null;
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      const connection = connectionOf(socket);
      if (wake) wake(connection);
      else accepted.push(connection);
    });
    server.once('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve({
        accept(signal) {
          const first = accepted.shift();
          if (first) return Promise.resolve(first);
          if (signal.aborted) return Promise.resolve(null);
          return new Promise((take) => {
            const abort = (): void => take(null);
            signal.addEventListener('abort', abort, { once: true });
            wake = (connection) => {
              wake = null;
              signal.removeEventListener('abort', abort);
              take(connection);
            };
          });
        },
        close: () => {
          server.close();
        },
      });
    });
  });
}

function greeting(port: number, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = openSocket({ port, host: '127.0.0.1' });
    const timer = setTimeout(() => finish(null), timeoutMs);
    let seen = '';
    const finish = (line: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(line);
    };
    socket.once('error', () => finish(null));
    socket.once('close', () => finish(null));
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
      const end = seen.indexOf('\n');
      if (end !== -1) finish(seen.slice(0, end).trimEnd());
      else if (seen.length > 1024) finish(null);
    });
  });
}
