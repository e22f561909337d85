/** Reads files that are nothing but files: a pipe, a device or a directory in their place is trouble at once, never a wait; loads nothing but `node:fs`. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** More than this is read only where somebody says so: text that is parsed, state, keys, records. */
const DEFAULT_LIMIT_BYTES = 256 * 1024 * 1024;

export interface ReadLimits {
  /** What is longer is trouble (`EFBIG`). */
  readonly limitBytes?: number;
  /** For places where others can put something, or bake itself never puts a link: a link there is trouble (`ELOOP`). */
  readonly noFollow?: boolean;
}

/** Does not wait for a writer of a pipe, nor for a terminal to become ours. */
const OPEN = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** A system error that Node did not throw. */
class FileTrouble extends Error {
  readonly code: string;
  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

/** Flags to open a file for reading with. */
export function readFlags({ noFollow }: Pick<ReadLimits, 'noFollow'>): number {
  return noFollow === true ? OPEN | constants.O_NOFOLLOW : OPEN;
}

/** Throws for whatever is not a regular file: `EISDIR` for a directory, `ENOTREG` for the rest. */
export function insistOnFile(stats: Pick<Stats, 'isFile' | 'isDirectory'>, path: string): void {
  if (!stats.isFile()) throw new FileTrouble(stats.isDirectory() ? 'EISDIR' : 'ENOTREG', path);
}

/** The bytes of a regular file. Throws system errors. */
export function readRegular(path: string, limits: ReadLimits = {}): Buffer {
  const { limitBytes = DEFAULT_LIMIT_BYTES } = limits;
  const descriptor = openSync(path, readFlags(limits));
  try {
    const stats = fstatSync(descriptor);
    insistOnFile(stats, path);
    if (stats.size > limitBytes) throw new FileTrouble('EFBIG', path);
    // Files of the kernel say 0, and one may grow while it is read: one byte more tells that it ended.
    let bytes = Buffer.allocUnsafeSlow(stats.size === 0 ? 4096 : stats.size + 1);
    let filled = 0;
    for (;;) {
      const read = readSync(descriptor, bytes, filled, bytes.length - filled, null);
      if (read === 0) return bytes.subarray(0, filled);
      filled += read;
      if (filled > limitBytes) throw new FileTrouble('EFBIG', path);
      if (filled === bytes.length) bytes = Buffer.concat([bytes], Math.min(2 * filled, limitBytes + 1));
    }
  } finally {
    closeSync(descriptor);
  }
}
