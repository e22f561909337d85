// Preloaded into the real program by the fault tests (`node --require`): counts the file-system and process operations that touch one directory, and makes one of them fail or end the process.
'use strict';
const fs = require('node:fs');
const promises = require('node:fs/promises');
const children = require('node:child_process');
const { isMainThread } = require('node:worker_threads');

const within = process.env.FAULT_WITHIN;
/** `kill`, or an errno. An errno with a `+` stays from that operation on, as a full disk does. */
const kind = process.env.FAULT_KIND ?? 'kill';
const errno = kind.replace('+', '');
const at = Number(process.env.FAULT_AT ?? 0);
const countFile = process.env.FAULT_COUNT;
const real = { appendFileSync: fs.appendFileSync, kill: process.kill.bind(process), exit: process.exit };

/** Which operations an errno can come from; `kill` and EIO can strike at any. */
const WRITES =
  /^(open|write|writev|writeFile|appendFile|mkdir|mkdtemp|rename|link|symlink|copyFile|truncate|ftruncate)(Sync)?$/;
const OPENS = /^(open|opendir|readFile|writeFile|appendFile|readdir|copyFile)(Sync)?$/;
const applies = {
  kill: () => true,
  EIO: (name) => name !== 'spawn',
  EACCES: (name) => name !== 'spawn' && !/^(read|write|fsync|fstat)/.test(name),
  ENOSPC: (name, flags) => WRITES.test(name) && flags !== 'r',
  EDQUOT: (name, flags) => WRITES.test(name) && flags !== 'r',
  EMFILE: (name) => OPENS.test(name),
}[errno];
if (applies === undefined) throw new Error(`no such fault: ${kind}`);

let count = 0;
const NUMBERS = { EIO: -5, EACCES: -13, EMFILE: -24, ENOSPC: -28, EDQUOT: -122 };

/** Counts an operation; gives the error that it must end with, or null. */
function strike(name, path, flags) {
  if (!applies(name, flags)) return null;
  count += 1;
  const isIt = at > 0 && (count === at || (kind.endsWith('+') && count > at));
  if (!isIt) return null;
  if (errno === 'kill') {
    real.kill(process.pid, 'SIGKILL');
    // The signal is on its way: nothing more may happen.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
  }
  return Object.assign(new Error(`${errno}: injected, ${name} '${path}'`), {
    code: errno,
    errno: NUMBERS[errno],
    syscall: name,
    path,
  });
}

const isOurs = (path) => typeof path === 'string' && (path === within || path.startsWith(`${within}/`));
const openFiles = new Map();

function pathOf(args) {
  for (const arg of args.slice(0, 2)) {
    if (typeof arg === 'number' && openFiles.has(arg)) return openFiles.get(arg);
    const text = arg instanceof URL ? arg.pathname : Buffer.isBuffer(arg) ? arg.toString() : arg;
    if (isOurs(text)) return text;
  }
  return null;
}

const flagsOf = (name, args) =>
  /^open(Sync)?$/.test(name)
    ? args[1] === undefined || args[1] === 'r' || (typeof args[1] === 'number' && (args[1] & 3) === 0)
      ? 'r'
      : 'w'
    : undefined;

function wrapSync(name) {
  const original = fs[name];
  const wrapped = function (...args) {
    const path = pathOf(args);
    const error = path === null ? null : strike(name, path, flagsOf(name, args));
    if (error !== null) throw error;
    const value = original.apply(this, args);
    if (name === 'openSync' && path !== null) openFiles.set(value, path);
    if (name === 'closeSync') openFiles.delete(args[0]);
    return value;
  };
  Object.assign(wrapped, original);
  fs[name] = wrapped;
}

let isHandleWrapped = false;
function wrapHandles(handle) {
  if (isHandleWrapped) return;
  isHandleWrapped = true;
  const prototype = Object.getPrototypeOf(handle);
  for (const name of ['read', 'write', 'writev', 'sync', 'datasync', 'stat', 'chmod', 'truncate', 'utimes']) {
    const original = prototype[name];
    if (typeof original !== 'function') continue;
    prototype[name] = async function (...args) {
      const path = openFiles.get(this.fd) ?? null;
      const error = path === null ? null : strike(name, path);
      if (error !== null) throw error;
      return original.apply(this, args);
    };
  }
}

function wrapPromise(name) {
  const original = promises[name];
  promises[name] = async function (...args) {
    const path = pathOf(args);
    const error = path === null ? null : strike(name, path, flagsOf(name, args));
    if (error !== null) throw error;
    const value = await original.apply(this, args);
    if (name === 'open') {
      wrapHandles(value);
      if (path !== null) openFiles.set(value.fd, path);
    }
    return value;
  };
}

if (isMainThread && within !== undefined) {
  const names = [
    'access appendFile chmod copyFile link lstat lutimes mkdir mkdtemp open opendir readFile readdir readlink realpath rename rmdir rm',
    'stat symlink truncate unlink utimes writeFile',
  ]
    .join(' ')
    .split(' ');
  for (const name of names) {
    wrapSync(`${name}Sync`);
    wrapPromise(name);
  }
  for (const name of ['close', 'fchmod', 'fstat', 'fsync', 'ftruncate', 'futimes', 'read', 'write', 'writev'])
    wrapSync(`${name}Sync`);
  const { spawn } = children;
  children.spawn = function (...args) {
    strike('spawn', String(args[0]));
    return spawn.apply(this, args);
  };
  if (countFile !== undefined)
    process.on('exit', () => {
      real.appendFileSync(countFile, `${count}\n`);
    });
}
