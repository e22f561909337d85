/** The real host: made once by a command and handed to whoever needs it. */
import { availableParallelism, hostname, totalmem } from 'node:os';
import { realClock } from './clock.ts';
import { realFiles } from './files.ts';
import { realHashing } from './hashing.ts';
import type { Host } from './host.ts';
import { bootId, isAlive, ownIdentity } from './identity.ts';
import { realProcesses } from './processes.ts';
import { realClaims } from './real-claims.ts';
import { realHttp } from './real-http.ts';
import { realSockets } from './real-sockets.ts';

/** This machine, as bake sees it. */
export function realHost(): Host {
  return {
    files: realFiles,
    processes: realProcesses(),
    clock: realClock,
    hashing: realHashing(),
    http: realHttp,
    sockets: realSockets,
    claims: realClaims,
    // A copy: each look at the environment itself asks the C library.
    env: { ...process.env },
    platform: `${process.platform}/${process.arch}`,
    hostName: hostname(),
    pid: process.pid,
    identity: ownIdentity(),
    bootId: bootId(),
    isAlive,
    processorCount: availableParallelism(),
    memoryBytes: totalmem(),
  };
}
