/** Claims by abstract Unix sockets: nothing on the disk, gone with the process, and a line to whoever waits. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onAbort } from './abort.ts';
import type { Claims } from './claims.ts';
import { errnoOf } from './errno.ts';
import { lineSplitter } from './line-splitter.ts';

export const realClaims: Claims = {
  async take(name, greeting) {
    if (process.platform !== 'linux') return 'unsupported';
    const watchers = new Set<Socket>();
    const server = createServer((socket) => {
      watchers.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => watchers.delete(socket));
      socket.unref();
      socket.write(`${greeting()}\n`);
      // Nothing is expected from a watcher, but its end must be noticed.
      socket.resume();
    });
    const taken = await listen(server, name);
    if (taken !== 'held') return taken;
    // A claim alone keeps nobody alive.
    server.unref();
    return {
      tell(line) {
        for (const socket of watchers) socket.write(`${line}\n`);
      },
      release() {
        for (const socket of watchers) socket.destroy();
        return new Promise((resolve) => server.close(() => resolve()));
      },
    };
  },

  watch(name, onLine, signal) {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const socket = connect(`\0${name}`);
      const lines = lineSplitter(onLine);
      const forget = onAbort(signal, () => socket.destroy());
      socket.on('data', (chunk) => lines.push(chunk));
      // Refused: the holder let go before we came.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        forget();
        resolve();
      });
    });
  },
};

function listen(server: Server, name: string): Promise<'held' | 'taken' | 'unsupported'> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(errnoOf(error) === 'EADDRINUSE' ? 'taken' : 'unsupported'));
    server.listen(`\0${name}`, () => resolve('held'));
  });
}
