/** Files that are read back as data: under the digest of all that is in them, so that a damaged one is as good as none. */
import { dirname } from 'node:path';
import type { Files } from '../host/host.ts';
import { sha256Hex } from '../host/sha256.ts';

/** Ours alone, like the directory that it is in. */
const MODE = 0o600;
const DIGEST_CHARACTERS = 64;
/** A plan or state of 100,000 actions has some hundred megabytes. */
const LIMIT_BYTES = 1024 * 1024 * 1024;

/** The body that was sealed under this key, one line of text; null when there is none, or another one, or it is damaged. */
export async function readSealed(files: Files, path: string, key: string): Promise<string | null> {
  // Most often absent in a new checkout: a look costs a tenth of a read that throws.
  if (files.stamp(path) === null) return null;
  const text = await files.readText(path, { noFollow: true, limitBytes: LIMIT_BYTES });
  if (!text.ok) return null;
  const sealed = text.value.slice(DIGEST_CHARACTERS + 1);
  if (!sealed.startsWith(`${key}\n`)) return null;
  return text.value.startsWith(`${sha256Hex(sealed)}\n`) ? sealed.slice(key.length + 1) : null;
}

/**
 * Seals a body under a key, in one piece. Its directory is made, but not the private place above all: whoever removed that
 * does not get it back with the wrong modes. Trouble is no failure, nor is a file lost by a power cut: it costs time only.
 */
export async function writeSealed(
  files: Files,
  {
    root,
    path,
    key,
    body,
  }: { readonly root: string; readonly path: string; readonly key: string; readonly body: string },
): Promise<void> {
  if (files.stamp(root)?.type !== 'directory') return;
  const made = await files.makeDirectory(dirname(path));
  const sealed = `${key}\n${body}`;
  if (made.ok) await files.replaceFile(path, `${sha256Hex(sealed)}\n${sealed}`, { flush: false, mode: MODE });
}
