/** The real host: made once by a command and handed to whoever needs it. */
import { availableParallelism, hostname, totalmem } from 'node:os';
import { realClock } from './clock.ts';
import { realFiles } from './files.ts';
import { realHashing } from './hashing.ts';
import type { Attributes, Host } from './host.ts';
import type { Http } from './http.ts';
import { bootId, isAlive, isAncestor, isStopped, ownIdentity, runsAs } from './identity.ts';
import { realLockFiles } from './lock-files.ts';
import { realProcesses } from './processes.ts';
import type { Sockets } from './sockets.ts';
import { userUmask, useStageUmask } from './umask.ts';

// Loaded when they are used: HTTP and TLS take some milliseconds, and most runs need neither.
const loadHttp = async () => (await import('./real-http.ts')).realHttp;
const loadSockets = async () => (await import('./real-sockets.ts')).realSockets;

const http: Http = { get: async (...given) => (await loadHttp()).get(...given) };
const sockets: Sockets = {
  connect: async (...given) => (await loadSockets()).connect(...given),
  listen: async (...given) => (await loadSockets()).listen(...given),
  greeting: async (...given) => (await loadSockets()).greeting(...given),
  serveFiles: async (...given) => (await loadSockets()).serveFiles(...given),
};

/** Loaded and started when they are first asked for: most runs have no output that is a directory. */
function attributesLater(path: string): Attributes {
  let loaded: Promise<Attributes> | null = null;
  const load = () => {
    loaded ??= import('./attributes.ts').then(({ attributesBy }) => attributesBy(path, process.arch));
    return loaded;
  };
  return {
    read: async (paths) => (await load()).read(paths),
    write: async (place, attributes) => (await load()).write(place, attributes),
  };
}

/** This machine, as bake sees it. */
export function realHost(): Host {
  return {
    files: realFiles,
    attributes: attributesLater(process.env['PATH'] ?? '/usr/bin:/bin'),
    processes: realProcesses(),
    clock: realClock,
    hashing: realHashing(),
    http,
    sockets,
    lockFiles: realLockFiles,
    // A copy: each look at the environment itself asks the C library.
    env: { ...process.env },
    platform: `${process.platform}/${process.arch}`,
    hostName: hostname(),
    pid: process.pid,
    identity: ownIdentity(),
    bootId: bootId(),
    isAlive,
    isStopped,
    isAncestor,
    runsAs,
    get userUmask() {
      return userUmask();
    },
    useStageUmask,
    processorCount: availableParallelism(),
    memoryBytes: totalmem(),
  };
}
