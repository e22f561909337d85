/** Reads a small file at once, for the quick check that precedes every run; loads nothing but `node:fs`. */
import { readFileSync } from 'node:fs';

/** The bytes of a file; null when it cannot be read. */
export function readBytesNow(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** The text of a file; null when it cannot be read, whatever the reason: the slow way will say why. */
export function readNow(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
