/** Reads a small file at once, for the quick check that precedes every run. */
import { readRegular } from './read-regular.ts';

/** The bytes of a file; null when it cannot be read, or is none. */
export function readBytesNow(path: string): Buffer | null {
  try {
    return readRegular(path);
  } catch {
    return null;
  }
}

/** The text of a file; null when it cannot be read, whatever the reason: the slow way will say why. */
export function readNow(path: string): string | null {
  return readBytesNow(path)?.toString('utf8') ?? null;
}
